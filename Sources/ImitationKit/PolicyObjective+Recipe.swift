import Evaluation
import Foundation
import Imitation
import Layers
import Training

extension PolicyObjective {
  /// Builds the policy of a recipe, untrained, and checks that it and the demonstrations fit each other.
  ///
  /// - Parameters:
  ///   - episodes: what it learns from; the recipe's `data` says what is held out of them, its files are not opened.
  ///   - catalog: the plug-ins that the recipe may name.
  /// - Throws: `SettingError`, `PolicyError`, `TrainingError`, or what the encoder or the episodes threw.
  public init(_ recipe: Recipe, _ episodes: any EpisodeReader, catalog: Catalog = .standard) throws {
    let data = try TrainingData(recipe, episodes)
    try self.init(recipe, data, blueprint: data.blueprint, catalog: catalog)
  }

  /// - Parameters:
  ///   - checkpoint: what training goes on from.
  ///   - rank: which part of each batch it learns from; nil for all of it.
  package init(
    _ recipe: Recipe, _ data: TrainingData, blueprint: PolicyBlueprint, from checkpoint: Checkpoint? = nil,
    rank: RankPlace? = nil, catalog: Catalog
  ) throws {
    let built = try TrainedPolicy(
      recipe: recipe, blueprint: blueprint, normalizer: checkpoint?.normalizer ?? data.normalizer(), catalog: catalog)
    let (policy, history) = (built.policy, built.policy.encoder.history)
    for text in Set(data.reader.episodes.map(\.instruction)).sorted() { try policy.encoder.check(instruction: text) }
    // A run that goes on cannot choose another normalization.
    if checkpoint == nil { try data.check(policy.reach, built.normalizer) }
    if let checkpoint { try policy.load(checkpoint.state.weights) }
    let batches = try data.batches(
      window: policy.view, history: history, variants: (policy.encoder as? any FrozenEncoder)?.frozenVariants ?? 1,
      frozenSteps: policy.encoder.frozenSteps, rank: rank)
    if data.reader.schema.vectors.contains(where: CameraKeys.isGeometry) {
      let sample = try built.normalizer.normalized(batches(0, Random(seed: 0)).observations)
      try data.reader.schema.checkCalibrations { sample.unnormalized[$0]!.scalars }
      try policy.encoder.check(sample)
    }
    self.init(
      recipe: recipe, blueprint: built.blueprint, normalizer: built.normalizer, policy: policy, batches: batches,
      heldOut: data.validation(window: policy.view, history: history))
  }
}

extension Trainer<PolicyObjective> {
  /// Trains to the recipe's last step in a run folder, from its newest checkpoint if it has one: a run that was stopped ends
  /// with the bits of one that never was.
  ///
  /// - Parameter report: called with each row of the log.
  /// - Throws: `RunError`, `CheckpointError`, `TrainingError`, or what the episodes or the files threw.
  public func run(in folder: RunFolder, report: (TrainingMetrics) -> Void = { _ in }) throws {
    let lock = try folder.lock(creating: true)
    defer { lock.release() }
    let checkpoint = folder.checkpointSteps.isEmpty ? nil : try folder.lastCheckpoint()
    if let checkpoint {
      try folder.refuseOther(objective.recipe, than: checkpoint)
      let (was, now) = (checkpoint.blueprint, objective.blueprint)
      guard was.datasets == now.datasets else {
        throw TrainingError.demonstrationsChanged(run: folder.path, change: "they are other ones")
      }
      // Tables and world models that the encoder reads are part of a run as well.
      guard now.encoder.isOf(was.encoder),
        was.encoder.tensors.mapValues(\.scalars) == now.encoder.tensors.mapValues(\.scalars)
      else {
        throw TrainingError.demonstrationsChanged(
          run: folder.path, change: "files that the encoder reads are other ones")
      }
    } else {
      try folder.begin(recipe: objective.recipe.text)
    }
    folder.removeLeftovers()
    try run(in: folder, from: checkpoint?.state, report: { if case .logged(let row) = $0 { report(row) } })
  }
}

extension RunFolder {
  /// Starts a run, and removes what was measured with other weights: it says nothing of these.
  ///
  /// - Parameter replace: whether a `recipe.yaml` with another text is replaced.
  /// - Throws: `RunError`, or `WriteError`.
  package func begin(recipe text: String, replace: Bool = false) throws {
    try create(recipe: text, replace: replace)
    for old in [evaluation] + EpisodeJournal.paths(path) { try? FileManager.default.removeItem(atPath: old) }
  }
}
