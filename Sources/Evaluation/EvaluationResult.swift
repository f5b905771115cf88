import Files
import Foundation
import Layers
import Tensors

/// `evaluation.json`: how often each policy solved each task, and every episode behind it.
package struct EvaluationResult: Codable, Sendable {
  /// One line of the table.
  package struct Row: Codable, Sendable, Equatable {
    package var task: String
    package var split: String
    package var policy: String
    package var episodes: Int
    package var successes: Int
    package var rate: Double
    /// Wilson's 95 % interval.
    package var low: Double
    package var high: Double
    /// Of the successful episodes.
    package var meanSteps: Double?
    /// Episodes that broke off; they count as failed.
    package var errors: Int

    enum CodingKeys: String, CodingKey {
      case task, split, policy, episodes, successes, rate, low, high, errors
      case meanSteps = "mean_steps"
    }
  }

  /// Where and with what the numbers were made.
  package struct Machine: Codable, Sendable, Equatable {
    package var processor: String
    package var cores: Int
    package var system: String
  }

  package var toolkit: String
  package var date: String
  package var machine: Machine
  package var simulator: String
  /// The checkpoint's step.
  package var step: Int
  package var seed: UInt64
  package var pool: String
  /// The simulator's options as JSON; nil in files of before they were kept.
  package var options: String?
  /// What nobody knows of the policy's actions, when it acted all the same because that was asked for; nil when all is known.
  package var trustedActions: String?
  /// The learned policy first, then those that frame it.
  package var rows: [Row]
  package var episodes: [EpisodeResult]

  enum CodingKeys: String, CodingKey {
    case toolkit, date, machine, simulator, step, seed, pool, options, rows, episodes
    case trustedActions = "trusted_actions"
  }

  package init(
    toolkit: String, date: String, step: Int, conditions: EvaluationConditions, trustedActions: String? = nil,
    episodes: [EpisodeResult]
  ) {
    self.toolkit = toolkit
    self.date = date
    machine = .here
    self.step = step
    (simulator, options, seed, pool) = (conditions.simulator, conditions.options, conditions.seed, conditions.pool)
    self.trustedActions = trustedActions
    self.episodes = episodes
    rows = EvaluationResult.rows(of: episodes)
  }

  /// Whether these conditions are the ones the episodes were tried under, as far as the file tells.
  package func isUnder(_ other: EvaluationConditions) -> Bool {
    simulator == other.simulator && seed == other.seed && pool == other.pool
      && (options ?? other.options) == other.options
  }

  /// The table of `episodes`, policies and tasks in the order of their first episode.
  package static func rows(of episodes: [EpisodeResult]) -> [Row] {
    var order: [[String]] = []
    var groups: [[String]: [EpisodeResult]] = [:]
    for episode in episodes {
      let key = [episode.policy, episode.split, episode.task]
      if groups[key] == nil { order.append(key) }
      groups[key, default: []].append(episode)
    }
    return order.map { key in
      let group = groups[key]!
      let solved = group.filter(\.success)
      let rate = SuccessRate(successes: solved.count, episodes: group.count)
      return Row(
        task: key[2], split: key[1], policy: key[0], episodes: group.count, successes: solved.count, rate: rate.rate,
        low: rate.interval.lowerBound, high: rate.interval.upperBound,
        meanSteps: solved.isEmpty ? nil : Double(solved.reduce(0) { $0 + $1.steps }) / Double(solved.count),
        errors: group.count { $0.error != nil })
    }
  }

  /// The mean of the tasks' rates for `policy`.
  package func mean(of policy: String) -> Double? {
    let rates = rows.filter { $0.policy == policy }.map(\.rate)
    return rates.isEmpty ? nil : rates.reduce(0, +) / Double(rates.count)
  }

  /// Median and 99th percentile of how long one of `policy`'s predictions took, and of how many; nil without any.
  package func latency(of policy: String) -> (p50: Double, p99: Double, count: Int)? {
    let all = episodes.filter { $0.policy == policy }.flatMap { $0.latencies ?? [] }.sorted()
    guard !all.isEmpty else { return nil }
    return (all[all.count / 2], all[min(all.count - 1, all.count * 99 / 100)], all.count)
  }

  /// The policies in the table's order.
  package var policies: [String] {
    rows.reduce(into: []) { if !$0.contains($1.policy) { $0.append($1.policy) } }
  }

  package func write(to path: String) throws {
    try AtomicFile.write(JSONEncoder.readable.encode(self) + Data("\n".utf8), to: path)
  }

  /// - Throws: `EvaluationError`.
  package static func read(_ path: String) throws -> EvaluationResult {
    guard let data = FileManager.default.contents(atPath: path) else { throw EvaluationError.missing(path) }
    do {
      return try JSONDecoder().decode(EvaluationResult.self, from: data)
    } catch {
      throw EvaluationError.damaged(path)
    }
  }
}

/// An `evaluation.json` that cannot be used.
package enum EvaluationError: Error, Equatable, CustomStringConvertible {
  case missing(String)
  case damaged(String)
  case otherConditions(String)
  case otherStep(String, tried: Int, trained: Int)

  package var description: String {
    switch self {
    case .missing(let path): "\(path): not there: the run is not evaluated yet; run `imitate evaluate` first"
    case .damaged(let path): "\(path): damaged, or not an evaluation; run `imitate evaluate` to write it again"
    case .otherConditions(let path):
      "\(path): tried with another simulator, other options of it, another seed or pool than the recipe has now; "
        + "run `imitate evaluate` again"
    case .otherStep(let path, let tried, let trained):
      "\(path): tried after \(tried) steps of training, and now there are \(trained); run `imitate evaluate` again"
    }
  }
}

extension EvaluationResult.Machine {
  package static var here: Self {
    let facts = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let model = facts.split(separator: "\n").first { $0.hasPrefix("model name") }?
      .split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) }
    return Self(
      processor: model ?? "unknown", cores: ProcessorCores.count,
      system: ProcessInfo.processInfo.operatingSystemVersionString)
  }
}
