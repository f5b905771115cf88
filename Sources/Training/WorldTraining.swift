import Demonstrations
import Foundation
import Imitation
import Layers
import Tensors

/// A world model's run that cannot go on.
package enum WorldError: Error, Equatable, CustomStringConvertible {
  /// A stage that was trained on other demonstrations, or on a division of them that is not today's.
  case otherDemonstrations(run: String, stage: String)

  package var description: String {
    switch self {
    case .otherDemonstrations(let run, let stage):
      "\(run)/\(stage): its demonstrations, their choice or the seed are not those that it was trained with; bring them back, give "
        + "--run another folder, or --restart"
    }
  }
}

/// A world model that is trained: stage after stage, each with checkpoints of its own, and the whole in `world.safetensors`.
package struct WorldTraining {
  package let recipe: WorldRecipe
  package let folder: RunFolder
  package let data: WorldFrames
  package let model: any WorldModel
  package let stages: [String]
  /// What the demonstrations' files hold, SHA-256.
  package let contents: [String]
  /// The stages that have something to learn.
  private let learning: Set<String>
  /// A run whose finished stages are taken over.
  package var adopting: RunFolder?
  /// Threads that make batches, see `Trainer`.
  package var workers = 1
  /// The processes that train it together, and how they add up gradients; nil alone.
  package var ranks: (group: RankGroup, collective: (any Collective)?)? {
    didSet { if let place = ranks?.group.place { data.rows = { place.rows(of: $0) } } }
  }

  /// What a training tells of.
  package enum Event {
    /// A remark for the user.
    case note(String)
    /// A stage begins at a step.
    case begins(stage: String, at: Int, of: Int)
    /// Something happened while a stage is trained.
    case training(TrainingEvent)
    /// A stage has ended.
    case ended
  }

  package static func file(_ folder: RunFolder) -> String { folder.path + "/world.safetensors" }

  /// Where the finished model of before is while a stage is trained further.
  private static func previous(_ folder: RunFolder) -> String { folder.path + "/world.previous.safetensors" }

  /// - Throws: `SettingError`, naming the recipe's file, or when data and model do not fit each other.
  package init(
    recipe: WorldRecipe, folder: RunFolder, registry: DatasetRegistry, catalog: Catalog,
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws {
    (self.recipe, self.folder) = (recipe, folder)
    (stages, data, contents, model) = try SettingError.naming(recipe.path) {
      try catalog.check(recipe)
      let plan = try catalog.plan(ofWorld: recipe.world)
      try recipe.check(stages: plan.stages)
      let (data, contents) = try recipe.frames(plan.inputs, registry, catalog, progress: progress)
      var random = Random(seed: recipe.seed).split("world")
      let model = try catalog.makeWorld(recipe.world, blueprint: data.blueprint, random: &random)
      return (plan.stages, data, contents, model)
    }
    learning = Set(try stages.filter { [model, data] in try model.isTrained($0, data) })
    for stage in stages where recipe.training[stage] == nil && learning.contains(stage) {
      throw SettingError.inFile(recipe.path, .missingKey(path: "training.\(stage)", line: 0))
    }
  }

  /// A stage's folder.
  /// - Throws: `WorldError` where it was trained on others.
  private func stage(_ name: String) throws -> Stage {
    let stage = Stage(
      RunFolder("\(folder.path)/\(name)"), identity: recipe.identity(of: name, in: stages, contents))
    guard try stage.folder.checkpointSteps.isEmpty || stage.begins(with: recipe.dataIdentity(contents)) else {
      throw WorldError.otherDemonstrations(run: folder.path, stage: name)
    }
    return stage
  }

  /// Whether everything is trained and written.
  /// - Throws: `CheckpointError.otherRecipe` when a stage's folder belongs to another recipe: nothing is changed then.
  package var isFinished: Bool {
    get throws {
      let left = try stages.filter { name in
        guard let settings = recipe.training[name] else { return false }
        return try learning.contains(name) && stage(name).step() ?? 0 < settings.steps
      }
      return FileManager.default.fileExists(atPath: WorldTraining.file(folder)) && left.isEmpty
    }
  }

  /// Whether the last stage was trained on these demonstrations, divided as they are now; true of runs of version 0.1, too.
  package var isOfItsDemonstrations: Bool {
    get throws {
      let last = Stage(RunFolder("\(folder.path)/\(stages.last!)"), identity: "")
      return try last.begins(with: recipe.dataIdentity(contents))
    }
  }

  /// Whether a stage has been trained for some steps.
  package var hasBegun: Bool {
    stages.contains { !RunFolder("\(folder.path)/\($0)").checkpointSteps.isEmpty }
  }

  /// Removes what was trained before, by version 0.1 too.
  package func removeStages() {
    for path in (stages + ["vae"]).map({ "\(folder.path)/\($0)" })
      + [WorldTraining.file(folder), WorldTraining.previous(folder)]
    {
      try? FileManager.default.removeItem(atPath: path)
    }
  }

  /// Trains what is not trained yet, and writes the model.
  /// - Returns: whether it got to the end; not when `shouldStop` asked for it.
  package func train(
    _ precomputation: Precomputation, shouldStop: () -> Bool = { false }, report: (Event) -> Void = { _ in }
  ) throws -> Bool {
    for name in stages {
      guard let module = model.module(of: name) else { continue }
      if let settings = recipe.training[name], learning.contains(name) {
        guard try train(name, module, settings, precomputation, shouldStop, report) else { return false }
      }
      module.freeze()
    }
    if ranks?.group.rank ?? 0 == 0 {
      try model.write(to: WorldTraining.file(folder))
      try? FileManager.default.removeItem(atPath: WorldTraining.previous(folder))
    }
    // Who leaves first looks like one that is lost to whoever still writes.
    _ = try ranks?.group.agree(stop: false)
    return true
  }

  /// Trains one stage to its end, or fills its module where that is done already.
  private func train(
    _ name: String, _ module: any Module, _ settings: TrainingSettings, _ precomputation: Precomputation,
    _ shouldStop: () -> Bool, _ report: (Event) -> Void
  ) throws -> Bool {
    let stage = try stage(name)
    if let adopting { try adopt(name, stage, from: adopting, settings, report) }
    let first = try stage.step() ?? 0
    if first >= settings.steps {
      try stage.load(into: module)
      return true
    }
    if let before = try stage.stepsBefore(settings) {
      report(.note("note: \(name): \(settings.steps) steps instead of \(before)"))
      if case .cosine = settings.schedule {
        report(
          .note(
            "note: \(name): the cosine schedule is stretched: what is trained so far had the learning rates of a run "
              + "of \(before) steps"))
      }
    }
    guard
      let objective = try model.objective(
        of: name, data, batch: settings.batch, seed: recipe.seed, precomputation)
    else { return true }
    // The model of before says nothing of what these steps make: a stop from here on must not leave it as if it did, nor lose it.
    if ranks?.group.rank ?? 0 == 0 { rename(WorldTraining.file(folder), WorldTraining.previous(folder)) }
    report(.begins(stage: name, at: first, of: settings.steps))
    let finished = try stage.train(
      objective, settings, seed: Random(seed: recipe.seed).split(name).key, workers: workers, ranks: ranks,
      shouldStop: shouldStop
    ) { report(.training($0)) }
    report(.ended)
    return finished
  }

  /// Takes over a stage that has not begun here, where another run has finished the same.
  private func adopt(
    _ name: String, _ stage: Stage, from other: RunFolder, _ settings: TrainingSettings, _ report: (Event) -> Void
  ) throws {
    func body() throws {
      guard stage.folder.checkpointSteps.isEmpty else { return }
      let isTaken = try stage.adopt(from: RunFolder("\(other.path)/\(name)"), steps: settings.steps)
      report(
        .note(
          "\(name): "
            + (isTaken
              ? "taken over from \(other.path)"
              : "not taken over: \(other.path) has none that is finished and of the same settings and data")))
    }
    // Others find it taken over.
    try ranks?.group.firstHere(body) ?? body()
  }
}

extension WorldRecipe {
  /// Its demonstrations, and what their files hold.
  /// - Throws: `RegistryError`, `CameraError`, or what opening them threw.
  package func frames(
    _ inputs: WorldInputs, _ registry: DatasetRegistry, _ catalog: Catalog,
    progress: (_ done: Int, _ total: Int) -> Void
  ) throws -> (frames: WorldFrames, contents: [String]) {
    let request = EpisodeRequest(
      try data.selections(registry), images: inputs.keys.images, vectors: inputs.keys.vectors,
      memory: Int(data.memoryGigabytes * 1e9))
    let reader = try catalog.makeReader(data.reader).open(request, progress: progress)
    let (training, heldOut) = TrainingData.divide(reader, data, seed: seed)
    return (
      try WorldFrames(reader, inputs, training: training, heldOut: heldOut),
      try reader.fingerprints().flatMap { [$0.sha256] + ($0.linked ?? []) }
    )
  }
}
