import Imitation

/// What a robot must not exceed, as the user declares it.
public struct RobotLimits: PluginOptions, Equatable {
  @Key("The box that the hand stays in; needed when actions are in meters.") public var workspace: RobotWorkspace?
  @Key("The fastest that the hand may be moved, m/s; needed when actions are in meters.", .above(0))
  public var maxSpeed: Double?
  @Key("The fastest that the hand, or a joint, may be turned, rad/s; needed when actions are in radians.", .above(0))
  public var maxTurn: Double?
  @Key("The observation that has the joints' angles, of robots that take them.") public var joints = "robot0_joint_pos"
  @Key("Numbers of an action that are neither meters nor radians: their range is all that they are limited to.")
  public var rangeOnly = ["gripper"]

  public init() {}
}

/// The box that a robot's hand stays in.
public struct RobotWorkspace: PluginOptions, Equatable {
  @Key("Its lower corner, m, in the frame of the actions.") public var low: [Double]
  @Key("Its other corner, m.") public var high: [Double]
  @Key("The observation that says where the hand is.") public var position = "robot0_eef_pos"

  public init() {}

  public func validate() throws {
    try $high.refuse(
      unless: low.count == high.count && zip(low, high).allSatisfy { $0 < $1 },
      "must have as many numbers as low, each above the other's")
  }
}

/// A robot, by an adapter of the user's.
public struct RobotAdapter: EnvironmentAdapter, Equatable {
  public static let kind = "robot"
  public static let help =
    "A real robot, by a program of yours (docs/robots.md): asked at its control rate, actions clipped to a workspace and speeds."

  @Key(
    "The program and its arguments; one that ends in .py is run by `python`. A fake arm that comes with the toolkit when left out."
  ) public var command: [String]?
  /// What it must not exceed.
  public var limits = RobotLimits()
  @Key("Seconds that an action may be late before the robot is asked to hold.", 0.01...10) public var holdAfter = 0.5
  @Key("Seconds without an answer to a step after which the robot counts as lost.", 0.1...60) public var stepDeadline =
    2.0
  public var process = ProcessOptions()

  public init() {}

  public func validate() throws {
    try $command.refuse(unless: command.map { $0.first?.isEmpty == false } ?? true, "must name a program")
  }

  public var program: [String] {
    get throws {
      guard let command else { return [process.python, try AdapterFiles.path(of: "robot_template.py")] }
      return command[0].hasSuffix(".py") ? [process.python] + command : command
    }
  }
}

/// What a robot is refused for.
public enum RobotError: Error, Equatable, CustomStringConvertible {
  /// An environment that does not say how often it takes actions.
  case noRate(String)
  /// Actions of which nobody knows what they do.
  case cannotClip(robot: String, reason: String)
  /// An adapter without a call that a robot must have.
  case lacks(robot: String, capability: String)

  public var description: String {
    switch self {
    case .noRate(let name): "\(name): its hello must say action.control_hertz: a robot is asked by the clock"
    case .cannotClip(let name, let reason): "\(name): its actions cannot be clipped: \(reason)"
    case .lacks(let name, let capability):
      "\(name): its adapter has no '\(capability)' among its capabilities (docs/robots.md)"
    }
  }
}

/// A robot behind an adapter: `ProcessEnvironment` by a clock.
public final class RobotEnvironment: ProcessEnvironment, Simulator, TeleoperatedEnvironment {
  public typealias Options = RobotAdapter
  public static let name = RobotAdapter.kind
  public static let help = RobotAdapter.help
  private var paced: PacedEnvironment!

  public convenience init(options: RobotAdapter) throws { try self.init(options, clock: MonotonicClock()) }

  package init(_ options: RobotAdapter, clock: any ControlClock) throws {
    // The toolkit's own keys stay here; the adapter gets `options`.
    try super.init(kind: RobotAdapter.kind, command: options.program, process: options.process)
    stepDeadline = options.stepDeadline
    endsGently = true
    guard has("hold") else { throw RobotError.lacks(robot: super.spec.name, capability: "hold") }
    let limits = try ActionLimits(options.limits, for: super.spec)
    paced = try PacedEnvironment(Unpaced(self), limits: limits, holdAfter: options.holdAfter, clock: clock)
  }

  public var pace: PaceReport {
    var report = paced.pace
    report.clippedByRobot = clippedSteps
    return report
  }

  public var sent: [Float]? { paced.sent }

  public override func reset(_ episode: EpisodeSpec) throws -> Observation { try paced.reset(episode) }
  public override func step(_ action: [Float]) throws -> Transition { try paced.step(action) }
  public override func hold() throws { try paced.hold() }
  public override func recorded(_ action: [Float]) -> (relative: [Float], absolute: [Float]?) {
    (paced.allowed(action), nil)
  }
  public override var state: [Double] { get throws { try paced.exclusively { try super.state } } }
  /// Nobody can put a robot's world back.
  public override func restore(_ state: [Double], of episode: EpisodeSpec) throws -> Observation {
    throw ProcessEnvironmentError.refused(environment: spec.name, call: "restore", reason: "it is a robot", log: nil)
  }
  public override func expert(seed: UInt64, noise: Double) -> (any Behavior)? { nil }

  public func teleoperate() throws -> (action: [Float], isLast: Bool) {
    guard has("teleoperation") else { throw RobotError.lacks(robot: spec.name, capability: "teleoperation") }
    return try paced.exclusively { try operatorAction() }
  }

  /// The robot as the clock's owner asks it.
  private final class Unpaced: RealTimeEnvironment {
    /// Not unowned: the watchdog may ask while the robot is being let go.
    private weak var robot: RobotEnvironment?
    let spec: EnvironmentSpec
    var pace: PaceReport { PaceReport() }
    var sent: [Float]? { nil }

    init(_ robot: RobotEnvironment) { (self.robot, spec) = (robot, robot.spec) }

    private var found: RobotEnvironment {
      get throws {
        guard let robot else { throw ProcessEnvironmentError.notReset(environment: spec.name) }
        return robot
      }
    }

    func reset(_ episode: EpisodeSpec) throws -> Observation { try found.unpacedReset(episode) }
    func step(_ action: [Float]) throws -> Transition { try found.unpacedStep(action) }
    func hold() throws { try robot?.unpacedHold() }
  }

  private func unpacedReset(_ episode: EpisodeSpec) throws -> Observation { try super.reset(episode) }
  private func unpacedStep(_ action: [Float]) throws -> Transition { try super.step(action) }
  private func unpacedHold() throws { try super.hold() }
}
