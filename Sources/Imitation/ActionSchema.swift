/// What each number of an action means: names, units and limits, in order.
public struct ActionSchema: Codable, Sendable, Equatable {
  public struct Dimension: Codable, Sendable, Equatable {
    public var name: String
    /// What +1 stands for, for example "0.05 m".
    public var unit: String
    public var low: Float
    public var high: Float

    public init(name: String, unit: String, low: Float = -1, high: Float = 1) {
      self.name = name
      self.unit = unit
      self.low = low
      self.high = high
    }
  }

  public var dimensions: [Dimension]
  /// How many actions a second of robot time takes.
  public var controlHertz: Double

  public init(dimensions: [Dimension], controlHertz: Double) {
    self.dimensions = dimensions
    self.controlHertz = controlHertz
  }

  public var count: Int { dimensions.count }

  /// RoboCasa's 12 numbers: arm delta, gripper, mobile base, torso, mode.
  public static let roboCasa = ActionSchema(
    dimensions: [
      Dimension(name: "arm_x", unit: "0.05 m"), Dimension(name: "arm_y", unit: "0.05 m"),
      Dimension(name: "arm_z", unit: "0.05 m"), Dimension(name: "arm_rx", unit: "0.5 rad"),
      Dimension(name: "arm_ry", unit: "0.5 rad"), Dimension(name: "arm_rz", unit: "0.5 rad"),
      Dimension(name: "gripper", unit: "-1 open, +1 close"), Dimension(name: "base_x", unit: "velocity"),
      Dimension(name: "base_y", unit: "velocity"), Dimension(name: "base_yaw", unit: "velocity"),
      Dimension(name: "torso", unit: "lift"), Dimension(name: "mode", unit: "-1 arm, +1 base"),
    ], controlHertz: 20)

  /// The same with a goal for the arm instead of a step, seen from the base.
  public static let roboCasaAbsolute = ActionSchema(
    dimensions: ["x", "y", "z"].map { Dimension(name: "goal_\($0)", unit: "m", low: -1.5, high: 1.5) }
      + ["rx", "ry", "rz"].map { Dimension(name: "goal_\($0)", unit: "rad", low: -.pi, high: .pi) }
      + roboCasa.dimensions[6...],
    controlHertz: 20)

  /// What is known of `width` numbers without a simulator to ask: RoboCasa's for the first twelve, no more for others.
  public static func roboCasa(width: Int) -> ActionSchema {
    ActionSchema(
      dimensions: (0..<width).map { index in
        index < roboCasa.count ? roboCasa.dimensions[index] : Dimension(name: "action_\(index)", unit: "as recorded")
      }, controlHertz: roboCasa.controlHertz)
  }
}
