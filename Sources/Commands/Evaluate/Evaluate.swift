import ArgumentParser
import Demonstrations
import Evaluation
import Foundation
import Imitation
import Synchronization
import Tensors
import Training

/// `imitate evaluate`: closed-loop success of a run's policy.
struct Evaluate: Verb {
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
  @OptionGroup var deadline: WorkerDeadline
  @Option(help: "text or json.") var format: OutputFormat = .text
  @Flag(help: "Act although the demonstrations do not say what their actions mean.") var trustActions = false
  @OptionGroup var place: DatasetPlace

  func validate() throws { try requirePositive(("episodes", episodes), ("workers", workers)) }

  func run(in session: Session) throws {
    let folder = RunFolder(runFolder)
    if folder.checkpointSteps.isEmpty { _ = try folder.readRecipe() }
    if let replay { return try repeated(replay, folder, session.catalog) }
    // Only then is it sure that recipe and weights belong together.
    let lock = try folder.locked()
    defer { lock.release() }
    let checkpoint = try folder.lastCheckpoint()
    let (recipe, note) = try folder.trained(checkpoint.recipe)
    if let note { tell("note: \(note)") }
    let blanks = try blanks(recipe)
    let tasks = try recipe.simulatedTasks(Set(blanks.map(\.task)).sorted(), session.catalog)
    let horizons = Dictionary(uniqueKeysWithValues: tasks.map { ($0.name, $0.horizon) })
    // What was tried before with the same weights under the same conditions need not be tried again.
    let conditions = recipe.conditions
    var tried = TriedEpisodes(
      folder: folder.path, evaluation: folder.evaluation, step: checkpoint.step, conditions: conditions)
    let open = blanks.filter(tried.isOpen)
    // What has been tried is told, whoever was trusted then.
    let unknown = try checkpoint.blueprint.check(
      acting: recipe, trusting: trustActions || !open.contains { $0.policy == recipe.policy.kind },
      catalog: session.catalog)
    let written = try recipe.writtenForWorkers()
    defer { try? FileManager.default.removeItem(atPath: written) }
    let requests = open.map { blank in
      WorkerRequest.rollout(
        RolloutRequest(
          blank: blank, horizon: horizons[blank.task]!, step: checkpoint.step,
          film: blank.policy == recipe.policy.kind ? folder.path + "/videos" : nil))
    }
    let interruption = Interruption()
    let journal = try EpisodeJournal(folder: folder.path, step: checkpoint.step, conditions: conditions)
    let bar = ProgressBar("evaluate", total: blanks.count, unit: "episodes", first: blanks.count - open.count)
    let progress = Mutex((done: blanks.count - open.count, learned: 0, solved: 0, lost: nil as String?))
    let pool = WorkerPool.imitate(recipe: written, run: folder.path, workers: workers, deadline: deadline)
    let outcomes = pool.run(
      requests, responding: WorkerResponse.self,
      shouldStop: { interruption.isAsked || progress.withLock { $0.lost != nil } }
    ) { place, outcome in
      progress.withLock { state in
        state.done += 1
        if let result = Evaluate.result(of: outcome, blank: open[place]) {
          do { try journal.append(result) } catch { state.lost = CommandFailure.line(error) }
          if result.policy == recipe.policy.kind {
            state.learned += 1
            state.solved += result.success ? 1 : 0
          }
        }
        bar.update(state.done, note: "\(recipe.policy.kind): \(state.solved) of \(state.learned)")
      }
    }
    bar.finish()
    for (blank, outcome) in zip(open, outcomes) {
      if let result = Evaluate.result(of: outcome, blank: blank) { tried.add(result) }
    }
    func result(_ episodes: [EpisodeResult]) -> EvaluationResult {
      EvaluationResult(
        toolkit: Toolkit.version, date: ISO8601DateFormatter().string(from: Date()), step: checkpoint.step,
        conditions: conditions, trustedActions: unknown, episodes: episodes)
    }
    // The file keeps what was tried before and not asked for now; the table has what was asked for.
    let all = result(tried.all(learned: recipe.policy.kind, tasks: recipe.data.tasks))
    if let lost = progress.withLock({ $0.lost }) {
      // What the journal had no room for may still fit there.
      try? all.write(to: folder.evaluation)
      throw CommandFailure(lost)
    }
    try all.write(to: folder.evaluation)
    try interruption.check()
    let asked = result(blanks.compactMap { tried[$0] })
    let broken = asked.episodes.compactMap(\.error)
    if let first = broken.first {
      tell(
        "\(broken.count) of \(blanks.count) episodes broke off; the same command tries them again. The first: \(first)")
    }
    print(format == .json ? try OutputFormat.json(asked) : asked.consoleTable)
  }

  /// The episodes that are asked for.
  private func blanks(_ recipe: Recipe) throws -> [EpisodeResult] {
    let companions = with.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    for other in companions where !["expert", "random"].contains(other) {
      throw CommandFailure("--with takes expert and random, not '\(other)'")
    }
    let tasks = try tasks.map { try place.registry(recipe.data.registry).tasks(named: $0) } ?? recipe.data.tasks
    guard !tasks.isEmpty else { throw CommandFailure("--tasks names no task") }
    for task in tasks where !recipe.data.tasks.contains(task) { tell("note: the policy was not trained on \(task)") }
    return ([recipe.policy.kind] + companions).flatMap { policy in
      tasks.flatMap { task in
        (0..<(episodes ?? recipe.evaluation.episodes)).map { episode in
          EpisodeResult(
            task: task, split: recipe.data.split, policy: policy, episode: episode,
            seed: EpisodeResult.seed(recipe.evaluation.seed, task: task, episode: episode))
        }
      }
    }
  }

  /// What became of an episode; nil when it was not begun.
  static func result(of outcome: WorkerOutcome<WorkerResponse>, blank: EpisodeResult) -> EpisodeResult? {
    var broken = blank
    switch outcome {
    case .success(.tried(let result)): return result
    case .success: broken.error = "a worker answered another question"
    case .failure(let reason), .crashed(let reason): broken.error = reason
    case .notStarted: return nil
    }
    return broken
  }
}
