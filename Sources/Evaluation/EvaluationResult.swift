import Foundation
import Layers
import Tensors

/// `evaluation.json`: how often each policy solved each task, and every episode behind it.
public struct EvaluationResult: Codable, Sendable {
  /// One line of the table.
  public struct Row: Codable, Sendable, Equatable {
    /// Where it was tried, the split that was learned from, and who acted.
    public var task, split, policy: String
    /// How many were tried, and how many solved.
    public var episodes, successes: Int
    /// The share that was solved, 0...1, and Wilson's 95 % interval.
    public var rate, low, high: Double
    /// Of the successful episodes.
    public var meanSteps: Double?
    /// Episodes that crashed; they count as failed.
    public var errors: Int

    enum CodingKeys: String, CodingKey {
      case task, split, policy, episodes, successes, rate, low, high, errors
      case meanSteps = "mean_steps"
    }
  }

  /// Where and with what the numbers were made.
  public struct Machine: Codable, Sendable, Equatable {
    /// The processor's name, "unknown" where the system does not tell.
    public var processor: String
    /// Processor cores that could be used.
    public var cores: Int
    /// The operating system and its version.
    public var system: String
  }

  /// The toolkit's version.
  public var toolkit: String
  /// When it was written, ISO 8601.
  public var date: String
  /// Where it was measured.
  public var machine: Machine
  /// The simulator's kind.
  public var simulator: String
  /// The checkpoint's step; 0 where the policy of a server acted.
  public var step: Int
  /// What all episodes' seeds follow from.
  public var seed: UInt64
  /// The pool of scenes.
  public var pool: String
  /// The simulator's options as JSON; nil in files of before they were kept.
  public var options: String?
  /// The versions of the simulator and of what it runs on, by name; nil where it does not say.
  public var versions: [String: String]?
  /// What nobody knows of the policy's actions, when it acted all the same because that was asked for; nil when all is known.
  public var trustedActions: String?
  /// The policy of a server that acted in place of a run's own: name, digest, address; nil when a run's own did.
  public var served: String?
  /// The learned policy first, then those that frame it.
  public var rows: [Row]
  /// What the rows are counted from.
  public var episodes: [EpisodeResult]

  enum CodingKeys: String, CodingKey {
    case toolkit, date, machine, simulator, versions, step, seed, pool, options, served, rows, episodes
    case trustedActions = "trusted_actions"
  }

  /// Counts `episodes`.
  ///
  /// - Parameters:
  ///   - step: the checkpoint's.
  ///   - versions: of the simulator.
  ///   - trustedActions: what nobody knows of the actions; nil when all is known.
  ///   - served: the policy of a server; nil for a run's own.
  public init(
    toolkit: String, date: String, step: Int, conditions: EvaluationConditions, versions: [String: String] = [:],
    trustedActions: String? = nil, served: String? = nil, episodes: [EpisodeResult]
  ) {
    self.toolkit = toolkit
    self.date = date
    machine = .here
    self.step = step
    (simulator, options, seed, pool) = (conditions.simulator, conditions.options, conditions.seed, conditions.pool)
    self.versions = versions.isEmpty ? nil : versions
    self.trustedActions = trustedActions
    self.served = served
    self.episodes = episodes
    rows = EvaluationResult.rows(of: episodes)
  }

  /// Whether these conditions are the ones the episodes were tried under, as far as the file tells.
  public func isUnder(_ other: EvaluationConditions) -> Bool {
    simulator == other.simulator && seed == other.seed && pool == other.pool
      && (options ?? other.options) == other.options
  }

  /// The table of `episodes`, policies and tasks in the order of their first episode.
  public static func rows(of episodes: [EpisodeResult]) -> [Row] {
    func key(_ episode: EpisodeResult) -> [String] { [episode.policy, episode.split, episode.task] }
    let groups = Dictionary(grouping: episodes, by: key)
    return episodes.map(key).unique.map { key in
      let group = groups[key]!
      let solved = group.filter(\.success)
      let rate = SuccessRate(of: group)
      return Row(
        task: key[2], split: key[1], policy: key[0], episodes: group.count, successes: solved.count, rate: rate.rate,
        low: rate.interval.lowerBound, high: rate.interval.upperBound,
        meanSteps: solved.isEmpty ? nil : Double(solved.reduce(0) { $0 + $1.steps }) / Double(solved.count),
        errors: group.count { $0.error != nil })
    }
  }

