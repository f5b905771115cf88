import ArgumentParser
import Evaluation
import Foundation
import Imitation
import Synchronization
import Tensors
import Training

/// `imitate evaluate`: closed-loop success of a run's policy.
struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Try a trained policy in closed loop and print its success per task.",
    discussion: """
      Every episode's scene follows from the recipe's evaluation seed, so results can be repeated and compared. \
      Episodes already in evaluation.json for this checkpoint are not tried again.
      """)

  @Argument(help: "The run folder.") var runFolder: String
  @Option(help: "Also try these for comparison: expert, random; separated by commas.") var with: String = ""
  @Option(help: "Episodes a task; the recipe's number when left out.") var episodes: Int?
  @Option(help: "Worker processes; one a core when left out.") var workers: Int?
  @Option(help: "text or json.") var format: OutputFormat = .text

  func run() throws {
    let folder = RunFolder(runFolder)
    let recipe = try folder.readRecipe()
    let checkpoint = try folder.lastCheckpoint()
    let simulated = try Session.catalog.tasks(of: recipe.evaluation.simulator)
    let others = with.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    for other in others where !["expert", "random"].contains(other) {
      throw CommandFailure("--with takes expert and random, not '\(other)'")
    }
    let count = episodes ?? recipe.evaluation.episodes
    var blanks: [EpisodeResult] = []
    for policy in [recipe.policy.kind] + others {
      for task in recipe.data.tasks {
        for episode in 0..<count {
          blanks.append(
            EpisodeResult(
              task: task, split: recipe.data.split, policy: policy, episode: episode,
              seed: EpisodeResult.seed(recipe.evaluation.seed, task: task, episode: episode)))
        }
      }
    }
    // What was tried before with the same weights need not be tried again.
    var known: [String: EpisodeResult] = [:]
    func key(_ result: EpisodeResult) -> String { "\(result.policy)/\(result.task)/\(result.seed)" }
    if let old = try? EvaluationResult.read(folder.evaluation), old.step == checkpoint.step {
      for result in old.episodes { known[key(result)] = result }
    }
    let open = blanks.filter { known[key($0)] == nil }
    let horizons = Dictionary(uniqueKeysWithValues: simulated.map { ($0.name, $0.horizon) })
    let requests = try open.map { blank in
      guard let horizon = horizons[blank.task] else {
        throw CommandFailure("\(recipe.evaluation.simulator.kind) has no task '\(blank.task)'")
      }
      return WorkerRequest.rollout(
        RolloutRequest(
          blank: blank, horizon: horizon, film: blank.policy == recipe.policy.kind ? folder.path + "/videos" : nil))
    }
    let interruption = Interruption()
    let bar = ProgressBar("evaluate", total: blanks.count, unit: "episodes", first: blanks.count - open.count)
    let progress = Mutex((done: blanks.count - open.count, learned: 0, solved: 0))
    let pool = WorkerPool.imitate(
      recipe: folder.recipe, run: folder.path, workers: workers ?? ProcessInfo.processInfo.activeProcessorCount)
    let outcomes = pool.run(requests, responding: WorkerResponse.self, shouldStop: { interruption.isAsked }) {
      _, outcome in
      progress.withLock { state in
        state.done += 1
        if case .success(.tried(let result)) = outcome, result.policy == recipe.policy.kind {
          state.learned += 1
          state.solved += result.success ? 1 : 0
        }
        bar.update(state.done, note: "\(recipe.policy.kind): \(state.solved) of \(state.learned)")
      }
    }
    bar.finish()
    for (blank, outcome) in zip(open, outcomes) {
      switch outcome {
      case .success(.tried(let result)): known[key(blank)] = result
      case .success: throw CommandFailure("a worker answered another question")
      case .failure(let reason):
        var broken = blank
        broken.error = reason
        known[key(blank)] = broken
      case .notStarted: break
      }
    }
    let result = EvaluationResult(
      toolkit: Toolkit.version, date: ISO8601DateFormatter().string(from: Date()),
      simulator: recipe.evaluation.simulator.kind, step: checkpoint.step, seed: recipe.evaluation.seed,
      pool: recipe.evaluation.pool.rawValue, episodes: blanks.compactMap { known[key($0)] })
    try result.write(to: folder.evaluation)
    try interruption.check()
    print(format == .json ? try OutputFormat.json(result) : result.consoleTable)
  }
}

extension EvaluationResult {
  /// The table as `imitate evaluate` prints it.
  var consoleTable: String {
    func percent(_ value: Double) -> String { String(format: "%.0f %%", value * 100) }
    var lines = rows.map { row in
      [
        row.task, row.split, row.policy, "\(row.successes)/\(row.episodes)", percent(row.rate),
        "\(percent(row.low)) to \(percent(row.high))", row.meanSteps.map { String(format: "%.0f", $0) } ?? "-",
        row.errors > 0 ? "\(row.errors) broke off" : "",
      ]
    }
    for policy in policies {
      lines.append([
        "mean", rows.first { $0.policy == policy }!.split, policy, "", percent(mean(of: policy)!), "", "", "",
      ])
    }
    // Experts and random policies do not predict.
    let prediction = policies.first.flatMap { policy in
      latency(of: policy).map {
        String(
          format: "latency of a prediction: %.1f ms median, %.1f ms 99th percentile, of %d", $0.p50, $0.p99, $0.count)
      }
    }
    let columns = ["task", "split", "policy", "solved", "rate", "95 % interval", "steps", ""]
    return ([table(columns, lines)] + [prediction].compactMap(\.self)).joined(separator: "\n")
  }
}
