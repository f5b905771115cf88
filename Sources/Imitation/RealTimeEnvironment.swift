/// An environment that does not wait for whoever acts in it: a robot.
public protocol RealTimeEnvironment: Environment {
  /// How the clock was kept since the last `reset`.
  var pace: PaceReport { get }
  /// The action of the last step since `reset`, as the robot got it; nil before the first one.
  var sent: [Float]? { get }
  /// Has the robot stay where it is until the next `step`.
  /// - Throws: when the robot cannot be reached.
  func hold() throws
}

extension RealTimeEnvironment {
  public var sent: [Float]? { nil }
}

/// A robot that a person can lead.
public protocol TeleoperatedEnvironment: RealTimeEnvironment, EpisodeRecording {
  /// The action that the person asks for now, and whether the person says that the episode ends with it.
  /// - Throws: when nobody can lead it, or the robot cannot be reached.
  func teleoperate() throws -> (action: [Float], isLast: Bool)
}

/// How the clock of an episode was kept.
public struct PaceReport: Codable, Sendable, Equatable {
  /// Steps that were sent.
  public var steps = 0
  /// Answers that came later than a control period after the robot was asked.
  public var lateAnswers = 0
  /// How much later than a period the latest answer came, in seconds; 0 when none was late.
  public var worstLateness = 0.0
  /// Actions that were not there at their time.
  public var lateActions = 0
  /// How late the latest action was, in seconds.
  public var worstActionLateness = 0.0
  /// How often the robot was asked to hold because no action came.
  public var holds = 0
  /// Actions that were changed before they were sent: out of the workspace, too fast, or out of range.
  public var clipped = 0
  /// Actions that the robot's own adapter says it changed.
  public var clippedByRobot = 0
  /// Steps a second that were reached, holds aside; nil with fewer than two steps.
  public var rate: Double?

  /// An episode without steps.
  public init() {}

  enum CodingKeys: String, CodingKey {
    case steps, holds, clipped
    case lateAnswers = "late_answers"
    case worstLateness = "worst_lateness_s"
    case lateActions = "late_actions"
    case worstActionLateness = "worst_action_lateness_s"
    case clippedByRobot = "clipped_by_robot"
    case rate = "rate_hz"
  }
}
