import Files
import Foundation
import ImitationKit

/// A policy's run on its way to the last step.
struct PolicyRun {
  let recipe: Recipe
  let folder: RunFolder
  /// What it goes on from; nil for a new one.
  let checkpoint: Checkpoint?
  private let replacing: Bool
  private let catalog: Catalog
  private let ranks: TrainingRanks
  private let interruption = Interruption()

  /// - Parameter replacing: whether a new run replaces what is in the way, once it is clear that it can be trained.
  /// - Throws: `RunError` or `CheckpointError` when the folder belongs to another recipe.
  init(_ recipe: Recipe, _ folder: RunFolder, replacing: Bool, catalog: Catalog, _ ranks: TrainingRanks) throws {
    (self.recipe, self.folder, self.replacing, self.catalog) = (recipe, folder, replacing, catalog)
    self.ranks = ranks
    checkpoint = replacing || folder.checkpointSteps.isEmpty ? nil : try folder.lastCheckpoint()
    if let checkpoint {
      try folder.refuseOther(recipe, than: checkpoint)
    } else if !replacing {
      try folder.refuseAnother(recipe: recipe.text)
    }
  }

  /// Whether nothing is left to train.
  var isFinished: Bool { checkpoint.map { $0.step >= recipe.training.steps } ?? false }

  /// The files of demonstrations that are not those a finished run was trained on, of those that are there.
  func changedFiles(_ registry: DatasetRegistry) -> [String] {
    // What another reader's digests are of is its own matter.
    guard ["hdf5", "aloha"].contains(recipe.data.reader.kind) else { return [] }
    let digests = DigestCache()
    return (checkpoint?.blueprint.datasets ?? []).compactMap { dataset in
      guard let path = try? registry.path(task: dataset.task, split: recipe.data.split),
        let now = try? digests.digest(path).sha256, now != dataset.sha256
      else { return nil }
      return path
    }
  }

  /// Brings a run's recipe up to what may change in it: how it is judged, and for how many steps it is trained.
  /// - Throws: `CommandFailure` when it cannot go on.
  func update() throws {
    guard let checkpoint else { return }
    let before = try Recipe(text: checkpoint.recipe, path: folder.recipe)
    let steps = recipe.training.steps
    // Steps that are done cannot be undone.
    let text =
      steps < checkpoint.step
      ? try SettingsFile.text(checkpoint.recipe, taking: "evaluation", from: recipe.text) : recipe.text
    if steps > checkpoint.step, steps != before.training.steps {
      tell(note: "\(folder.path): \(steps) steps instead of \(before.training.steps), from step \(checkpoint.step) on")
      if case .cosine = recipe.training.schedule {
        tell(
          note: "the cosine schedule is stretched: what is trained so far had the learning rates of a run of "
            + "\(before.training.steps) steps, so this will not be what \(steps) steps from the start give")
      }
    }
    let old = try? String(contentsOfFile: folder.recipe, encoding: .utf8)
    guard old != text, ranks.isFirst else { return }
    try AtomicFile.write(Data(text.utf8), to: folder.recipe)
    func judging(_ text: String?) -> String? { (try? text.map(SettingsFile.parse))?["evaluation"]?.json }
    if judging(old) != judging(text) {
      tell("note: \(folder.recipe): how the policy is judged has changed")
    }
  }

  /// Checks tasks and split of a recipe whose demonstrations are not on this disk yet.
  ///
  /// - Returns: whether none of them is, so that there is nothing more to check.
  /// - Throws: `RegistryError`, or `CommandFailure` when only some are there.
  func onlyRegistryCanTell(_ registry: DatasetRegistry) throws -> Bool {
    let paths = try recipe.data.tasks.map { try registry.path(task: $0, split: recipe.data.split) }
    let missing = paths.filter { !FileManager.default.fileExists(atPath: $0) }
    if missing.count == paths.count {
      tell(
        "\(recipe.path): \(paths.count) tasks of \(registry.name), \(recipe.data.split): known to the registry; none of the files is in \(registry.root)"
      )
      return true
    }
    guard missing.isEmpty else {
      throw CommandFailure("\(missing.count) of \(paths.count) files are missing, the first: \(missing[0])")
    }
    return false
  }

  /// Opens the demonstrations.
  /// - Throws: `RegistryError`, or what the reader threw.
  func open(_ registry: DatasetRegistry) throws -> TrainingData {
    let bar = ProgressBar("open demonstrations", total: 1, unit: "episodes")
    var opened = 0
    let data = try TrainingData(recipe, registry, catalog) { done, total in
      opened = total
      bar.update(done, of: total)
    }
    bar.update(opened, of: opened)
    bar.finish(note: "\(data.training.count) to train on, \(data.heldOut.count) held out")
    tell(notes: data.notes)
    return data
  }

