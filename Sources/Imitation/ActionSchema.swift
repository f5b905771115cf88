/// What each number of an action means: names, units and limits, in order. Whatever is nil is not known.
/// Recorded with demonstrations, it travels with what is trained on them: nobody has to guess what numbers do to a robot.
public struct ActionSchema: Codable, Sendable, Equatable {
  /// What one number of an action means; nil where nobody knows.
  public struct Dimension: Codable, Sendable, Equatable {
    /// For example "x", "gripper".
    public var name: String?
    /// What +1 stands for, for example "0.05 m".
    public var unit: String?
    /// The range; nil where nobody knows.
    public var low, high: Float?

    /// What is left out is unknown.
    public init(name: String? = nil, unit: String? = nil, low: Float? = nil, high: Float? = nil) {
      self.name = name
      self.unit = unit
      self.low = low
      self.high = high
    }

    enum CodingKeys: String, CodingKey { case name, unit, low, high }

    public init(from decoder: any Decoder) throws {
      let keys = try decoder.container(keyedBy: CodingKeys.self)
      name = try keys.decodeIfPresent(String.self, forKey: .name)
      // Packages of before units could be unknown said so in words.
      unit = try keys.decodeIfPresent(String.self, forKey: .unit).flatMap { $0 == "as recorded" ? nil : $0 }
      low = try keys.decodeIfPresent(Float.self, forKey: .low)
      high = try keys.decodeIfPresent(Float.self, forKey: .high)
      if let low, let high, low > high {
        throw DecodingError.dataCorruptedError(
          forKey: .low, in: keys, debugDescription: "\(low) is above high, \(high)")
      }
    }

    /// What is unknown is written, as null.
    public func encode(to encoder: any Encoder) throws {
      var keys = encoder.container(keyedBy: CodingKeys.self)
      try keys.encode(name, forKey: .name)
      try keys.encode(unit, forKey: .unit)
      try keys.encode(low, forKey: .low)
      try keys.encode(high, forKey: .high)
    }
  }

  /// One for each number, in order.
  public var dimensions: [Dimension]
  /// How many actions a second of robot time takes.
  public var controlHertz: Double?
  /// What carries them out, as in "operational space, step in the base frame". The beginning of another text says less than it.
  public var control: String?

  enum CodingKeys: String, CodingKey {
    case dimensions, control
    case controlHertz = "control_hertz"
  }

  /// What is left out is unknown.
  public init(dimensions: [Dimension], controlHertz: Double? = nil, control: String? = nil) {
    self.dimensions = dimensions
    self.controlHertz = controlHertz
    self.control = control
  }

  public init(from decoder: any Decoder) throws {
    let keys = try decoder.container(keyedBy: CodingKeys.self)
    dimensions = try keys.decode([Dimension].self, forKey: .dimensions)
    control = try keys.decodeIfPresent(String.self, forKey: .control)
    controlHertz = try keys.decodeIfPresent(Double.self, forKey: .controlHertz)
    if let controlHertz, !(controlHertz > 0) {
      throw DecodingError.dataCorruptedError(
        forKey: .controlHertz, in: keys, debugDescription: "\(controlHertz) is not above 0")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var keys = encoder.container(keyedBy: CodingKeys.self)
    try keys.encode(dimensions, forKey: .dimensions)
    try keys.encode(controlHertz, forKey: .controlHertz)
    try keys.encode(control, forKey: .control)
  }

  /// `width` numbers of which nothing is known.
  public static func unknown(width: Int) -> ActionSchema {
    ActionSchema(dimensions: Array(repeating: Dimension(), count: width))
  }

  /// Numbers of an action.
  public var count: Int { dimensions.count }

  /// What dimension `index` is called, by its place where it has no name.
  public func label(_ index: Int) -> String { dimensions[index].name ?? "action_\(index)" }

  /// RoboCasa's 12 numbers: arm delta, gripper, mobile base, torso, mode.
  public static let roboCasa = ActionSchema(
    dimensions: [
      ("arm_x", "0.05 m"), ("arm_y", "0.05 m"), ("arm_z", "0.05 m"), ("arm_rx", "0.5 rad"), ("arm_ry", "0.5 rad"),
      ("arm_rz", "0.5 rad"), ("gripper", "-1 open, +1 close"), ("base_x", "velocity"), ("base_y", "velocity"),
      ("base_yaw", "velocity"), ("torso", "lift"), ("mode", "-1 arm, +1 base"),
    ].map { Dimension(name: $0.0, unit: $0.1, low: -1, high: 1) },
    controlHertz: 20, control: "operational space, step in the base frame")

  /// The same with a goal for the arm instead of a step, seen from the base.
  public static let roboCasaAbsolute = ActionSchema(
    dimensions: ["x", "y", "z"].map { Dimension(name: "goal_\($0)", unit: "m", low: -1.5, high: 1.5) }
      + ["rx", "ry", "rz"].map { Dimension(name: "goal_\($0)", unit: "rad", low: -.pi, high: .pi) }
      + roboCasa.dimensions[6...],
    controlHertz: 20, control: "operational space, goal in the base frame")
}

/// What the numbers of one low-dimensional observation mean; whatever is nil is not known.
public struct VectorSchema: Codable, Sendable, Equatable {
  /// For example "m"; "1" for what has none.
  public var unit: String?
  /// What it is seen from, for example "robot base".
  public var frame: String?
  /// The order of a quaternion's numbers: "xyzw" or "wxyz".
  public var quaternion: String?

  /// What is left out is unknown.
  public init(unit: String? = nil, frame: String? = nil, quaternion: String? = nil) {
    self.unit = unit
    self.frame = frame
    self.quaternion = quaternion
  }
}

/// What the numbers of demonstrations mean, as far as whoever records them says.
public struct DemonstrationSchema: Codable, Sendable, Equatable {
  /// By the array that holds the actions: `actions`, `actions_abs`.
  public var actions: [String: ActionSchema]
  /// By observation key.
  public var observations: [String: VectorSchema]

  /// - Parameter actions: by the name of their array.
  public init(actions: [String: ActionSchema] = [:], observations: [String: VectorSchema] = [:]) {
    self.actions = actions
    self.observations = observations
  }
}
