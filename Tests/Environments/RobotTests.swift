import Environments
import Foundation
import Imitation
import Support
import Testing

@Suite struct RobotTests {
  private static let hand = ["robot0_eef_pos": VectorSchema(unit: "m", frame: "robot base")]

  private func spec(
    _ units: [String?], _ control: String?, range: ClosedRange<Float>? = -1...1,
    vectors: [String: Int] = ["robot0_eef_pos": 3], meanings: [String: VectorSchema] = RobotTests.hand
  ) -> EnvironmentSpec {
    let names = ["x", "y", "z", "gripper", "extra", "more"]
    let schema = ActionSchema(
      dimensions: zip(names, units).map {
        .init(name: $0, unit: $1, low: range?.lowerBound, high: range?.upperBound)
      }, controlHertz: 10, control: control)
    return EnvironmentSpec(
      name: "arm", schema: ObservationSchema(images: [:], vectors: vectors), actions: schema,
      recorded: DemonstrationSchema(actions: ["actions": schema], observations: meanings),
      tasks: [SimulatedTask(name: "pick", group: "pick", horizon: 10)])
  }

  private func limits(_ change: (inout RobotLimits) -> Void = { _ in }) -> RobotLimits {
    RobotLimits {
      $0.workspace = RobotWorkspace {
        $0.low = [0, -0.5, 0]
        $0.high = [1, 0.5, 1]
      }
      $0.maxSpeed = 0.5
      change(&$0)
    }
  }

  /// What an arm at `place` gets.
  private func sent(_ actions: [[Float]], at place: [Float], _ spec: EnvironmentSpec, _ limits: RobotLimits) throws -> (
    actions: [[Float]], clipped: Int
  ) {
    let arm = Follower(spec, place)
    let paced = try PacedEnvironment(arm, limits: ActionLimits(limits, for: spec), clock: FakeClock())
    _ = try paced.reset(EpisodeSpec(task: "pick", seed: 1, pool: .evaluation))
    for action in actions { _ = try paced.step(action) }
    return (arm.actions, paced.pace.clipped)
  }

