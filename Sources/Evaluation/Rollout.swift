import Imitation
import Tensors

/// One attempt at one task, and how it ended.
public struct EpisodeResult: Codable, Sendable, Equatable {
  /// The task's name.
  public var task: String
  /// Which split the policy was trained on.
  public var split: String
  /// Who acted: the policy's name, `expert` or `random`.
  public var policy: String
  /// The number of the episode among those of its task.
  public var episode: Int
  /// What the scene and the policy's random numbers follow from.
  public var seed: UInt64
  /// What the episode asked for; "" before it began.
  public var instruction: String
  /// Whether the task was solved before the horizon.
  public var success: Bool
  /// Steps taken.
  public var steps: Int
  /// After how many steps the attempt had failed; nil in results of before this was kept.
  public var horizon: Int?
  /// The sum of the environment's rewards; nil before it began, and in results of before they were summed.
  public var reward: Double?
  /// Why it crashed, if it did: then it counts as failed.
  public var error: String?
  /// How long each prediction took that actions were then taken from, in milliseconds.
  public var latencies: [Double]?
  /// What the scene was made of, as far as the simulator tells.
  package var layout: Int?
  package var style: Int?
  package var object: String?
  /// A digest of every action taken: an exact repetition has the same.
  public var trace: String?
  /// A digest of the first observation: the same scene, drawn by the same program, has the same. Nil where nothing was drawn.
  public var start: String?

  enum CodingKeys: String, CodingKey {
    case task, split, policy, episode, seed, instruction, success, steps, horizon, reward, error, layout, style, object,
      trace, start
    case latencies = "latencies_ms"
  }

  /// An episode that has not begun.
  public init(
    task: String, split: String = "", policy: String, episode: Int, seed: UInt64, instruction: String = "",
    success: Bool = false, steps: Int = 0, error: String? = nil
  ) {
    self.task = task
    self.split = split
    self.policy = policy
    self.episode = episode
    self.seed = seed
    self.instruction = instruction
    self.success = success
    self.steps = steps
    self.error = error
  }

  /// The seed of episode `index` of `task`: the same for every policy, so that their results are paired.
  public static func seed(_ seed: UInt64, task: String, episode: Int) -> UInt64 {
    var stream = Random(seed: seed).split(task).split(episode)
    return stream.next() >> 16  // whole in JSON readers that know only doubles
  }
}

/// Drives an environment with a behavior until success, the horizon, or the environment ends the episode.
public struct Rollout {
  /// Steps after which an attempt has failed.
  public var horizon: Int
  /// Which scenes it is tried in.
  public var pool: ScenePool

  /// - Parameters:
  ///   - horizon: steps after which an attempt has failed.
  ///   - pool: which scenes it is tried in.
  public init(horizon: Int, pool: ScenePool) {
    self.horizon = horizon
    self.pool = pool
  }

  /// Tries one episode.
  ///
  /// - Parameters:
  ///   - trial: which episode: task, policy, number and seed.
  ///   - begin: makes the behavior once the environment has been reset (an expert reads it).
  ///   - watch: sees every observation, the first included.
  /// - Returns: the result; an error of the environment or the behavior is in it, and the episode has failed.
  public func run(
    _ trial: Trial, in environment: any Environment, begin: () throws -> any Behavior,
    watch: (Observation) -> Void = { _ in }
  ) -> EpisodeResult {
    attempt(trial, in: environment, begin: begin, watch: watch).result
  }

  /// What failed in an attempt.
  enum Cause { case environment, behavior, connection }

  /// The same, and what failed if something did.
  func attempt(
    _ trial: Trial, in environment: any Environment, begin: () throws -> any Behavior, watch: (Observation) -> Void
  ) -> (result: EpisodeResult, cause: Cause?) {
    var result = EpisodeResult(trial)
    result.horizon = horizon
    var latencies: [Double] = []
    var trace = StableHash()
    var reward = 0.0
    var (isEnvironments, cause) = (true, nil as Cause?)
    do {
      var observation = try environment.reset(EpisodeSpec(task: trial.task, seed: trial.seed, pool: pool))
      result.instruction = observation.instruction
      result.start = observation.images.isEmpty ? nil : observation.digest
      watch(observation)
      isEnvironments = false
      let behavior = try begin()
      behavior.begin(seed: trial.seed)
      var isOver = false
      while result.steps < horizon, !isOver {
        let plans = behavior.plansNext
        let start = ContinuousClock.now
        let action = try behavior.action(for: observation)
        if plans {
          let seconds = behavior.planningSeconds ?? (ContinuousClock.now - start) / .seconds(1)
          latencies.append((seconds * 1e6).rounded() / 1000)
        }
        trace.add(action)
        isEnvironments = true
        let step = try environment.step(action)
        isEnvironments = false
        result.steps += 1
        result.success = step.success
        isOver = step.isLast
        reward += Double(step.reward)
        observation = step.observation
        watch(observation)
      }
    } catch {
      result.success = false
      result.error = "\(error)"
      cause = isEnvironments ? .environment : error is any ConnectionLoss ? .connection : .behavior
    }
    result.latencies = latencies
    result.reward = reward.isFinite ? reward : nil
    result.trace = String(trace.value, radix: 16)
    return (result, cause)
  }
}

extension Observation {
  /// Of its images and numbers, whatever it asks for.
  fileprivate var digest: String {
    var hash = StableHash()
    for (_, image) in images.sorted(by: { $0.key < $1.key }) { hash.add(image.pixels) }
    for (_, vector) in vectors.sorted(by: { $0.key < $1.key }) { hash.add(vector) }
    return String(hash.value, radix: 16)
  }
}

/// Uniform random actions within the schema's limits, a new one every step.
public final class RandomBehavior: Behavior {
  private let ranges: [ClosedRange<Double>]
  private var random = Random(seed: 0)

  /// Behaves as `schema` allows.
  /// - Throws: `UnknownRange` when the schema does not say them.
  public init(schema: ActionSchema) throws {
    ranges = try schema.dimensions.enumerated().map { index, dimension in
      guard let low = dimension.low, let high = dimension.high else { throw UnknownRange(name: schema.label(index)) }
      return Double(low)...Double(high)
    }
  }

  /// An action of which nobody knows how far it may go.
  public struct UnknownRange: Error, CustomStringConvertible {
    var name: String
    public var description: String { "the simulator does not say the range of its action '\(name)'" }
  }

  public func begin(seed: UInt64) {
    random = Random(seed: seed).split("random policy")
  }

  public func action(for observation: Observation) -> [Float] {
    ranges.map { Float(random.uniform($0)) }
  }
}
