import Foundation
import ImitationKit
import Synchronization

/// Episodes of a policy: environments in processes of their own, the policy here or at a server, every result kept at once.
struct EvaluationTrials {
  let folder: RunFolder
  let acting: ActingPolicy
  let recipe: Recipe
  let catalog: Catalog
  let workers: WorkerOptions
  /// Which part of the episodes is this process's.
  var shard: Shard?

  private var learned: String { acting.name(recipe) }
  /// Where results are kept.
  private var place: RunFolder { acting.folder(folder) }

  /// Tries the episodes that were not tried yet with the same weights under the same conditions, and brings
  /// `evaluation.json` up to date; a shard leaves that to whoever puts all of them together.
  ///
  /// - Parameter trusting: whether the policy may act although nobody knows what its actions mean.
  /// - Returns: the result of all `trials`, or of the shard's.
  /// - Throws: `ActingError`, `CommandFailure`, `WriteError`.
  func run(_ trials: [Trial], trusting: Bool) throws -> EvaluationResult {
    try catalog.refuseRobot(recipe.evaluation.simulator)
    let mine = shard?.part(of: trials) ?? trials
    let conditions = recipe.conditions
    let spec = try recipe.environmentSpec(catalog)
    let horizons = Dictionary(spec.tasks.map { ($0.name, $0.horizon) }) { first, _ in first }
    func tried() -> TriedEpisodes {
      TriedEpisodes(
        folder: place.path, evaluation: place.evaluation, step: acting.step, conditions: conditions, horizons: horizons)
    }
    let open = mine.filter(tried().isOpen)
    if let note = versionsNote(spec, conditions, keeping: mine.count - open.count) { tell(note: note) }
    if acting.step > 0, acting.step < recipe.training.steps {
      tell(note: "the policy was trained for \(acting.step) of \(recipe.training.steps) steps")
    }
    // What has been evaluated is reported, whoever was trusted then.
    let unknown = try acting.check(
      acting: spec, trusting: trusting || !open.contains { $0.policy == learned })
    if unknown == nil, open.contains(where: { $0.policy == learned }), let silence = acting.silence(beside: spec) {
      tell(note: silence)
    }
    try play(open, of: mine.count, spec, conditions)
    func result(_ episodes: [EpisodeResult]) -> EvaluationResult {
      EvaluationResult(
        toolkit: Toolkit.version, date: ISO8601DateFormatter().string(from: Date()), step: acting.step,
        conditions: conditions, versions: spec.versions, trustedActions: unknown, served: acting.label,
        episodes: episodes)
    }
    // The journal is what counts. The file keeps what was tried before and not asked for now; the table has what was asked for.
    let known = tried()
    if shard == nil {
      try result(known.all(learned: learned, tasks: recipe.data.tasks)).write(to: place.evaluation)
    }
    let all = result(mine.compactMap { known[$0] })
    for task in all.tasksOfOneScene {
      tell(
        note:
          "\(task): every episode began with the same observation, so \(spec.name) seems to ignore seeds; many tell little more than one"
      )
    }
    return all
  }

  /// What to know where episodes of before are kept that another version of the simulator gave; nil when there are none.
  private func versionsNote(_ spec: EnvironmentSpec, _ conditions: EvaluationConditions, keeping count: Int) -> String?
  {
    guard count > 0, let old = try? EvaluationResult.read(place.evaluation), old.step == acting.step,
      old.isUnder(conditions), let versions = old.versions
    else { return nil }
    let changed = versions.keys.sorted().filter { spec.versions[$0] != nil && spec.versions[$0] != versions[$0] }
    guard !changed.isEmpty else { return nil }
    return "\(count) episodes of before are kept, though there was "
      + changed.map { "\($0) \(versions[$0]!), not \(spec.versions[$0]!)" }.joined(separator: ", ") + ", then"
  }

