import Foundation
import ImitationKit
import Synchronization

/// Episodes of a run's policy, tried by worker processes and kept one by one.
struct EvaluationTrials {
  let folder: RunFolder
  let checkpoint: Checkpoint
  let recipe: Recipe
  let catalog: Catalog
  let workers: WorkerOptions

  /// Tries the episodes that were not tried yet with the same weights under the same conditions, and brings
  /// `evaluation.json` up to date.
  ///
  /// - Parameter trusting: whether the policy may act although nobody knows what its actions mean.
  /// - Returns: the result of all `blanks`.
  /// - Throws: `ActingError`, `CommandFailure`, `WriteError`.
  func run(_ blanks: [EpisodeResult], trusting: Bool) throws -> EvaluationResult {
    let learned = recipe.policy.kind
    let tasks = try recipe.simulatedTasks(Set(blanks.map(\.task)).sorted(), catalog)
    let horizons = Dictionary(uniqueKeysWithValues: tasks.map { ($0.name, $0.horizon) })
    let conditions = recipe.conditions
    var tried = TriedEpisodes(
      folder: folder.path, evaluation: folder.evaluation, step: checkpoint.step, conditions: conditions)
    let open = blanks.filter(tried.isOpen)
    // What has been evaluated is reported, whoever was trusted then.
    let unknown = try checkpoint.blueprint.check(
      acting: recipe, trusting: trusting || !open.contains { $0.policy == learned }, catalog: catalog)
    let requests = open.map { blank in
      WorkerRequest.rollout(
        blank, horizon: horizons[blank.task]!, step: checkpoint.step,
        video: blank.policy == learned ? folder.path + "/videos" : nil)
    }
    let interruption = Interruption()
    let journal = try EpisodeJournal(folder: folder.path, step: checkpoint.step, conditions: conditions)
    let bar = ProgressBar("evaluate", total: blanks.count, unit: "episodes", first: blanks.count - open.count)
    let progress = Mutex((done: blanks.count - open.count, learned: 0, solved: 0, lost: nil as String?))
    let outcomes = try answers(
      to: requests, shouldStop: { interruption.isAsked || progress.withLock { $0.lost != nil } }
    ) { place, outcome in
      progress.withLock { state in
        state.done += 1
        if let result = outcome.result(of: open[place]) {
          do { try journal.append(result) } catch { state.lost = CommandFailure.line(error) }
          if result.policy == learned {
            state.learned += 1
            state.solved += result.success ? 1 : 0
          }
        }
        bar.update(state.done, note: "\(learned): \(state.solved) of \(state.learned)")
      }
    }
    bar.finish()
    for (blank, outcome) in zip(open, outcomes) {
      if let result = outcome.result(of: blank) { tried.add(result) }
    }
    func result(_ episodes: [EpisodeResult]) -> EvaluationResult {
      EvaluationResult(
        toolkit: Toolkit.version, date: ISO8601DateFormatter().string(from: Date()), step: checkpoint.step,
        conditions: conditions, trustedActions: unknown, episodes: episodes)
    }
    // The file keeps what was tried before and not asked for now; the table has what was asked for.
    let all = result(tried.all(learned: learned, tasks: recipe.data.tasks))
    if let lost = progress.withLock({ $0.lost }) {
      // What the journal had no room for may still fit there.
      try? all.write(to: folder.evaluation)
      throw CommandFailure(lost)
    }
    try all.write(to: folder.evaluation)
    try interruption.check()
    return result(blanks.compactMap { tried[$0] })
  }

  /// Tries an episode once more, made into a video in the run's `replays`; `evaluation.json` stays as it is.
  ///
  /// - Parameter step: the checkpoint that it was tried with.
  func again(_ found: EpisodeResult, step: Int) throws -> EpisodeResult {
    var blank = EpisodeResult(
      task: found.task, split: found.split, policy: found.policy, episode: found.episode, seed: found.seed)
    blank.instruction = found.instruction
    let horizon = try recipe.simulatedTasks([found.task], catalog)[0].horizon
    let request = WorkerRequest.rollout(blank, horizon: horizon, step: step, video: folder.path + "/replays")
    guard let again = try answers(to: [request])[0].result(of: blank) else { throw Interruption.failure }
    return again
  }

  private func answers(
    to requests: [WorkerRequest], shouldStop: @escaping @Sendable () -> Bool = { false },
    finished: @escaping @Sendable (Int, WorkerOutcome<WorkerResponse>) -> Void = { _, _ in }
  ) throws -> [WorkerOutcome<WorkerResponse>] {
    let written = try recipe.writtenForWorkers()
    defer { try? FileManager.default.removeItem(atPath: written) }
    return WorkerPool.imitate(recipe: written, run: folder.path, options: workers)
      .run(requests, responding: WorkerResponse.self, shouldStop: shouldStop, finished: finished)
  }
}

extension Recipe {
  /// Episodes that have not begun, those of a task in the same scenes for every policy.
  func blanks(policies: [String], tasks: [String], episodes: Int) -> [EpisodeResult] {
    policies.flatMap { policy in
      tasks.flatMap { task in
        (0..<episodes).map { episode in
          EpisodeResult(
            task: task, split: data.split, policy: policy, episode: episode,
            seed: EpisodeResult.seed(evaluation.seed, task: task, episode: episode))
        }
      }
    }
  }
}

extension WorkerOutcome<WorkerResponse> {
  /// What became of an episode; nil when it was not begun.
  func result(of blank: EpisodeResult) -> EpisodeResult? {
    var broken = blank
    switch self {
    case .success(.tried(let result)): return result
    case .success: broken.error = "a worker answered another question"
    case .failure(let reason), .crashed(let reason): broken.error = reason
    case .notStarted: return nil
    }
    return broken
  }
}