  @Test func stepsStayInTheWorkspaceAndAreNotTooFast() throws {
    let spec = spec(["0.1 m", "0.1 m", "0.1 m", "-1 open, +1 close"], "operational space, step in the base frame")
    // 0.5 m/s at 10 Hz: 0.05 m a step, which is 0.5 of the 0.1 m that 1 stands for.
    let one = try sent([[0.3, -0.4, 0, 1]], at: [0.5, 0, 0.5], spec, limits())
    #expect(one.actions == [[0.3, -0.4, 0, 1]] && one.clipped == 0)
    let fast = try sent([[0.6, -0.8, 0, 0.3]], at: [0.5, 0, 0.5], spec, limits())
    #expect(fast.actions == [[0.3, -0.4, 0, 0.3]] && fast.clipped == 1)
    // 0.02 m below the top there are 0.02 m left.
    let top = try sent([[0, 0, 0.4, 2]], at: [0.5, 0, 0.98], spec, limits())
    #expect(abs(top.actions[0][2] - 0.2) < 1e-6 && top.actions[0][3] == 1 && top.clipped == 1)
    // From out of it there is a way back, no faster than any.
    let outside = try sent([[0, 0, 0, 0], [0, 0, 1, 0]], at: [0.5, 0.75, 0.5], spec, limits())
    #expect(abs(outside.actions[0][1] + 0.5) < 1e-6 && outside.clipped == 2)
    // Never out, whatever is asked for.
    let arm = Follower(spec, [0.5, 0, 0.5])
    let paced = try PacedEnvironment(arm, limits: ActionLimits(limits(), for: spec), clock: FakeClock())
    _ = try paced.reset(EpisodeSpec(task: "pick", seed: 1, pool: .evaluation))
    for step in 0..<300 {
      let before = arm.place
      _ = try paced.step([1, step % 100 < 50 ? 1 : -1, step < 150 ? -9 : 9, 0])
      #expect(
        zip(arm.place, zip([0, -0.5, 0], [1, 0.5, 1])).allSatisfy { $0 > Float($1.0) - 1e-5 && $0 < Float($1.1) + 1e-5 }
      )
      let moved = zip(arm.place, before).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
      #expect(moved < 0.05 + 1e-5)
    }
  }

  @Test func goalsStayInTheWorkspaceAndAreNotTooFast() throws {
    let spec = spec(["m", "m", "m", "1 close"], "operational space, goal in the base frame", range: -2...2)
    let near = try sent([[0.53, 0.04, 0.5, 1], [0.53, 0.08, 0.5, 1]], at: [0.5, 0, 0.5], spec, limits())
    #expect(near.actions == [[0.53, 0.04, 0.5, 1], [0.53, 0.08, 0.5, 1]] && near.clipped == 0)
    // The second is counted from the first goal that was sent.
    let far = try sent([[0.9, 0, 0.5, 0], [0.9, 0, 0.5, 0]], at: [0.5, 0, 0.5], spec, limits())
    #expect(far.actions == [[0.55, 0, 0.5, 0], [0.6, 0, 0.5, 0]] && far.clipped == 2)
    let low = try sent([[0.5, 0, -0.01, 0]], at: [0.5, 0, 0.02], spec, limits())
    #expect(low.actions == [[0.5, 0, 0, 0]] && low.clipped == 1)
  }

  /// A robot that does not go where it is sent: goals do not run away from it, and when it is asked to stay, it is not moved.
  @Test func goalsDoNotRunAwayFromABlockedRobot() throws {
    let spec = spec(["m", "m", "m", "1 close"], "operational space, goal in the base frame", range: -2...2)
    let arm = Follower(spec, [0.5, 0, 0.5])
    arm.isBlocked = true
    let clock = FakeClock()
    let paced = try PacedEnvironment(arm, limits: ActionLimits(limits(), for: spec), holdAfter: 0.3, clock: clock)
    _ = try paced.reset(EpisodeSpec(task: "pick", seed: 1, pool: .evaluation))
    for _ in 0..<10 { _ = try paced.step([0.9, 0, 0.5, 0]) }
    // 0.05 m a period: three periods ahead, and the next one.
    #expect(arm.actions.map { $0[0] }.max()! < 0.7 + 1e-5)
    _ = try paced.step([0.5, 0, 0.5, 0])
    #expect(arm.actions.last == [0.5, 0, 0.5, 0])
    // Beside the way: from where it stands.
    for _ in 0..<5 { _ = try paced.step([0.9, 0, 0.5, 0]) }
    _ = try paced.step([0.5, 0.04, 0.5, 0])
    #expect(arm.actions.last == [0.5, 0.04, 0.5, 0])
    // Held, it is where it is seen, not where it was sent: by the watch and by who asks for it.
    for ask in [false, true] {
      for _ in 0..<5 { _ = try paced.step([0.9, 0, 0.5, 0]) }
      if ask { try paced.hold() } else { clock.advance(2) }
      _ = try paced.step([0.9, 0, 0.5, 0])
      #expect(abs(arm.actions.last![0] - 0.55) < 1e-6, "\(arm.actions.last!)")
    }
    // And of joints, each by itself.
    let joints = self.spec(
      ["rad", "rad"], "joint position", range: -1.5...1.5, vectors: ["joints": 2],
      meanings: ["joints": VectorSchema(unit: "rad")])
    let turned = Follower(joints, [0.4, 0])
    turned.isBlocked = true
    let options = RobotLimits {
      $0.maxTurn = 1
      $0.joints = "joints"
    }
    let other = try PacedEnvironment(turned, limits: ActionLimits(options, for: joints), clock: FakeClock())
    _ = try other.reset(EpisodeSpec(task: "pick", seed: 1, pool: .evaluation))
    for _ in 0..<20 { _ = try other.step([1.4, -0.05]) }
    #expect(turned.actions.map { $0[0] }.max()! < 0.8 + 1e-5 && turned.actions.last![1] == -0.05)
    _ = try other.step([0.4, 0])
    #expect(turned.actions.last == [0.4, 0] && other.sent == [0.4, 0])
  }

  @Test func jointsAreNotTurnedTooFast() throws {
    let meanings = ["joints": VectorSchema(unit: "rad")]
    let goals = spec(
      ["rad", "rad", "rad"], "joint position", range: -1.5...1.5, vectors: ["joints": 3], meanings: meanings)
    let limits = RobotLimits {
      $0.maxTurn = 2
      $0.joints = "joints"
    }
    let moved = try sent([[0.1, 1.4, -1], [0.1, 1.4, -1], [9, 0.2, 0]], at: [0, 1.3, 0], goals, limits)
    for (found, wanted) in zip(moved.actions, [[0.1, 1.4, -0.2], [0.1, 1.4, -0.4], [0.3, 1.2, -0.2]] as [[Float]]) {
      #expect(zip(found, wanted).allSatisfy { abs($0 - $1) < 1e-6 }, "\(found)")
    }
    #expect(moved.clipped == 3)
    let steps = spec(["0.5 rad", "0.5 rad", "0.5 rad"], "joint velocity, step", vectors: [:], meanings: [:])
    let turned = try sent([[0.3, -0.9, 1]], at: [], steps, RobotLimits { $0.maxTurn = 2 })
    #expect(turned.actions == [[0.3, -0.4, 0.4]] && turned.clipped == 1)
  }

  /// Where nobody knows what a number does, nothing is sent.
  @Test func whatCannotBeClippedIsRefused() throws {
    let steps = "operational space, step in the base frame"
    let meters: [String?] = ["m", "m", "m"]
    func refusal(_ spec: EnvironmentSpec, _ limits: RobotLimits) -> String {
      do {
        _ = try ActionLimits(limits, for: spec)
        return ""
      } catch { return "\(error)" }
    }
    #expect(refusal(spec(meters, steps), limits()) == "")
    // A gripper whose opening is in meters moves no hand.
    #expect(refusal(spec(meters + ["m"], steps), limits()) == "")
    for (spec, limits, words) in [
      (spec(meters, nil), limits(), "whether its actions are steps or goals"),
      (spec(meters, "step or goal in the base frame"), limits(), "whether its actions are steps or goals"),
      (spec(meters + [nil], steps), limits { $0.rangeOnly = [] }, "'gripper' has the unit nobody knows which"),
      (spec(meters + ["1", nil], steps), limits(), "'extra' has the unit nobody knows which"),
      (spec(meters + ["1", "N"], steps), limits(), "'extra' has the unit 'N', not m or rad"),
      (spec(meters + ["1"], steps, range: nil), limits(), "'gripper' has no range"),
      (spec(["mm", "mm", "mm"], steps), limits(), "'x' has the unit 'mm'"),
      (spec(["m/s", "m", "m"], steps), limits(), "'x' has the unit 'm/s'"),
      (spec(["0 m", "m", "m"], steps), limits(), "'x' has the unit '0 m'"),
      (spec(meters, steps), limits { $0.maxSpeed = nil }, "max_speed (m/s) are needed"),
      (spec(meters, steps), limits { $0.workspace = nil }, "workspace (low and high, m)"),
      (spec(["m", "m"], steps), limits(), "2 of its numbers are in meters, the workspace has 3 axes"),
      (spec(meters, steps, vectors: [:]), limits(), "'robot0_eef_pos' 0"),
      (spec(meters, "step in the world frame"), limits(), "in the frame of the actions"),
      (spec(meters, "step of the hand"), limits(), "in the frame of the actions"),
      (spec(meters, steps, meanings: [:]), limits(), "it is in '?'"),
      (spec(["rad"], "joint position"), limits(), "leave out workspace and max_speed"),
      (spec(meters, steps), limits { $0.maxTurn = 1 }, "none of its actions is in radians"),
      (spec(meters + ["m"], steps), limits { $0.rangeOnly = [] }, "4 of its numbers are in meters"),
      (spec(["rad"], "joint position"), RobotLimits(), "max_turn (rad/s) is needed"),
      (spec(["rad"], "joint position"), RobotLimits { $0.maxTurn = 1 }, "'robot0_joint_pos' has to be its 1 joints"),
      (
        spec(meters + ["rad", "rad", "rad"], "goal in the base frame"), limits { $0.maxTurn = 1 },
        "goals of the hand's rotation cannot be limited"
      ),
    ] {
      #expect(refusal(spec, limits).contains(words), "\(words): \(refusal(spec, limits))")
    }
  }

  // MARK: A robot in a process of its own

  private func robot(_ how: String..., change: (inout RobotAdapter) -> Void = { _ in }) throws -> (
    RobotEnvironment, FakeRobot, () -> Void
  ) {
    let folder = FileManager.default.temporaryDirectory.path + "/robot-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let fake = try FakeRobot(folder: folder)
    let options = RobotAdapter {
      $0.command = [folder + "/robot.py"] + how
      $0.limits = limits { $0.maxSpeed = 5 }
      change(&$0)
    }
    return (try RobotEnvironment(options: options), fake, { try? FileManager.default.removeItem(atPath: folder) })
  }

  @Test func aRobotIsAskedByTheClock() throws {
    let (robot, fake, remove) = try robot("slow")
    defer { remove() }
    _ = try robot.reset(EpisodeSpec(task: "pick", seed: 1, pool: .evaluation))
    let start = ContinuousClock.now
    for _ in 0..<6 { _ = try robot.step([0.2, 0, 0, 1]) }
    // Two of the answers take 0.05 s, 2.5 periods: three times go by after each.
    #expect((ContinuousClock.now - start) / .seconds(1) > 0.15)
    #expect(robot.pace.lateAnswers >= 2 && robot.pace.worstLateness > 0.025 && robot.pace.steps == 6)
    #expect(robot.pace.clippedByRobot == 1 && robot.pace.rate! < 50)
    Thread.sleep(forTimeInterval: 0.8)
    #expect(fake.calls.last == "hold" && robot.pace.holds == 1)
    let asked = try robot.teleoperate()
    #expect(asked.action == [0.2, 0, 0.1, 1] && !asked.isLast)
    #expect(robot.recorded([0.2, 0, 0.1, 3]).relative == [0.2, 0, 0.1, 1])
    try robot.hold()
    #expect(fake.calls.suffix(2) == ["teleoperate", "hold"] && robot.expert(seed: 1, noise: 0) == nil)
    #expect(throws: ProcessEnvironmentError.self) {
      _ = try robot.restore([], of: EpisodeSpec(task: "pick", seed: 1, pool: .evaluation))
    }
  }

  /// A link that is dead: whoever is at its other end is asked to leave, so that it can stop the robot.
  @Test(arguments: [("silent", "gave no answer within 0.3 s"), ("dying", "ended (exit code 3)")])
  func aRobotThatIsLostIsReported(_ how: String, _ words: String) throws {
    let (robot, fake, remove) = try robot(how) { $0.stepDeadline = 0.3 }
    defer { remove() }
    _ = try robot.reset(EpisodeSpec(task: "pick", seed: 1, pool: .evaluation))
    for _ in 0..<2 { _ = try robot.step([0, 0, 0, 0]) }
    let error = #expect(throws: ProcessEnvironmentError.self) { _ = try robot.step([0, 0, 0, 0]) }
    #expect("\(error!)".contains(words), "\(error!)")
    if how == "silent" { #expect(fake.calls.last == "terminated") }
    try robot.hold()
    #expect(throws: ProcessEnvironmentError.self) { _ = try robot.step([0, 0, 0, 0]) }
    _ = try robot.reset(EpisodeSpec(task: "pick", seed: 1, pool: .evaluation))
    #expect(try robot.step([0, 0, 0, 0]).observation.vectors["robot0_eef_pos"] == [0.5, 0, 0.2])
  }

  @Test func aRobotThatCannotHoldIsRefused() throws {
    #expect(throws: RobotError.lacks(robot: "arm", capability: "hold")) { _ = try robot("loose") }
    #expect(throws: RobotError.self) { _ = try robot { $0.limits.maxSpeed = nil } }
  }
}

/// An arm that is at once where it is sent to, unless something is in its way.
private final class Follower: RealTimeEnvironment {
  let spec: EnvironmentSpec
  var place: [Float]
  var actions: [[Float]] = []
  var isBlocked = false
  var pace: PaceReport { PaceReport() }

  init(_ spec: EnvironmentSpec, _ place: [Float]) { (self.spec, self.place) = (spec, place) }

  private var seen: Observation {
    Observation(vectors: spec.schema.vectors.isEmpty ? [:] : [spec.schema.vectorKeys[0]: place], instruction: "")
  }
  func reset(_ episode: EpisodeSpec) -> Observation { seen }
  func step(_ action: [Float]) -> Transition {
    actions.append(action)
    guard !isBlocked else { return Transition(observation: seen, success: false) }
    let isStep = spec.actions.control?.contains("step") == true
    place = place.indices.map { isStep ? place[$0] + 0.1 * action[$0] : action[$0] }
    return Transition(observation: seen, success: false)
  }
  func hold() {}
}
