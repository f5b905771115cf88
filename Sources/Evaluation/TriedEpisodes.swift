/// What has become of a checkpoint's episodes so far: those of earlier evaluations, and those that this one adds.
package struct TriedEpisodes {
  private var order: [String] = []
  private var known: [String: EpisodeResult] = [:]
  private let horizons: [String: Int]

  /// - Parameters:
  ///   - folder: a run's; its journal and its `evaluation.json` are read.
  ///   - step: the checkpoint's; episodes of others do not count.
  ///   - conditions: episodes under others do not count either.
  ///   - horizons: by task; episodes that had fewer or more steps do not count.
  package init(
    folder: String, evaluation: String, step: Int, conditions: EvaluationConditions, horizons: [String: Int] = [:]
  ) {
    self.horizons = horizons
    for episode in EpisodeJournal.read(folder: folder, step: step, conditions: conditions) { add(episode) }
    if let old = try? EvaluationResult.read(evaluation), old.step == step, old.isUnder(conditions) {
      old.episodes.forEach { add($0) }
    }
  }

  private static func key(_ trial: Trial) -> String { "\(trial.policy)/\(trial.task)/\(trial.seed)" }

  /// The first result of an episode stays, unless it crashed then.
  package mutating func add(_ episode: EpisodeResult) {
    if let had = episode.horizon, let has = horizons[episode.task], had != has { return }
    let key = TriedEpisodes.key(episode.trial)
    guard let old = known[key] else {
      order.append(key)
      known[key] = episode
      return
    }
    if old.error != nil { known[key] = episode }
  }

  /// What became of an episode; nil when it was not tried.
  package subscript(_ trial: Trial) -> EpisodeResult? { known[TriedEpisodes.key(trial)] }

  /// Whether it has still to be tried: what crashed is, in case it was the machine's fault.
  package func isOpen(_ trial: Trial) -> Bool { self[trial].map { $0.error != nil } ?? true }

  /// All of them: the learned policy's first, then by task and number, the order of a table.
  /// - Parameter tasks: those that come first, in their order.
  package func all(learned: String, tasks first: [String]) -> [EpisodeResult] {
    let episodes = order.map { known[$0]! }
    let policies = ([learned] + episodes.map(\.policy)).unique
    let tasks = (first + episodes.map(\.task)).unique
    func place(_ episode: EpisodeResult) -> (Int, Int, Int) {
      (policies.firstIndex(of: episode.policy)!, tasks.firstIndex(of: episode.task)!, episode.episode)
    }
    return episodes.sorted { place($0) < place($1) }
  }
}