  /// - Parameter all: how many episodes the progress counts.
  private func play(
    _ open: [Trial], of all: Int, _ spec: EnvironmentSpec, _ conditions: EvaluationConditions
  ) throws {
    let (interruption, learned) = (Interruption(), learned)
    try FileManager.default.createDirectory(atPath: place.path, withIntermediateDirectories: true)
    let journal = try EpisodeJournal(
      folder: place.path, step: acting.step, conditions: conditions, shard: shard?.description)
    let bar = ProgressBar("evaluate", total: all, unit: "episodes", first: all - open.count)
    let progress = Mutex((done: all - open.count, learned: 0, solved: 0, lost: nil as String?))
    try play(
      open, spec, videos: videos(conditions),
      shouldStop: { interruption.isAsked || progress.withLock { $0.lost != nil } },
      lost: { error in progress.withLock { $0.lost = $0.lost ?? CommandFailure.line(error) } }
    ) {
      result in
      progress.withLock { state in
        state.done += 1
        do { try journal.append(result) } catch { state.lost = CommandFailure.line(error) }
        if result.policy == learned {
          state.learned += 1
          state.solved += result.success ? 1 : 0
        }
        bar.update(state.done, note: "\(learned): \(state.solved) of \(state.learned)")
      }
    }
    bar.finish()
    if let lost = progress.withLock({ $0.lost }) { throw CommandFailure(lost) }
    try interruption.check()
  }

  /// Where videos are kept: of other conditions than the run's own apart, so that each shows the scene that its name says.
  private func videos(_ conditions: EvaluationConditions) -> String {
    let own = try? folder.trainedRecipe().recipe.conditions
    guard let own, own != conditions else { return place.path + "/videos" }
    var hash = StableHash()
    hash.add("\(conditions.simulator)\n\(conditions.options)\n\(conditions.seed)\n\(conditions.pool)".utf8)
    return place.path + "/videos-\(String(hash.value, radix: 16))"
  }

  /// Tries an episode once more, made into a video in the run's `replays`; `evaluation.json` stays as it is.
  func again(_ trial: Trial) throws -> EpisodeResult {
    let found = Mutex<EpisodeResult?>(nil)
    try play([trial], recipe.environmentSpec(catalog), videos: place.path + "/replays") { result in
      found.withLock { $0 = result }
    }
    guard let result = found.withLock({ $0 }) else { throw Interruption.failure }
    return result
  }

  private func play(
    _ trials: [Trial], _ spec: EnvironmentSpec, videos: String, shouldStop: @escaping @Sendable () -> Bool = { false },
    lost: @escaping @Sendable (any Error) -> Void = { _ in },
    finished: @escaping @Sendable (EpisodeResult) -> Void
  ) throws {
    guard !trials.isEmpty else { return }
    let rollout = VectorRollout(
      slots: workers.count ?? ProcessorCores.count,
      horizons: try Dictionary(trials.map { ($0.task, try spec.task($0.task).horizon) }) { $1 },
      pool: recipe.evaluation.pool)
    let environments = try EvaluationEnvironments(recipe.evaluation.simulator, catalog, workers)
    defer { environments.finish() }
    let strips = EpisodeVideos(of: learned, folder: videos)
    // Of the episodes that came to an end: whether any was judged.
    let judged = Mutex<Bool?>(nil)
    rollout.run(
      trials,
      with: .init(
        environment: environments.make, watch: strips.add,
        finish: { result, environment in
          if let recording = environment as? any EpisodeRecording,
            let scene = try? EpisodeMetadata(recording.description.metadata)
          {
            (result.layout, result.style, result.object) = (scene.layout, scene.style, scene.category)
          }
          let isJudged = environment.spec.tellsSuccess
          judged.withLock { $0 = $0 == true || isJudged }
          strips.finish(result, hertz: environment.spec.actions.controlHertz)
        }, lost: lost),
      acting: acting.acting(folder, catalog), shouldStop: shouldStop, finished: finished)
    guard judged.withLock({ $0 }) == false else { return }
    tell(
      note:
        "\(spec.name) never said whether a task is solved, so that these episodes count as failed; for kind gymnasium see solved_reward"
    )
  }
}

extension Recipe {
  /// Episodes to try, those of a task in the same scenes for every policy.
  func trials(policies: [String], tasks: [String], episodes: Int) -> [Trial] {
    policies.flatMap { policy in
      tasks.flatMap { task in
        (0..<episodes).map { episode in
          Trial(
            task: task, split: data.split, policy: policy, episode: episode,
            seed: EpisodeResult.seed(evaluation.seed, task: task, episode: episode))
        }
      }
    }
  }
}
