import ArgumentParser
import Demonstrations
import Evaluation
import Foundation
import Imitation
import ImitationKit
import Layers
import Tensors
import Training

/// `imitate train`: from a recipe to a run folder.
struct Train: Verb {
  static let configuration = CommandConfiguration(
    abstract: "Train a policy from a recipe.",
    discussion: "Goes on from the newest checkpoint when the run folder has one of the same recipe.")

  @Argument(help: "The recipe.") var recipe: String
  @Option(name: .customLong("run"), help: "The run folder; runs/NAME when left out.") var runFolder: String?
  @OptionGroup var choice: TaskChoice
  @Option(name: .customLong("set"), help: "Change a value of the recipe: path.to.key=value.") var changes: [String] = []
  @Flag(help: "Check the recipe, the data and the shapes, and train nothing.") var dryRun = false
  @Flag(help: "Begin anew even when the run folder has checkpoints.") var restart = false
  @Flag(help: "Go on with a run although its demonstrations have changed since it began.") var acceptChanges = false
  @OptionGroup var place: DatasetPlace

  func run(in session: Session) throws {
    let recipe = try choice.recipe(recipe, changes: changes, place: place)
    let folder = RunFolder(runFolder ?? "runs/\(recipe.name)")
    let catalog = session.catalog
    // A policy that was made before has in its checkpoint what it needs of other files.
    try recipe.check(catalog, files: restart || folder.checkpointSteps.isEmpty)
    // A build without the simulator still trains for it.
    if !catalog.has(recipe.evaluation.simulator, as: .simulator) {
      tell(
        "this build has no simulator '\(recipe.evaluation.simulator.kind)': the policy can be trained, not evaluated")
    }
    let interruption = Interruption()

    let lock = try dryRun ? nil : folder.locked(creating: true)
    defer { lock?.release() }
    if restart, !dryRun { try? FileManager.default.removeItem(atPath: folder.path + "/checkpoints") }
    let checkpoint = folder.checkpointSteps.isEmpty ? nil : try folder.lastCheckpoint()
    if checkpoint == nil, !restart { try folder.refuseAnother(recipe: recipe.text) }
    if let checkpoint {
      guard try Recipe.trainingIdentity(of: checkpoint.recipe) == Recipe.trainingIdentity(of: recipe.text) else {
        throw CheckpointError.otherRecipe(path: folder.path)
      }
      if !dryRun { try update(folder, recipe, checkpoint) }
    }
    if let checkpoint, checkpoint.step >= recipe.training.steps, !dryRun {
      tell("\(folder.path): trained, \(checkpoint.step) steps")
      return
    }

    let registry = try place.registry(recipe.data.registry)
    let root = place.root(of: registry, recipe: recipe.data.root)
    if dryRun, try onlyRegistryCanTell(recipe, registry, root) { return }
    let opening = ProgressBar("open demonstrations", total: 1, unit: "episodes")
    var opened = 0
    let data = try TrainingData(recipe, registry: registry, root: root, format: HDF5Format(options: .init())) {
      done, total in
      opened = total
      opening.update(done, of: total)
    }
    opening.update(opened, of: opened)
    opening.finish(note: "\(data.training.count) to train on, \(data.heldOut.count) held out")
    for note in data.notes { tell("note: \(note)") }
    var blueprint = checkpoint?.blueprint ?? data.blueprint
    if let change = data.change(since: blueprint.datasets) {
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
    } else {
      // What checkpoints of before do not say, the same demonstrations may.
      if checkpoint?.blueprint.actionSchema == nil { blueprint.actionSchema = data.blueprint.actionSchema }
      blueprint.vectorSchemas = blueprint.vectorSchemas ?? data.blueprint.vectorSchemas
    }
    if let note = blueprint.actingNote(recipe, catalog) { tell("note: \(note)") }
    let loaded = try TrainedPolicy(
      recipe: recipe, blueprint: blueprint,
      normalizer: checkpoint?.normalizer ?? data.normalizer(),
      catalog: catalog)
    let policy = loaded.policy
    for text in Set(data.reader.episodes.map(\.instruction)).sorted() {
      try policy.encoder.check(instruction: text)
    }
    try data.check(policy.reach, loaded.normalizer)
    if let checkpoint { try policy.load(checkpoint.state.weights) }
    if !dryRun, let encoder = policy.encoder as? any FrozenEncoder {
      if let cache = try featureCache(encoder, data, interruption) { data.reader = cache }
    }
    let history = policy.encoder.history
    let batches = try data.batches(window: policy.view, history: history)
    // One batch through everything shows whether the shapes compose, before anything is written.
    let trial = policy.loss(on: try loaded.normalizer.normalized(batches(0))).loss
    precondition(trial.count == 1, "\(recipe.policy.kind): the loss has shape \(trial.shape)")
    let count = policy.parameterCount
    tell("\(recipe.encoder.kind) + \(recipe.policy.kind): \(count) parameters")
    if dryRun { return }

    folder.removeLeftovers()
    if checkpoint == nil {
      try folder.create(recipe: recipe.text, replace: restart)
      // What was measured with other weights says nothing of these.
      for old in [folder.evaluation, EpisodeJournal.path(folder.path)] {
        try? FileManager.default.removeItem(atPath: old)
      }
    }
    let objective = PolicyObjective(
      recipe: recipe, blueprint: loaded.blueprint, normalizer: loaded.normalizer, policy: policy, batches: batches,
      heldOut: data.validation(window: policy.view, history: history))
    let bar = ProgressBar("train", total: recipe.training.steps, unit: "steps", first: checkpoint?.step ?? 0)
    var validation = ""
    let reached = try Trainer(objective).run(
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

  /// Brings a run's recipe up to what may change in it: how it is judged, and for how many steps it is trained.
  private func update(_ folder: RunFolder, _ recipe: Recipe, _ checkpoint: Checkpoint) throws {
    let before = try Recipe(text: checkpoint.recipe, path: folder.recipe)
    let steps = recipe.training.steps
    // Steps that are done cannot be undone.
    let text =
      steps < checkpoint.step
      ? try SettingsFile.text(checkpoint.recipe, taking: "evaluation", from: recipe.text) : recipe.text
    if steps > checkpoint.step {
      guard !checkpoint.state.optimizer.isEmpty else {
        throw CommandFailure("\(folder.path): imported weights have no optimizer state to go on from")
      }
      if steps != before.training.steps {
        tell(
          "note: \(folder.path): \(steps) steps instead of \(before.training.steps), from step \(checkpoint.step) on")
        if case .cosine = recipe.training.schedule {
          tell(
            "note: the cosine schedule is stretched: what is trained so far had the learning rates of a run of "
              + "\(before.training.steps) steps, so this will not be what \(steps) steps from the start give")
        }
      }
    }
    let old = try? String(contentsOfFile: folder.recipe, encoding: .utf8)
    guard old != text else { return }
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
  private func onlyRegistryCanTell(_ recipe: Recipe, _ registry: DatasetRegistry, _ root: String) throws -> Bool {
    let paths = try recipe.data.tasks.map { try registry.path(task: $0, split: recipe.data.split, root: root) }
    let missing = paths.filter { !FileManager.default.fileExists(atPath: $0) }
    if missing.count == paths.count {
      tell(
        "\(recipe.path): \(paths.count) tasks of \(registry.name), \(recipe.data.split): known to the registry; none of the files is in \(root)"
      )
      return true
    }
    guard missing.isEmpty else {
      throw CommandFailure("\(missing.count) of \(paths.count) files are missing, the first: \(missing[0])")
    }
    return false
  }

  /// What the encoder's frozen part makes of every frame, kept in the cache folder.
  private func featureCache(
    _ encoder: any FrozenEncoder, _ data: TrainingData, _ interruption: Interruption
  ) throws -> FeatureCache? {
    let bar = ProgressBar("features", total: data.reader.episodes.reduce(0) { $0 + $1.length }, unit: "frames")
    let cache: FeatureCache?
    do {
      cache = try FeatureCache.open(
        encoder, data.reader, fingerprints: data.fingerprints, folder: CacheFolder.path + "/features",
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
      let bytes = Double(data.reader.episodes.reduce(0) { $0 + $1.length } * count * 2) / 1e9
      tell(
        String(
          format:
            "note: the frozen features would take %.1f GB, more than the encoder's limit: worked out as they are needed",
          bytes))
    }
    return cache
  }
}
