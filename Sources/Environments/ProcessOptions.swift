import Imitation

/// How the process of an environment is run: keys that all kinds of such environments have.
public struct ProcessOptions: PluginOptions, Equatable {
  @Key("The Python that has the simulator: a path, or a name that the shell finds.") public var python = "python3"
  @Key("Seconds that may pass without an answer or a sign of life.", .above(0)) public var deadline = 120.0
  @Key("The same until it has started.", .above(0)) public var startDeadline = 600.0
  @Key("Memory that the process and what it starts may hold, GB; no limit when left out.", .above(0))
  public var memoryGigabytes: Double?
  @Key(
    "After how many equal frames of a camera, while the robot moves, its image counts as frozen, which is an error; 0 for no check.",
    0...1_000_000)
  public var frozenAfter = 50
  @Key("How images come from the process; jpeg loses a little.") public var encoding = ImageEncoding.raw
  @Key("Environment variables of the process: {MUJOCO_GL: egl}.") public var variables: [String: String] = [:]
  @Key("More options for the adapter, passed on as they are.") public var options = FreeOptions()

  /// How images come from the process.
  public enum ImageEncoding: String, CaseIterable, SettingValue {
    /// Bytes as they are.
    case raw
    /// Smaller, with small errors.
    case jpeg
    /// Smaller and slow, without errors.
    case png
  }

  public init() {}

  /// Keys that say how a process is run here and now: what is measured does not depend on them.
  package static let local: Set<String> = [
    "python", "deadline", "start_deadline", "memory_gigabytes", "frozen_after", "variables",
  ]
}
