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

/// Which episode: with a simulator, these three fix it completely.
public struct EpisodeSpec: Codable, Sendable, Hashable {
  /// The task's name.
  public var task: String
  /// What every random choice of the scene follows from.
  public var seed: UInt64
  /// Which scenes it is drawn from.
  public var pool: ScenePool

  /// - Parameter seed: below 2 to the 53rd for environments in other processes, whose JSON knows only doubles.
  public init(task: String, seed: UInt64, pool: ScenePool) {
    self.task = task
    self.seed = seed
    self.pool = pool
  }
}

/// What an environment senses, takes and offers; the same as long as it lives.
public struct EnvironmentSpec: Sendable, Equatable {
  /// As recipes and messages call it.
  public var name: String
  /// What every observation has.
  public var schema: ObservationSchema
  /// What the numbers of an action mean.
  public var actions: ActionSchema
  /// What is written of the numbers it records: of every array of actions, and of its observations.
  public var recorded: DemonstrationSchema
  /// What it can be reset to.
  public var tasks: [SimulatedTask]
  /// The versions of the simulator and of what it runs on, by name.
  public var versions: [String: String]
  /// Whether it says, as far as is known, when a task is solved: some environments give rewards alone.
  public var tellsSuccess = true

  /// - Parameter recorded: `actions` as the array `actions`, and nothing of observations, when nil.
  public init(
    name: String, schema: ObservationSchema, actions: ActionSchema, recorded: DemonstrationSchema? = nil,
    tasks: [SimulatedTask], versions: [String: String] = [:]
  ) {
    self.name = name
    self.schema = schema
    self.actions = actions
    self.recorded = recorded ?? DemonstrationSchema(actions: ["actions": actions])
    self.tasks = tasks
    self.versions = versions
  }
}

/// What one step brought.
public struct Transition: Sendable {
  /// What is sensed after the step.
  public var observation: Observation
  /// The environment's own measure of this step; what it means is the environment's to say.
  public var reward: Float
  /// The task's own test at this moment.
  public var success: Bool
  /// Whether the episode is over, solved or not: acting further means nothing.
  public var terminated: Bool
  /// Whether the environment stops for another reason than the task's, for example its own time limit.
  public var truncated: Bool

  /// - Parameters:
  ///   - reward: 1 for a solved task and 0 otherwise, when nil.
  ///   - success: whether the task is solved.
  public init(
    observation: Observation, reward: Float? = nil, success: Bool, terminated: Bool = false, truncated: Bool = false
  ) {
    self.observation = observation
    self.reward = reward ?? (success ? 1 : 0)
    self.success = success
    self.terminated = terminated
    self.truncated = truncated
  }

  /// Whether nothing comes after it.
  public var isLast: Bool { success || terminated || truncated }
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

/// A world for one robot, simulated or real. Used from one thread at a time.
///
/// What it can beyond acting is in protocols of its own: `EpisodeRecording`, `ExpertProviding`, `StateRestoring`,
/// `GenerativeEnvironment`.
public protocol Environment: AnyObject {
  /// What it senses, takes and offers.
  var spec: EnvironmentSpec { get }
  /// Starts an episode.
  /// - Throws: when the task is unknown or the simulator fails.
  func reset(_ episode: EpisodeSpec) throws -> Observation
  /// Acts for one control period. `action` has `spec.actions.count` numbers in the environment's own range.
  /// - Throws: before the first `reset`, for an action that does not fit, or when the simulator fails.
  func step(_ action: [Float]) throws -> Transition
}

/// An environment whose episodes can be written so that others read and replay them.
public protocol EpisodeRecording: Environment {
  /// RoboCasa's `env_args` as JSON.
  /// - Throws: when the task is unknown.
  func arguments(task: String) throws -> String
  /// An action that is about to be taken, in the forms that are recorded: a step of the robot (`actions`), and a goal
  /// (`actions_abs`) where the environment knows it.
  func recorded(_ action: [Float]) -> (relative: [Float], absolute: [Float]?)
  /// The episode that is running.
  var description: EpisodeDescription { get }
  /// The full physical state, flat (for MuJoCo: time, positions, velocities), or empty.
  /// - Throws: when the simulator fails.
  var state: [Double] { get throws }
}

extension EpisodeRecording {
  public func recorded(_ action: [Float]) -> (relative: [Float], absolute: [Float]?) { (action, nil) }
  public var state: [Double] { [] }
}

/// An environment that has someone who can solve its tasks.
public protocol ExpertProviding: Environment {
  /// Someone who can solve the running episode by looking at the simulator's state; nil before the first `reset`, or for a
  /// task that nobody can solve. `noise` scales the deviations of its path: 0 is none, 1 what recordings use.
  func expert(seed: UInt64, noise: Double) -> (any Behavior)?
}

/// An environment that can be put into a state of one of its episodes.
public protocol StateRestoring: EpisodeRecording {
  /// Puts the world into a state that `state` returned in `episode`, which runs from now on.
  /// - Returns: what is sensed there.
  /// - Throws: when it is no state of this episode, or as `reset`.
  func restore(_ state: [Double], of episode: EpisodeSpec) throws -> Observation
  /// Whether it can: one in another process says so only when it runs.
  var canRestore: Bool { get }
  /// What is sensed in a state of a demonstration, which may be another's recording; nothing runs from there.
  ///
  /// - Parameters:
  ///   - episode: of which the demonstration is; where its seed is not known, the scene is that of the description's model.
  ///   - description: what is recorded of the demonstration.
  /// - Throws: as `restore`.
  func observe(_ state: [Double], of episode: EpisodeSpec, as description: EpisodeDescription) throws -> Observation
  /// Whether `observe` makes the scene of a description's model, so that the episode's seed does not matter.
  var readsModels: Bool { get }
}

extension StateRestoring {
  public var canRestore: Bool { true }
  public var readsModels: Bool { false }
  public func observe(
    _ state: [Double], of episode: EpisodeSpec, as description: EpisodeDescription
  ) throws -> Observation { try restore(state, of: episode) }
}

/// A kind of environment that a recipe can name and a catalog can make.
public protocol Simulator: Environment, Plugin {
  /// Starts it. What takes long can wait for the first `reset`: one that is only asked for its `spec` is made too.
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
  /// Seconds that the last action took that was thought out, where others were thought out with it; nil to measure the call.
  var planningSeconds: Double? { get }
}

/// Why a behavior that is elsewhere cannot be asked: it says nothing of the behavior, and another connection may do.
package protocol ConnectionLoss: Error {}

extension Behavior {
  public var plansNext: Bool { true }
  public var planningSeconds: Double? { nil }
}
