/// How windows are moved while training: all that is seen from the robot's base, and the actions with it, by one rigid motion a
/// window, as if the base had stood a little elsewhere.
package struct Augmentation: PluginOptions {
  @Key("The largest shift along each axis, meters.", 0...10) package var translation = 0.0
  @Key("The largest turn about the vertical axis of the robot's base, degrees.", 0...180) package var rotation = 0.0
  @Key(
    "Vectors that are positions seen from the base; found by what the recordings say and RoboCasa's name when left out."
  )
  package var positions: [String]?
  @Key("Vectors that are quaternions seen from the base; found in the same way when left out.")
  package var quaternions: [String]?

  package init() {}
}

extension Augmentation {
  /// What RoboCasa calls the gripper's pose seen from the base.
  private static let usual = (position: "robot0_base_to_eef_pos", quaternion: "robot0_base_to_eef_quat")

  /// Which observations move, and where a quaternion has its x, y, z and w.
  struct Moved: Sendable {
    var positions: [String]
    var quaternions: [(key: String, places: [Int])]
    var calibrations: [String]
  }

  /// - Throws: `SettingError` when a key cannot move, or is seen from the base and nobody knows what it is.
  func moved(_ schema: ObservationSchema, _ meanings: [String: VectorSchema]) throws -> Moved {
    func keys(
      _ named: [String]?, _ what: String, width: Int, usual: String, fits: (VectorSchema) -> Bool
    ) throws -> [String] {
      for key in named ?? [] {
        guard let found = schema.vectors[key] else { throw refusal("'\(key)' is not one of observations.vectors") }
        guard found == width else { throw refusal("'\(key)' has \(found) numbers, a \(what) has \(width)") }
        if let frame = meanings[key]?.frame, frame != CameraCalibration.frame {
          throw refusal("'\(key)' is in the frame of the \(frame), not of the \(CameraCalibration.frame)")
        }
        if let unit = meanings[key]?.unit, unit != (width == 3 ? "m" : "1") {
          throw refusal("'\(key)' is recorded in '\(unit)'; a \(what) must be in '\(width == 3 ? "m" : "1")'")
        }
      }
      return named
        ?? schema.vectorKeys.filter { key in
          guard schema.vectors[key] == width, let meaning = meanings[key], meaning.frame != nil else {
            return key == usual && schema.vectors[key] == width
          }
          return meaning.frame == CameraCalibration.frame && fits(meaning)
        }
    }
    let moved = Moved(
      positions: try keys(positions, "position", width: 3, usual: Augmentation.usual.position) { $0.unit == "m" },
      quaternions: try keys(quaternions, "quaternion", width: 4, usual: Augmentation.usual.quaternion) {
        $0.quaternion != nil
      }.map { ($0, meanings[$0]?.quaternion == "wxyz" ? [1, 2, 3, 0] : [0, 1, 2, 3]) },
      calibrations: schema.vectorKeys.filter { $0.hasSuffix(CameraKeys.calibrationEnding) })
    let all = Set(moved.positions + moved.quaternions.map(\.key) + moved.calibrations)
    if let other = schema.vectorKeys.first(where: {
      meanings[$0]?.frame == CameraCalibration.frame && !all.contains($0)
    }) {
      throw refusal("'\(other)' is seen from the robot's base, but neither under positions nor under quaternions")
    }
    return moved
  }
}

/// Which numbers of a whole action are the arm's, and how they move with the frame that they are given in.
struct ArmActions: Sendable {
  /// A pose to go to, or else a step from where the gripper is.
  let isGoal: Bool
  /// The places of x, y and z, and of the axis times the angle; there may be no rotation.
  let position, rotation: [Int]
  /// What a robot carries out, by place.
  let limits: [Int: ClosedRange<Float>]

  /// - Throws: `SettingError` when frame, order or units are not known, or when other learned actions would have to move.
  init(_ schema: ActionSchema, _ layout: ActionLayout) throws {
    func name(_ place: Int) -> String? {
      let name = schema.dimensions[place].name
      return ["arm_", "goal_"].first { name?.hasPrefix($0) ?? false }.map { String(name!.dropFirst($0.count)) } ?? name
    }
    func places(_ axes: [String]) -> [Int] { axes.compactMap { axis in layout.learned.first { name($0) == axis } } }
    isGoal = schema.control?.contains("goal in the base frame") ?? false
    guard isGoal || schema.control?.contains("step in the base frame") ?? false else {
      throw refusal(
        "actions move only if they are a step or a goal 'in the base frame', and these are "
          + (schema.control.map { "'\($0)'" } ?? "of an unknown frame") + " (actions.schema.control)")
    }
    let (position, rotation) = (places(["x", "y", "z"]), places(["rx", "ry", "rz"]))
    (self.position, self.rotation) = (position, rotation)
    let others = layout.learned.filter { !(position + rotation).contains($0) }
    guard position.count == 3, [0, 3].contains(rotation.count), others.allSatisfy({ name($0) != nil }) else {
      throw refusal(
        "which actions are the arm's x, y, z, rx, ry and rz must be known: name all that are learned (actions.schema.names)"
      )
    }
    for place in others where ["x", "y", "rx", "ry"].contains(name(place)!.split(separator: "_").last) {
      throw refusal(
        "action \(place), \(name(place)!), has a direction that is not the arm's; leave it out (actions.active_dimensions)"
      )
    }
    for (places, wanted) in [(position, "m"), (rotation, "rad")] where !places.isEmpty {
      let units = Set(places.map { schema.dimensions[$0].unit })
      guard units.count == 1, let unit = units.first!, !isGoal || unit == wanted else {
        throw refusal(
          "\(places.compactMap(name).joined(separator: ", ")) must be known to have one unit"
            + (isGoal ? ", '\(wanted)'" : "") + " (actions.schema.units)")
      }
    }
    limits = (position + rotation).reduce(into: [:]) { limits, place in
      let dimension = schema.dimensions[place]
      if let low = dimension.low, let high = dimension.high { limits[place] = low...high }
    }
  }
}

private func refusal(_ reason: String) -> SettingError { .invalid(path: "augmentation", line: 0, reason: reason) }
