import Evaluation
import Foundation

/// Several runs side by side: success per task, group and mean; a column for each split, encoder and policy; training
/// seeds of one column together. Plain data: every page and table is written from it and nothing else.
package struct Comparison: Codable, Sendable {
  /// One evaluated run.
  package struct Run: Sendable {
    package var path: String
    package var name: String
    package var registry: String
    package var split: String
    package var encoder: String
    package var policy: String
    package var trainingSeed: UInt64
    package var result: EvaluationResult
    package var videos: [Report.Video]
    package var prediction: Prediction?

    package init(
      path: String, name: String, registry: String, split: String, encoder: String, policy: String,
      trainingSeed: UInt64, result: EvaluationResult, videos: [Report.Video] = [], prediction: Prediction? = nil
    ) {
      self.path = path
      self.name = name
      self.registry = registry
      self.split = split
      self.encoder = encoder
      self.policy = policy
      self.trainingSeed = trainingSeed
      self.result = result
      self.videos = videos
      self.prediction = prediction
    }

    /// The episodes of the policy that was trained, without those of experts and random policies beside it.
    var episodes: [EpisodeResult] { result.episodes.filter { $0.policy == result.policies.first } }
  }

  /// How well the world model that a policy's encoder looks through predicts images (`imitate world evaluate`).
  package struct Prediction: Codable, Sendable, Equatable {
    package var world: String
    package var clips: Int
    /// After each step of its own predictions, dB; means over the clips.
    package var psnrByStep: [Double]
    /// The mean over those steps.
    package var ssim: Double

    package init(world: String, clips: Int, psnrByStep: [Double], ssim: Double) {
      self.world = world
      self.clips = clips
      self.psnrByStep = psnrByStep
      self.ssim = ssim
    }

    enum CodingKeys: String, CodingKey {
      case world, clips, ssim
      case psnrByStep = "psnr_by_step"
    }
  }

  package struct Column: Codable, Sendable, Equatable {
    package var split: String
    package var encoder: String
    package var policy: String
    package var runs: [String]
    /// The mean over tasks of each training seed, in the order of `runs`.
    package var seeds: [SeedMean]
    /// Of the seeds' means; nil for one seed.
    package var seedDeviation: Double?
    /// Nil without a world model, or while it is not measured.
    package var prediction: Prediction?

    /// What it is called in tables: of its split, encoder and policy those that the others do not share.
    package var label: String

    enum CodingKeys: String, CodingKey {
      case label, split, encoder, policy, runs, seeds, prediction
      case seedDeviation = "seed_deviation"
    }
  }

  package struct SeedMean: Codable, Sendable, Equatable {
    package var seed: UInt64
    package var mean: Double
  }

  package struct Cell: Codable, Sendable, Equatable {
    package var successes: Int
    package var episodes: Int
    package var rate: Double
    /// Wilson's 95 % interval; nil for a mean of tasks with different numbers of episodes.
    package var low: Double?
    package var high: Double?
    /// Episodes that crashed; they count as failed.
    package var errors: Int
  }

  /// A line of the table: a task, the mean of a group of tasks, or the mean of all.
  package struct Row: Codable, Sendable, Equatable {
    package enum Kind: String, Codable, Sendable { case task, group, mean }
    package var kind: Kind
    package var name: String
    package var group: String
    /// The tasks it is about: itself, or those of a group or of all that every column has.
    package var tasks: [String]
    /// One for each column; nil where a column has no episodes of it. Those of groups and means are the mean of the tasks'
    /// rates, and have an interval only where every task has as many episodes.
    package var cells: [Cell?]
    /// The published rates, in the order of `published`.
    package var published: [Double?]
  }

  /// Two columns on the scenes that both met.
  package struct Difference: Codable, Sendable, Equatable {
    package var first: Int
    package var second: Int
    /// Nil for all tasks.
    package var task: String?
    package var test: PairedTest
    /// Over training seeds; nil with one.
    package var bySeed: SeedTest?

    enum CodingKeys: String, CodingKey {
      case first, second, task, test
      case bySeed = "by_seed"
    }

    fileprivate init(
      _ first: Int, _ second: Int, task: String? = nil, _ pairs: [(trainingSeed: UInt64, first: Bool, second: Bool)]
    ) {
      (self.first, self.second, self.task) = (first, second, task)
      test = PairedTest(pairs.map { ($0.first, $0.second) })
      let seeds = Dictionary(grouping: pairs, by: \.trainingSeed).sorted { $0.key < $1.key }
      bySeed = SeedTest(seeds.map { PairedTest($0.value.map { ($0.first, $0.second) }).difference })
    }
  }

  package var title: String
  package var registry: String
  package var simulator: String
  package var toolkit: String
  package var date: String
  package var columns: [Column]
  package var rows: [Row]
  /// How many tasks any column has.
  package var taskCount: Int
  package var differences: [Difference]
  package var published: [PublishedResults]
  /// What is missing: cells of a grid without a result.
  package var missing: [String]
  /// The runs whose actions were taken on trust: nobody knows of all of them what they mean.
  package var trusted: [String]
  /// Versions in which simulators of one name differ between runs: "mujoco 3.1.6 and 3.3.0".
  package var versions: [String]
  /// The tasks that a run was tried on in a single scene, whatever the seeds.
  package var ofOneScene: [String]
  /// The split, encoder and policy that all columns share, where there are several: their labels do not repeat it.
  package var shared: [String]

  /// - Parameters:
  ///   - group: the group of a task.
  ///   - missing: what a half-finished grid lacks.
  package init(
    title: String, runs: [Run], toolkit: String, date: String, missing: [String] = [], group: (String) -> String
  ) {
    self.title = title
    self.toolkit = toolkit
    self.date = date
    self.missing = missing
    trusted = runs.filter { $0.result.trustedActions != nil }.map(\.path)
    versions = Comparison.differingVersions(runs.map(\.result))
    ofOneScene = runs.flatMap(\.result.tasksOfOneScene).unique
    registry = runs.map(\.registry).unique.joined(separator: ", ")
    simulator = runs.map(\.result.simulator).unique.joined(separator: ", ")
    published = Set(runs.map(\.result.simulator)) == ["robocasa"] ? PublishedResults.roboCasa : []
    let keys = runs.map { [$0.split, $0.encoder, $0.policy] }.unique
    let byColumn = keys.map { key in runs.filter { [$0.split, $0.encoder, $0.policy] == key } }
    let tasks = runs.flatMap { $0.episodes.map(\.task) }.unique
    // Means of different tasks do not belong side by side.
    let common = tasks.filter { task in runs.allSatisfy { $0.episodes.contains { $0.task == task } } }
    taskCount = tasks.count
    let differing = (0..<3).filter { part in keys.count == 1 || Set(keys.map { $0[part] }).count > 1 }
    shared = (0..<3).filter { !differing.contains($0) }.map { "\(["split", "encoder", "policy"][$0]) \(keys[0][$0])" }
    columns = zip(keys, byColumn).map { key, runs in
      let seeds = runs.map { SeedMean(seed: $0.trainingSeed, mean: Comparison.mean(of: $0.episodes, common)) }
      return Column(
        split: key[0], encoder: key[1], policy: key[2], runs: runs.map(\.path), seeds: seeds,
        seedDeviation: Comparison.deviation(seeds.map(\.mean)), prediction: runs.compactMap(\.prediction).first,
        label: differing.map { key[$0] }.joined(separator: " · "))
    }
    let episodes = byColumn.map { $0.flatMap(\.episodes) }
    rows = Comparison.rows(tasks, common: common, episodes: episodes, published: published, group: group)
    differences = Comparison.differences(byColumn, tasks)
  }

  // MARK: Numbers

  private static func mean(of episodes: [EpisodeResult], _ tasks: [String]) -> Double {
    tasks.compactMap { task in
      let some = episodes.filter { $0.task == task }
      return some.isEmpty ? nil : SuccessRate(of: some).rate
    }.mean ?? 0
  }

  /// The standard deviation of a sample.
  private static func deviation(_ values: [Double]) -> Double? {
    guard values.count > 1, let mean = values.mean else { return nil }
    return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)).squareRoot()
  }

  private static func cell(_ episodes: [EpisodeResult]) -> Cell? {
    guard !episodes.isEmpty else { return nil }
    let rate = SuccessRate(of: episodes)
    return Cell(
      successes: rate.successes, episodes: rate.episodes, rate: rate.rate, low: rate.interval.lowerBound,
      high: rate.interval.upperBound, errors: episodes.count { $0.error != nil })
  }

  /// The mean of the tasks' rates; with as many episodes of each it is the rate of all episodes, whose interval it has.
  private static func meanCell(_ episodes: [EpisodeResult], _ tasks: [String]) -> Cell? {
    let some = episodes.filter { tasks.contains($0.task) }
    guard var cell = cell(some) else { return nil }
    let counts = tasks.map { task in some.count { $0.task == task } }
    cell.rate = mean(of: some, tasks)
    if Set(counts).count > 1 { (cell.low, cell.high) = (nil, nil) }
    return cell
  }

  private static func rows(
    _ tasks: [String], common: [String], episodes: [[EpisodeResult]], published: [PublishedResults],
    group: (String) -> String
  ) -> [Row] {
    let groups = tasks.map(group).unique
    var rows: [Row] = []
    for name in groups {
      let members = tasks.filter { group($0) == name }
      for task in members {
        rows.append(
          Row(
            kind: .task, name: task, group: name, tasks: [task],
            cells: episodes.map { all in cell(all.filter { $0.task == task }) },
            published: published.map { $0.rates[task] }))
      }
      let shared = members.filter(common.contains)
      if groups.count > 1, members.count > 1, !shared.isEmpty {
        let rates = published.map { column -> Double? in
          let known = shared.compactMap { column.rates[$0] }
          return known.count == shared.count ? known.mean : nil
        }
        rows.append(
          Row(
            kind: .group, name: name, group: name, tasks: shared, cells: episodes.map { meanCell($0, shared) },
            published: rates))
      }
    }
    // A published mean is over all of the benchmark's tasks, and says nothing beside others.
    let isWhole = Set(common) == PublishedResults.roboCasaTasks && common.count == tasks.count
    rows.append(
      Row(
        kind: .mean, name: "mean", group: "", tasks: common, cells: episodes.map { meanCell($0, common) },
        published: published.map { isWhole ? $0.mean : nil }))
    return rows
  }

  /// Every two columns, on every task and on all: scenes are the same where simulator, program, pool, task and seed are; training seeds
  /// must be the same too.
  private static func differences(_ columns: [[Run]], _ tasks: [String]) -> [Difference] {
    struct Scene: Hashable {
      var simulator: String
      /// What of its options says which program runs; cameras and the like may differ.
      var program: [String]
      var pool: String
      var trainingSeed: UInt64
      var task: String
      var seed: UInt64
    }
    let results = columns.map { runs -> [Scene: Bool] in
      var results: [Scene: Bool] = [:]
      for run in runs {
        for episode in run.episodes {
          let scene = Scene(
            simulator: run.result.simulator, program: run.result.program, pool: run.result.pool,
            trainingSeed: run.trainingSeed, task: episode.task,
            seed: episode.seed)
          results[scene] = episode.success
        }
      }
      return results
    }
    var differences: [Difference] = []
    for first in columns.indices {
      for second in columns.indices where second > first {
        let common = results[first].compactMap { scene, success in
          results[second][scene].map {
            (task: scene.task, pair: (trainingSeed: scene.trainingSeed, first: success, second: $0))
          }
        }
        guard !common.isEmpty else { continue }
        differences.append(Difference(first, second, common.map(\.pair)))
        for task in tasks where tasks.count > 1 {
          let some = common.filter { $0.task == task }.map(\.pair)
          if !some.isEmpty { differences.append(Difference(first, second, task: task, some)) }
        }
      }
    }
    return differences
  }
}

extension Comparison {
  private static func differingVersions(_ results: [EvaluationResult]) -> [String] {
    let known = Dictionary(grouping: results.filter { $0.versions != nil }, by: \.simulator).sorted { $0.key < $1.key }
    return known.flatMap { simulator, results in
      results.flatMap { $0.versions!.keys }.unique.sorted().compactMap { name in
        let all = results.compactMap { $0.versions![name] }.unique
        return all.count > 1 ? "\(name) \(all.sorted().joined(separator: " and "))" : nil
      }
    }.unique
  }
}

extension EvaluationResult {
  /// The options that name the program or the environment in it, each as JSON.
  fileprivate var program: [String] {
    let all = options.flatMap { try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] } ?? [:]
    return ["command", "id", "suite", "make"].map { key in
      let json = all[key].flatMap {
        try? JSONSerialization.data(withJSONObject: $0, options: [.sortedKeys, .fragmentsAllowed])
      }
      return json.map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
  }
}
