/// Scenes, styles and objects for training and for evaluation never overlap.
public enum ScenePool: String, Codable, CaseIterable, SettingValue {
  /// For demonstrations.
  case training
  /// For judging policies.
  case evaluation
}

/// A task that a simulator offers.
public struct SimulatedTask: Codable, Sendable, Hashable {
  /// As recipes and files have it.
  public var name: String
  /// A word that groups tasks in a report: `drawers`, `knobs`, `pick-place`.
  public var group: String
  /// After how many steps an attempt counts as failed.
  public var horizon: Int

  /// - Parameter horizon: steps after which an attempt has failed.
  public init(name: String, group: String, horizon: Int) {
    self.name = name
    self.group = group
    self.horizon = horizon
  }
}

/// What one step brought.
public struct EnvironmentStep: Sendable {
  /// What is sensed after the step.
  public var observation: Observation
  /// The task's own test at this moment.
  public var success: Bool

  /// - Parameter success: whether the task is solved.
  public init(observation: Observation, success: Bool) {
    self.observation = observation
    self.success = success
  }
}

/// What is written beside a recorded episode so that others can read and replay it.
public struct EpisodeDescription: Sendable, Equatable {
  /// RoboCasa's `ep_meta` as JSON: `lang`, `layout_id`, `style_id`, `object_cfgs`, `fixtures`, ...
  public var metadata: String
  /// The model the episode ran in (MJCF), or "".
  public var model: String

  /// - Parameter metadata: `ep_meta` as JSON.
  public init(metadata: String, model: String) {
    self.metadata = metadata
    self.model = model
  }
}

/// A simulated world for one robot. One per process, used from one thread.
public protocol Environment: AnyObject {
  /// What every observation has.
  var schema: ObservationSchema { get }
  /// What the numbers of an action mean.
  var actionSchema: ActionSchema { get }
  /// What is written of the numbers it records: of every array of actions that `recorded` gives, and of its observations.
  var recordedSchema: DemonstrationSchema { get }
  /// RoboCasa's `env_args` as JSON.
  func arguments(task: String) throws -> String
  /// Starts the episode that `seed` fixes completely.
  /// - Throws: when the task is unknown or the simulator fails.
  func reset(task: String, seed: UInt64, pool: ScenePool) throws -> Observation
  /// Acts for one control period. `action` has `actionSchema.count` numbers in the environment's own range.
  func step(_ action: [Float]) throws -> EnvironmentStep
  /// An action that is about to be taken, in the forms that are recorded: a step of the robot (`actions`), and a goal
  /// (`actions_abs`) where the environment knows it.
  func recorded(_ action: [Float]) -> (relative: [Float], absolute: [Float]?)
  /// The episode that is running.
  var description: EpisodeDescription { get }
  /// The full physical state, flat (for MuJoCo: time, positions, velocities), or empty.
  var state: [Double] { get }
  /// Someone who can solve the running episode by looking at the simulator's state, or nil. `noise` scales the
  /// deviations of its path: 0 is none, 1 what recordings use.
  func expert(seed: UInt64, noise: Double) -> (any Behavior)?
}

extension Environment {
  public var recordedSchema: DemonstrationSchema { DemonstrationSchema(actions: ["actions": actionSchema]) }
  public func recorded(_ action: [Float]) -> (relative: [Float], absolute: [Float]?) { (action, nil) }
}

/// A kind of environment that a recipe can name and a catalog can make.
public protocol Simulator: Environment, Plugin {
  /// What it offers.
  static var tasks: [SimulatedTask] { get }
  /// Starts it.
  init(options: Options) throws
  /// The same world without images, for those who act without looking at any: drawing is what takes the time. The options
  /// as they are unless a simulator says otherwise.
  static func withoutImages(_ options: Options) -> Options
}

extension Simulator {
  public static var pluginKind: PluginKind { .simulator }
  public static func withoutImages(_ options: Options) -> Options { options }
}

/// Chooses actions: a learned `Agent`, a scripted expert, a random policy.
public protocol Behavior: AnyObject {
  /// Forgets the last episode; `seed` fixes every random choice of the next.
  func begin(seed: UInt64)
  /// One action in the environment's range.
  func action(for observation: Observation) throws -> [Float]
  /// Whether the next action has to be thought out, rather than taken from a plan: what latency is measured of.
  var plansNext: Bool { get }
}

extension Behavior {
  public var plansNext: Bool { true }
}
