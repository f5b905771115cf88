import Imitation

/// What actions are clipped to before a robot gets them: a box that the hand stays in, speeds, and the ranges of the schema.
///
/// It is made from what the adapter says of its numbers. Where that leaves open what a number does, there are no limits but
/// an error: nobody can clip what nobody knows.
package struct ActionLimits: Sendable {
  /// What an action is limited from.
  struct Reference {
    /// The newest observation's vectors.
    private(set) var seen: [String: [Float]] = [:]
    /// The goal that was sent last, if the robot has not been held since: it is on its way there, if it can.
    private(set) var goal: [Float]?

    mutating func see(_ observation: Observation) { seen = observation.vectors }
    mutating func sent(_ action: [Float]) { goal = action }
    mutating func forgetGoal() { goal = nil }
  }

  /// Numbers that move something together: the hand along axes, or what turns.
  struct Group: Sendable {
    var indices: [Int]
    /// What 1 stands for, in meters or radians.
    var scales: [Double]
    /// Meters or radians a second.
    var speed: Double
    /// Where it is, by the key of an observation; "" where only steps matter.
    var key: String
    /// Whether the speed limits each number by itself, as of joints, or all of them together.
    var isEach = false

    /// What a new goal is counted from: of all places between the one that is seen and the goal that was sent last, the nearest
    /// to what is asked for. So a robot that did not go where it was sent is not led further away when it is asked to stay.
    ///
    /// - Parameter lead: how far from what is seen that may be.
    func start(for asked: [Double], seen: [Double], sent: [Double], lead: Double) -> [Double] {
      var way = zip(sent, seen).map { $0 - $1 }
      if isEach {
        way = way.map { min(max($0, -lead), lead) }
        return asked.indices.map { place in
          let end = seen[place] + way[place]
          return min(max(asked[place], min(seen[place], end)), max(seen[place], end))
        }
      }
      let length = way.reduce(0) { $0 + $1 * $1 }.squareRoot()
      guard length > 0 else { return seen }
      way = way.map { $0 * min(1, lead / length) }
      let square = way.reduce(0) { $0 + $1 * $1 }
      let along = asked.indices.reduce(0) { $0 + (asked[$1] - seen[$1]) * way[$1] } / square
      return zip(seen, way).map { $0 + min(max(along, 0), 1) * $1 }
    }
  }

  /// Whether numbers are where to go, or how far from here.
  private let isGoal: Bool
  private let hand: Group?
  private let turns: Group?
  private let box: (low: [Double], high: [Double])
  private let ranges: [ClosedRange<Float>?]

  /// - Throws: `RobotError.cannotClip`.
  package init(_ options: RobotLimits, for spec: EnvironmentSpec) throws {
    let (schema, name) = (spec.actions, spec.name)
    func refused(_ reason: String) -> RobotError { .cannotClip(robot: name, reason: reason) }
    // A gripper's meters do not move the hand.
    let units = schema.dimensions.enumerated().map {
      options.rangeOnly.contains(schema.label($0)) ? nil : Unit($1.unit)
    }
    let (meters, radians) = (
      units.indices.filter { units[$0]?.isMeter == true }, units.indices.filter { units[$0]?.isMeter == false }
    )
    for index in units.indices where units[index] == nil {
      let (label, dimension) = (schema.label(index), schema.dimensions[index])
      guard options.rangeOnly.contains(label) else {
        throw refused(
          "'\(label)' has the unit \(dimension.unit.map { "'\($0)'" } ?? "nobody knows which"), not m or rad: name it in range_only if its range is limit enough"
        )
      }
      guard dimension.low != nil, dimension.high != nil else { throw refused("'\(label)' has no range") }
    }
    let control = ControlWords(schema.control)
    if !meters.isEmpty || !radians.isEmpty {
      guard let isGoal = control.isGoal else {
        throw refused(
          "nobody knows whether its actions are steps or goals: the adapter's action.control has to say it, not '\(schema.control ?? "")'"
        )
      }
      self.isGoal = isGoal
    } else {
      isGoal = false
    }
    hand = try ActionLimits.hand(meters, units, options, spec, control, refused)
    turns = try ActionLimits.turns(radians, units, options, spec, control, isGoal: isGoal, refused)
    box = (options.workspace?.low ?? [], options.workspace?.high ?? [])
    ranges = schema.dimensions.map { dimension in
      dimension.low.flatMap { low in dimension.high.map { low...$0 } }
    }
  }

  private static func hand(
    _ meters: [Int], _ units: [Unit?], _ options: RobotLimits, _ spec: EnvironmentSpec, _ control: ControlWords,
    _ refused: (String) -> RobotError
  ) throws -> Group? {
    guard !meters.isEmpty else {
      guard options.workspace == nil, options.maxSpeed == nil else {
        throw refused(
          "none of its actions is in meters, so only its adapter can keep the hand in a workspace; leave out workspace and max_speed"
        )
      }
      return nil
    }
    guard let workspace = options.workspace, let speed = options.maxSpeed else {
      throw refused("it moves in meters: workspace (low and high, m) and max_speed (m/s) are needed")
    }
    let (key, low) = (workspace.position, workspace.low)
    guard low.count == meters.count, spec.schema.vectors[key] == meters.count else {
      throw refused(
        "\(meters.count) of its numbers are in meters, the workspace has \(low.count) axes and '\(key)' \(spec.schema.vectors[key] ?? 0)"
      )
    }
    let meaning = spec.recorded.observations[key]
    guard meaning?.unit == "m", let frame = control.frame, ControlWords(meaning?.frame).frame == frame else {
      throw refused(
        "the workspace needs '\(key)' in m and in the frame of the actions (world or base); it is in '\(meaning?.unit ?? "?")' and '\(meaning?.frame ?? "?")', the actions are '\(spec.actions.control ?? "?")'"
      )
    }
    return Group(indices: meters, scales: meters.map { units[$0]!.scale }, speed: speed, key: key)
  }

  private static func turns(
    _ radians: [Int], _ units: [Unit?], _ options: RobotLimits, _ spec: EnvironmentSpec, _ control: ControlWords,
    isGoal: Bool, _ refused: (String) -> RobotError
  ) throws -> Group? {
    guard !radians.isEmpty else {
      guard options.maxTurn == nil else {
        throw refused("none of its actions is in radians, so nothing turns; leave out max_turn")
      }
      return nil
    }
    guard let speed = options.maxTurn else { throw refused("it turns in radians: max_turn (rad/s) is needed") }
    var group = Group(indices: radians, scales: radians.map { units[$0]!.scale }, speed: speed, key: "")
    group.isEach = control.isJoint
    guard isGoal else { return group }
    // Three angles of a goal are no vector: nobody knows which way it turns from one to the next.
    guard control.isJoint else {
      throw refused("goals of the hand's rotation cannot be limited: let its actions be steps, or joint angles")
    }
    group.key = options.joints
    guard spec.schema.vectors[group.key] == radians.count, spec.recorded.observations[group.key]?.unit == "rad" else {
      throw refused("'\(group.key)' has to be its \(radians.count) joints in rad; joints: names another vector")
    }
    if let index = radians.first(where: {
      spec.actions.dimensions[$0].low == nil || spec.actions.dimensions[$0].high == nil
    }) {
      throw refused("'\(spec.actions.label(index))' has no range")
    }
    return group
  }

  /// What is left of an action; itself, bit for bit, where nothing has to be changed.
  ///
  /// - Parameter period: how long it lasts, in seconds.
  func clipped(_ action: [Float], from reference: Reference, period: Double) -> [Float] {
    var action = action
    for (index, range) in ranges.enumerated() {
      guard let range else { continue }
      action[index] = min(max(action[index], range.lowerBound), range.upperBound)
    }
    if let hand { limit(hand, &action, reference, period, isHand: true) }
    if let turns { limit(turns, &action, reference, period, isHand: false) }
    return action
  }

  /// How far a goal may be ahead of where the robot is seen, in periods at full speed: what follows with a delay gets its full
  /// speed, what is blocked does not get goals that run away from it.
  private static let lead = 3.0

  private func limit(
    _ group: Group, _ action: inout [Float], _ reference: Reference, _ period: Double, isHand: Bool
  ) {
    let asked = zip(group.indices, group.scales).map { Double(action[$0]) * $1 }
    // Steps of what turns are the same wherever it is.
    let seen = (reference.seen[group.key] ?? []).map(Double.init)
    let sent =
      isGoal ? reference.goal.map { goal in zip(group.indices, group.scales).map { Double(goal[$0]) * $1 } } : nil
    let most = group.speed * period
    let from =
      isGoal
      ? sent.map { group.start(for: asked, seen: seen, sent: $0, lead: ActionLimits.lead * most) } ?? seen
      : isHand ? seen : asked.map { _ in 0 }
    var target = isGoal || !isHand ? asked : zip(from, asked).map { $0 + $1 }
    if isHand { target = target.enumerated().map { min(max($1, box.low[$0]), box.high[$0]) } }
    var move = zip(target, from).map { $0 - $1 }
    // A move of exactly the speed is not one too fast, whatever its last digit.
    if group.isEach {
      move = move.map { abs($0) > most * 1.000_001 ? ($0 < 0 ? -most : most) : $0 }
    } else {
      let length = move.reduce(0) { $0 + $1 * $1 }.squareRoot()
      if length > most * 1.000_001 { move = move.map { $0 * most / length } }
    }
    for (place, index) in group.indices.enumerated() {
      let wanted = isGoal ? from[place] + move[place] : move[place]
      // What was asked for stays as it is where that is what is wanted: sums round.
      guard abs(wanted - asked[place]) > 1e-9 else { continue }
      action[index] = Float(wanted / group.scales[place])
    }
  }

  /// "0.05 m" or "rad": what 1 stands for.
  private struct Unit {
    var scale: Double
    var isMeter: Bool

    init?(_ text: String?) {
      let words = (text ?? "").split(separator: " ")
      guard let unit = words.last, ["m", "rad"].contains(unit), words.count <= 2 else { return nil }
      guard let scale = words.count == 1 ? 1 : Double(words[0]), scale > 0, scale.isFinite else { return nil }
      (self.scale, isMeter) = (scale, unit == "m")
    }
  }

  /// What a schema's words say of how actions are carried out.
  private struct ControlWords {
    private let words: Set<String>

    init(_ text: String?) {
      words = Set((text ?? "").lowercased().split { !$0.isLetter }.map(String.init))
    }

    /// Nil where they do not say it.
    var isGoal: Bool? {
      let step = !words.isDisjoint(with: ["step", "steps", "delta", "relative"])
      let goal = !words.isDisjoint(with: ["goal", "goals", "absolute"])
      return step == goal ? (isJoint && words.contains("position") && !step ? true : nil) : goal
    }

    var isJoint: Bool { !words.isDisjoint(with: ["joint", "joints"]) }

    /// What they are seen from, where that is fixed in space.
    var frame: String? {
      let found = ["world", "base"].filter(words.contains)
      return found.count == 1 ? found[0] : nil
    }
  }
}
