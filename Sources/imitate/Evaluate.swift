import ArgumentParser
import Demonstrations
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
  @Option(help: "Tasks or groups of tasks to try instead of those it was trained on, separated by commas.")
  var tasks: String?
  @Option(help: "Repeat one episode of evaluation.json, by TASK/NUMBER or seed, and compare.") var replay: String?
  @Option(help: "Episodes a task; the recipe's number when left out.") var episodes: Int?
  @Option(help: "Worker processes; one a core when left out.") var workers: Int?
  @Option(help: "text or json.") var format: OutputFormat = .text
  @OptionGroup var place: DatasetPlace

  func run() throws {
    let folder = RunFolder(runFolder)
    let recipe = try folder.readRecipe()
    let checkpoint = try folder.lastCheckpoint()
    let companions = with.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    for other in companions where !["expert", "random"].contains(other) {
      throw CommandFailure("--with takes expert and random, not '\(other)'")
    }
    let trained = recipe.data.tasks
    let tasks = try tasks.map { try place.registry(recipe.data.registry).tasks(named: $0) } ?? trained
    guard !tasks.isEmpty else { throw CommandFailure("--tasks names no task") }
    for task in tasks where !trained.contains(task) {
      FileHandle.standardError.write(Data("note: the policy was not trained on \(task)\n".utf8))
    }
    let horizons = try horizons(recipe, tasks)
    let pool = WorkerPool.imitate(recipe: folder.recipe, run: folder.path, workers: replay == nil ? workers : 1)
    if let replay { return try repeated(replay, folder, horizons, pool) }
    let lock = try folder.lock()
    defer { lock.release() }

    let count = episodes ?? recipe.evaluation.episodes
    var blanks: [EpisodeResult] = []
    for policy in [recipe.policy.kind] + companions {
      for task in tasks {
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
    var before = EpisodeJournal.read(folder: folder.path, step: checkpoint.step)
    if let old = try? EvaluationResult.read(folder.evaluation), old.step == checkpoint.step { before += old.episodes }
    // What broke off is tried again, in case it was the machine's fault.
    for result in before where known[key(result)]?.error != nil || known[key(result)] == nil {
      known[key(result)] = result
    }
    let open = blanks.filter { known[key($0)].map { $0.error != nil } ?? true }
    let requests = open.map { blank in
      WorkerRequest.rollout(
        RolloutRequest(
          blank: blank, horizon: horizons[blank.task]!, step: checkpoint.step,
          film: blank.policy == recipe.policy.kind ? folder.path + "/videos" : nil))
    }
    let interruption = Interruption()
    let journal = try EpisodeJournal(folder: folder.path, step: checkpoint.step)
    let bar = ProgressBar("evaluate", total: blanks.count, unit: "episodes", first: blanks.count - open.count)
    let progress = Mutex((done: blanks.count - open.count, learned: 0, solved: 0, lost: nil as String?))
    let outcomes = pool.run(
      requests, responding: WorkerResponse.self, shouldStop: { interruption.isAsked }
    ) { [journal] place, outcome in
      progress.withLock { state in
        state.done += 1
        if let result = Evaluate.result(of: outcome, blank: open[place]) {
          do { try journal.append(result) } catch { state.lost = "\(error)" }
          if result.policy == recipe.policy.kind {
            state.learned += 1
            state.solved += result.success ? 1 : 0
          }
        }
        bar.update(state.done, note: "\(recipe.policy.kind): \(state.solved) of \(state.learned)")
      }
    }
    bar.finish()
    if let lost = progress.withLock({ $0.lost }) {
      throw CommandFailure("\(EpisodeJournal.path(folder.path)): cannot be written: \(lost)")
    }
    for (blank, outcome) in zip(open, outcomes) {
      if let result = Evaluate.result(of: outcome, blank: blank) { known[key(blank)] = result }
    }
    func result(_ episodes: [EpisodeResult]) -> EvaluationResult {
      EvaluationResult(
        toolkit: Toolkit.version, date: ISO8601DateFormatter().string(from: Date()),
        simulator: recipe.evaluation.simulator.kind, step: checkpoint.step, seed: recipe.evaluation.seed,
        pool: recipe.evaluation.pool.rawValue, episodes: episodes)
    }
    // The file keeps what was tried before and not asked for now; the table has what was asked for.
    let asked = Set(blanks.map(key))
    let others = before.filter { !asked.contains(key($0)) }.map(key).reduce(into: [String]()) { list, key in
      if !list.contains(key) { list.append(key) }
    }
    let tried = blanks.compactMap { known[key($0)] }
    try result((tried + others.compactMap { known[$0] }).inOrder(learned: recipe.policy.kind)).write(
      to: folder.evaluation)
    try interruption.check()
    print(format == .json ? try OutputFormat.json(result(tried)) : result(tried).consoleTable)
  }

  /// What became of an episode; nil when it was not begun.
  private static func result(of outcome: WorkerOutcome<WorkerResponse>, blank: EpisodeResult) -> EpisodeResult? {
    var broken = blank
    switch outcome {
    case .success(.tried(let result)): return result
    case .success: broken.error = "a worker answered another question"
    case .failure(let reason): broken.error = reason
    case .notStarted: return nil
    }
    return broken
  }

  private func horizons(_ recipe: Recipe, _ tasks: [String]) throws -> [String: Int] {
    let known = try Session.catalog.tasks(of: recipe.evaluation.simulator)
    let horizons = Dictionary(uniqueKeysWithValues: known.map { ($0.name, $0.horizon) })
    for task in tasks where horizons[task] == nil {
      throw CommandFailure(
        "\(recipe.evaluation.simulator.kind) has no task '\(task)'; its tasks: \(known.map(\.name).joined(separator: ", "))"
      )
    }
    return horizons
  }

  /// Tries one episode of `evaluation.json` again and tells whether it went the same way.
  private func repeated(
    _ text: String, _ folder: RunFolder, _ horizons: [String: Int], _ pool: WorkerPool
  ) throws {
    guard FileManager.default.fileExists(atPath: folder.evaluation) else {
      throw CommandFailure("\(folder.path): not evaluated yet; run `imitate evaluate \(folder.path)` first")
    }
    let old = try EvaluationResult.read(folder.evaluation)
    let parts = text.split(separator: "/").map(String.init)
    let found = old.episodes.filter { episode in
      parts.count == 1
        ? "\(episode.seed)" == text : parts.count == 2 && episode.task == parts[0] && "\(episode.episode)" == parts[1]
    }.first { $0.policy == old.policies.first }
    guard let found, let horizon = horizons[found.task] else {
      throw CommandFailure("\(folder.evaluation): no episode '\(text)'; name one as TASK/NUMBER or by its seed")
    }
    var blank = EpisodeResult(
      task: found.task, split: found.split, policy: found.policy, episode: found.episode, seed: found.seed)
    blank.instruction = found.instruction
    let request = WorkerRequest.rollout(
      RolloutRequest(blank: blank, horizon: horizon, step: old.step, film: folder.path + "/replays"))
    let outcome = pool.run([request], responding: WorkerResponse.self) { _, _ in }[0]
    guard let again = Evaluate.result(of: outcome, blank: blank) else { throw Interruption.failure }
    let same =
      again.success == found.success && again.steps == found.steps && (found.trace == nil || again.trace == found.trace)
    if format == .json {
      print(try OutputFormat.json(again))
    } else {
      print(
        """
        \(again.task)/\(again.episode) "\(again.instruction)", seed \(again.seed): \
        \(again.error ?? (again.success ? "solved in \(again.steps) steps" : "failed after \(again.steps) steps"))
        \(folder.path)/replays/\(FilmStrip.video(again))
        \(same ? "the same actions as in evaluation.json" : "NOT as in evaluation.json: another checkpoint or machine?")
        """)
    }
    guard same else { throw ExitCode(2) }
  }
}

extension [EpisodeResult] {
  /// The learned policy's first, then by task and number: the order of a table.
  func inOrder(learned: String) -> [EpisodeResult] {
    let policies = reduce(into: [learned]) { if !$0.contains($1.policy) { $0.append($1.policy) } }
    let tasks = reduce(into: [String]()) { if !$0.contains($1.task) { $0.append($1.task) } }
    func place(_ episode: EpisodeResult) -> (Int, Int, Int) {
      (policies.firstIndex(of: episode.policy)!, tasks.firstIndex(of: episode.task)!, episode.episode)
    }
    return sorted { place($0) < place($1) }
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