  /// What the run was built for, brought up to the demonstrations that are there now.
  ///
  /// - Throws: `TrainingError` when they have changed and that is not accepted, or cannot be.
  private func blueprint(_ data: TrainingData, acceptChanges: Bool) throws -> PolicyBlueprint {
    var blueprint = checkpoint?.blueprint ?? data.blueprint
    guard let change = data.change(since: blueprint.datasets) else {
      // What checkpoints of before do not say, the same demonstrations may.
      if checkpoint?.blueprint.actionSchema == nil { blueprint.actionSchema = data.blueprint.actionSchema }
      blueprint.vectorSchemas = blueprint.vectorSchemas ?? data.blueprint.vectorSchemas
      return blueprint
    }
    guard acceptChanges else { throw TrainingError.demonstrationsChanged(run: folder.path, change: change) }
    tell("note: \(change); the run goes on with what is there now")
    guard blueprint.encoder.schema == data.blueprint.encoder.schema, blueprint.actions == data.blueprint.actions,
      blueprint.actionWidth == data.blueprint.actionWidth
    else { throw TrainingError.otherShapes(run: folder.path) }
    blueprint.datasets = data.fingerprints
    // What only one of them says is not known of what was learned from both; what they say against each other is refused.
    blueprint.actionSchema = try blueprint.actionSchema?.common(with: data.blueprint.wholeAction)
    let theirs = data.blueprint.vectorSchemas ?? [:]
    for (key, mine) in blueprint.vectorSchemas ?? [:] {
      if let other = theirs[key], let difference = mine.difference(from: other, key: key) { throw difference }
    }
    blueprint.vectorSchemas = blueprint.vectorSchemas?.filter { theirs[$0.key] == $0.value }
    return blueprint
  }

  /// The policy and its loss, tried on one batch: that shows whether the shapes compose, before anything is written.
  ///
  /// - Parameter caching: whether features of an encoder's frozen part are kept.
  func objective(_ data: TrainingData, acceptChanges: Bool, caching: Bool) throws -> PolicyObjective {
    let blueprint = try blueprint(data, acceptChanges: acceptChanges)
    if let note = blueprint.actingNote(recipe, catalog) { tell("note: \(note)") }
    if checkpoint == nil {
      tell(notes: try [data.constantActionsNote(), data.precisionNote()].compactMap(\.self))
    }
    let objective = try PolicyObjective(
      recipe, data, blueprint: blueprint, from: checkpoint, rank: ranks.place, catalog: catalog)
    if checkpoint != nil {
      do { try data.check(objective.policy.reach, objective.normalizer) } catch let error as TrainingError {
        tell(note: "\(error)")
      }
    }
    if let note = data.shortNote(objective.policy.view) { tell(note: note) }
    let frozenSteps = objective.policy.encoder.frozenSteps
    if frozenSteps != .max, frozenSteps >= recipe.training.steps {
      tell(note: "what is frozen for \(frozenSteps) steps does not learn: training.steps is \(recipe.training.steps)")
    }
    // What has begun to learn makes other rows.
    if caching, checkpoint?.step ?? 0 < frozenSteps, let encoder = objective.policy.encoder as? any FrozenEncoder,
      let cache = try featureCache(encoder, data)
    {
      data.reader = cache
    }
    let trial = try objective.loss(on: objective.batch(0, random: Random(seed: 0))).loss
    precondition(trial.count == 1, "\(recipe.policy.kind): the loss has shape \(trial.shape)")
    return objective
  }

  /// Trains to the recipe's last step.
  /// - Parameter workers: threads that make batches, see `Trainer`.
  /// - Throws: `CommandFailure` when stopping was asked for before.
  func train(_ objective: PolicyObjective, workers: Int) throws {
    if ranks.isFirst {
      if replacing {
        for path in [folder.path + "/checkpoints", ProbeResult.file(folder)] {
          try? FileManager.default.removeItem(atPath: path)
        }
      }
      folder.removeLeftovers()
      if checkpoint == nil { try folder.begin(recipe: recipe.text, replace: replacing) }
    }
    let bar = ProgressBar("train", total: recipe.training.steps, unit: "steps", first: checkpoint?.step ?? 0)
    var validation = ""
    var trainer = try Trainer(objective)
    trainer.workers = workers
    (trainer.ranks, trainer.collective) = (ranks.group, try ranks.collective())
    let reached = try trainer.run(
      in: folder, from: checkpoint?.state, shouldStop: { interruption.isAsked }
    ) { event in
      guard case .logged(let row) = event else { return }
      if let loss = row.heldOutLoss { return validation = String(format: "  held out %.3f", loss) }
      let note = String(
        format: "loss %.3f  |g| %.2f  lr %.2g  %.0f windows/s", row.loss ?? 0, row.gradientNorm ?? 0,
        row.learningRate ?? 0, row.samplesPerSecond ?? 0)
      bar.update(row.step, note: note + validation)
    }
    bar.finish(note: validation)
    if reached < recipe.training.steps {
      throw CommandFailure("stopped after step \(reached); run the same command again to go on")
    }
  }

  /// What the encoder's frozen part makes of every frame, kept in the cache folder.
  private func featureCache(_ encoder: any FrozenEncoder, _ data: TrainingData) throws -> FeatureCache? {
    let frames = data.reader.episodes.reduce(0) { $0 + $1.length } * encoder.frozenVariants
    let bar = ProgressBar("features", total: frames, unit: "frames")
    let cache: FeatureCache?
    do {
      cache = try FeatureCache.open(
        encoder, data.reader, fingerprints: data.fingerprints,
        reader: recipe.data.reader == DataSettings().reader ? nil : recipe.data.reader.setting.json,
        seed: recipe.seed, folder: CacheFolder.path + "/features",
        shouldStop: { interruption.isAsked }
      ) { done, total in bar.update(done, of: total) }
    } catch is CancellationError {
      throw Interruption.failure
    } catch let error where error is WriteError || error is CocoaError {
      tell("note: features are not kept: \(CommandFailure.line(error)); computed as they are needed")
      return nil
    }
    if cache != nil {
      bar.finish()
    } else if let count = encoder.frozenCount {
      let bytes = Double(frames * count * 2) / 1e9
      tell(
        String(
          format:
            "note: the frozen features would take %.1f GB, more than the encoder's limit: computed as they are needed",
          bytes))
    }
    return cache
  }
}
