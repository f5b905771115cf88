import Foundation
import Imitation
import Tensors

/// One attempt at one task, and how it ended.
package struct EpisodeResult: Codable, Sendable, Equatable {
  package var task: String
  /// Which split the policy was trained on.
  package var split: String
  /// Who acted: the policy's name, `expert` or `random`.
  package var policy: String
  /// The number of the episode among those of its task.
  package var episode: Int
  package var seed: UInt64
  package var instruction: String
  package var success: Bool
  package var steps: Int
  /// Why it broke off, if it did: then it counts as failed.
  package var error: String?
  /// How long each prediction took that actions were then taken from, in milliseconds.
  package var latencies: [Double]?
  /// What the scene was made of, as far as the simulator tells.
  package var layout: Int?
  package var style: Int?
  package var object: String?
  /// A digest of every action taken: an exact repetition has the same.
  package var trace: String?

  enum CodingKeys: String, CodingKey {
    case task, split, policy, episode, seed, instruction, success, steps, error, layout, style, object, trace
    case latencies = "latencies_ms"
  }

  package init(
    task: String, split: String, policy: String, episode: Int, seed: UInt64, instruction: String = "",
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
  package static func seed(_ seed: UInt64, task: String, episode: Int) -> UInt64 {
    var stream = Random(seed: seed).split(task).split(episode)
    return stream.next() >> 16  // whole in JSON readers that know only doubles
  }
}

/// Drives an environment with a behaviour until success or the horizon.
package struct Rollout {
  package var horizon: Int
  package var pool: ScenePool

  package init(horizon: Int, pool: ScenePool) {
    self.horizon = horizon
    self.pool = pool
  }

  /// - Parameters:
  ///   - begin: makes the behaviour once the environment has been reset (an expert reads it).
  ///   - watch: sees every observation, the first included.
  /// - Returns: the result; an error of the environment or the behaviour is in it, and the episode has failed.
  package func run(
    _ blank: EpisodeResult, in environment: any Environment, begin: () throws -> any Behavior,
    watch: (Observation) -> Void = { _ in }
  ) -> EpisodeResult {
    var result = blank
    var latencies: [Double] = []
    var trace = StableHash()
    do {
      var observation = try environment.reset(task: result.task, seed: result.seed, pool: pool)
      result.instruction = observation.instruction
      watch(observation)
      let behavior = try begin()
      behavior.begin(seed: result.seed)
      while result.steps < horizon, !result.success {
        let plans = behavior.plansNext
        let start = ContinuousClock.now
        let action = try behavior.action(for: observation)
        if plans { latencies.append(((ContinuousClock.now - start) / .microseconds(1)).rounded() / 1000) }
        trace.add(action)
        let step = try environment.step(action)
        result.steps += 1
        result.success = step.success
        observation = step.observation
        watch(observation)
      }
    } catch {
      result.success = false
      result.error = "\(error)"
    }
    result.latencies = latencies
    result.trace = String(trace.value, radix: 16)
    return result
  }
}

/// Uniform random actions within the schema's limits, a new one every step.
package final class RandomBehavior: Behavior {
  private let ranges: [ClosedRange<Double>]
  private var random = Random(seed: 0)

  /// - Throws: `UnknownRange` when the schema does not say them.
  package init(schema: ActionSchema) throws {
    ranges = try schema.dimensions.enumerated().map { index, dimension in
      guard let low = dimension.low, let high = dimension.high else { throw UnknownRange(name: schema.label(index)) }
      return Double(low)...Double(high)
    }
  }

  package struct UnknownRange: Error, CustomStringConvertible {
    var name: String
    package var description: String { "the simulator does not say the range of its action '\(name)'" }
  }

  package func begin(seed: UInt64) {
    random = Random(seed: seed).split("random policy")
  }

  package func action(for observation: Observation) -> [Float] {
    ranges.map { Float(random.uniform($0)) }
  }
}