  /// The tasks of which every episode began with the same observation though seeds differ, as far as was kept: those tell no
  /// more than one.
  public var tasksOfOneScene: [String] {
    episodes.map(\.task).unique.filter { task in
      let scenes = Dictionary(grouping: episodes.filter { $0.task == task && $0.start != nil }, by: \.seed)
      return scenes.count > 1 && Set(scenes.values.joined().map(\.start)).count == 1
    }
  }

  /// The tasks that every policy was tried on.
  public var commonTasks: [String] {
    rows.map(\.task).unique.filter { task in
      policies.allSatisfy { policy in rows.contains { $0.task == task && $0.policy == policy } }
    }
  }

  /// The mean of the rates of the common tasks for `policy`, to stand beside that of others; nil without any.
  public func commonMean(of policy: String) -> Double? {
    let common = commonTasks
    return rows.filter { $0.policy == policy && common.contains($0.task) }.map(\.rate).mean
  }

  /// What `commonMean` is the mean of: all tasks, or so many that all policies have.
  public var meanLabel: String {
    EvaluationResult.meanLabel(common: commonTasks.count, of: rows.map(\.task).unique.count)
  }

  /// What a mean of so many common tasks, of all that there are, is called.
  package static func meanLabel(common: Int, of all: Int) -> String {
    common == all ? "mean" : "mean of \(common) common task\(common == 1 ? "" : "s")"
  }

  /// The mean of the tasks' rates for `policy`.
  public func mean(of policy: String) -> Double? {
    rows.filter { $0.policy == policy }.map(\.rate).mean
  }

  /// Median and 99th percentile of how long one of `policy`'s predictions took, and of how many; nil without any.
  public func latency(of policy: String) -> (p50: Double, p99: Double, count: Int)? {
    let all = episodes.filter { $0.policy == policy }.flatMap { $0.latencies ?? [] }.sorted()
    guard !all.isEmpty else { return nil }
    return (all[all.count / 2], all[min(all.count - 1, all.count * 99 / 100)], all.count)
  }

  /// The policies in the table's order.
  public var policies: [String] { rows.map(\.policy).unique }

  /// Writes it as JSON, whole or not at all.
  /// - Throws: `WriteError`.
  public func write(to path: String) throws {
    try AtomicFile.write(JSONEncoder.readable.encode(self) + Data("\n".utf8), to: path)
  }

  /// Reads what `write` wrote.
  /// - Throws: `EvaluationError`.
  public static func read(_ path: String) throws -> EvaluationResult {
    guard let data = FileManager.default.contents(atPath: path) else { throw EvaluationError.missing(path) }
    do {
      return try JSONDecoder().decode(EvaluationResult.self, from: data)
    } catch {
      throw EvaluationError.damaged(path)
    }
  }
}

/// An `evaluation.json` that cannot be used.
public enum EvaluationError: Error, Equatable, CustomStringConvertible {
  /// No such file.
  case missing(String)
  /// A file that is no evaluation.
  case damaged(String)
  /// One made under other conditions than the recipe's.
  case otherConditions(String)
  /// One of another checkpoint than the newest.
  case otherStep(String, tried: Int, trained: Int)

  public var description: String {
    switch self {
    case .missing(let path): "\(path): not there: the run is not evaluated yet; run `imitate evaluate` first"
    case .damaged(let path): "\(path): damaged, or not an evaluation; run `imitate evaluate` to write it again"
    case .otherConditions(let path):
      "\(path): tried with another simulator, other options of it, another seed or pool than the recipe has now; "
        + "run `imitate evaluate` again, without --environment and --set, or change `evaluation` in recipe.yaml"
    case .otherStep(let path, let tried, let trained):
      "\(path): tried after \(tried) steps of training, and now there are \(trained); run `imitate evaluate` again"
    }
  }
}

extension EvaluationResult.Machine {
  /// In one line.
  package var label: String { "\(processor), \(cores) cores, \(system)" }

  /// This machine.
  public static var here: Self {
    let facts = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let model = facts.split(separator: "\n").first { $0.hasPrefix("model name") }?
      .split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) }
    return Self(
      processor: model ?? "unknown", cores: ProcessorCores.count,
      system: ProcessInfo.processInfo.operatingSystemVersionString)
  }
}
