import Foundation
import ImitationKit

/// A world model's run: stage after stage, each with checkpoints of its own, and the whole in `world.safetensors`.
struct WorldRun {
  let recipe: WorldRecipe
  let folder: RunFolder
  let data: WorldFrames
  let model: WorldModel
  /// What the demonstrations' files hold, SHA-256.
  private let contents: [String]
  var adopting: RunFolder?

  static func file(_ folder: RunFolder) -> String { folder.path + "/world.safetensors" }

  init(recipe: WorldRecipe, folder: RunFolder, place: DatasetPlace, catalog: Catalog) throws {
    self.recipe = recipe
    self.folder = folder
    do {
      try catalog.check(recipe)
      let needsDepth = try recipe.world.state != .image && catalog.needsDepth(recipe.world.lift)
      (data, contents) = try recipe.frames(place: place, catalog: catalog, needsDepth: needsDepth)
      var random = Random(seed: recipe.seed).split("world")
      model = try WorldModel(
        options: recipe.world, blueprint: data.blueprint, parts: catalog, random: &random)
    } catch let error as SettingError {
      throw SettingError.inFile(recipe.path, error)
    }
    if recipe.training.lift == nil, let lift = model.lift, try LiftObjective(lift, data, batch: 1).isTrained {
      throw CommandFailure(
        "\(recipe.path): 'training.lift' is missing, and the lift '\(recipe.world.lift.kind)' has to learn")
    }
  }

  private func stage(_ name: WorldRecipe.Stage) -> Stage {
    Stage(RunFolder("\(folder.path)/\(name.rawValue)"), identity: recipe.identity(of: name, contents))
  }

  /// Whether everything is trained and written.
  /// - Throws: `CheckpointError.otherRecipe` when a stage's folder belongs to another recipe: nothing is changed then.
  var isFinished: Bool {
    get throws {
      let steps = try WorldRecipe.Stage.allCases.map { try stage($0).step() ?? 0 }
      return FileManager.default.fileExists(atPath: WorldRun.file(folder))
        && steps.last! >= recipe.training.dynamics.steps
    }
  }

  /// Trains what is not trained yet.
  /// - Throws: `CommandFailure` when `interruption` asked to stop.
  func train(_ interruption: Interruption) throws {
    if let lift = model.lift, let settings = recipe.training.lift {
      let objective = LiftObjective(lift, data, batch: settings.batch)
      if try objective.isTrained { try train(.lift, lift, settings, interruption) { objective } }
      lift.freeze()
    }
    let precomputation = precomputation(interruption)
    let lifted = try LiftedFrames(data, model, precomputation)
    if let vae = model.vae, let settings = recipe.training.vae {
      try train(.vae, vae, settings, interruption) {
        try CodecObjective(vae, data, lifted, batch: settings.batch)
      }
      vae.freeze()
    }
    let settings = recipe.training.dynamics
    try train(.dynamics, DynamicsObjective.saved(of: model), settings, interruption) {
      try DynamicsObjective(model, data, lifted, batch: settings.batch, seed: recipe.seed, precomputation)
    }
    try model.write(to: WorldRun.file(folder))
  }

  /// Trains one stage to its end, or fills `module` where that is done already.
  private func train(
    _ name: WorldRecipe.Stage, _ module: any Module, _ settings: TrainingSettings, _ interruption: Interruption,
    objective: () throws -> some Objective
  ) throws {
    let stage = stage(name)
    if let adopting, stage.folder.checkpointSteps.isEmpty {
      let isTaken = try stage.adopt(from: RunFolder("\(adopting.path)/\(name.rawValue)"), steps: settings.steps)
      tell(
        "\(name.rawValue): "
          + (isTaken
            ? "taken over from \(adopting.path)"
            : "not taken over: \(adopting.path) has none that is finished and of the same settings and data"))
    }
    let first = try stage.step() ?? 0
    if first >= settings.steps { return try stage.load(into: module) }
    if let before = try stage.stepsBefore(settings) {
      tell("note: \(name.rawValue): \(settings.steps) steps instead of \(before)")
      if case .cosine = settings.schedule {
        tell(
          "note: \(name.rawValue): the cosine schedule is stretched: what is trained so far had the learning rates of a run "
            + "of \(before) steps")
      }
    }
    let objective = try objective()
    let bar = ProgressBar("train \(name.rawValue)", total: settings.steps, unit: "steps", first: first)
    var held = ""
    let finished = try stage.train(
      objective, settings, seed: Random(seed: recipe.seed).split(name.rawValue).key,
      shouldStop: { interruption.isAsked }
    ) { event in
      guard case .logged(let row) = event else { return }
      if let loss = row.heldOutLoss { return held = String(format: "  held out %.4f", loss) }
      let details = (row.parts ?? [:]).sorted { $0.key < $1.key }.map { String(format: "%@ %.4f", $0.key, $0.value) }
      bar.update(
        row.step, note: String(format: "loss %.4f  ", row.loss ?? 0) + details.joined(separator: "  ") + held)
    }
    bar.finish(note: held)
    guard finished else { throw Interruption.failure }
  }

  /// Keeps what the recipe allows in memory, and shows how far it is.
  private func precomputation(_ interruption: Interruption) -> Precomputation {
    var bars: [String: ProgressBar] = [:]
    return Precomputation(
      keeps: { name, count, shape in
        try MachineMemory.holds(count * shape.reduce(1, *) * MemoryLayout<Float>.size, name, recipe.data)
      },
      progress: { name, done, total in
        try interruption.check()
        let bar = bars[name] ?? ProgressBar("compute \(name)", total: total, unit: name)
        bars[name] = bar
        bar.update(done)
        if done == total { bar.finish() }
      })
  }
}

extension WorldRecipe {
  /// Its demonstrations, and what their files hold.
  /// - Throws: `RegistryError`, `GaussianWorldError`, or what opening them threw.
  func frames(
    place: DatasetPlace, catalog: Catalog, needsDepth: Bool
  ) throws -> (frames: WorldFrames, contents: [String]) {
    let registry = try place.registry(data.registry)
    let keys = WorldFrames.keys(world, needsDepth: needsDepth)
    let request = EpisodeRequest(
      try data.selections(registry, root: place.root(of: registry, recipe: data.root)), images: keys.images,
      vectors: keys.vectors, memory: Int(data.memoryGigabytes * 1e9))
    let bar = ProgressBar("open demonstrations", total: 1, unit: "episodes")
    var opened = 0
    let reader = try catalog.makeReader(data.reader).open(request) { done, total in
      opened = total
      bar.update(done, of: total)
    }
    let (training, heldOut) = TrainingData.divide(reader, data, seed: seed)
    let frames = try WorldFrames(reader, world, needsDepth: needsDepth, training: training, heldOut: heldOut)
    let contents = try reader.fingerprints().flatMap { [$0.sha256] + ($0.linked ?? []) }
    bar.update(opened, of: opened)
    bar.finish(note: "\(training.count) to train on, \(heldOut.count) held out")
    for note in reader.notes { tell("note: \(note)") }
    return (frames, contents)
  }

  /// What a stage's weights depend on.
  func identity(of stage: Stage, _ contents: [String]) -> String {
    (contents + [identity(of: stage)]).joined(separator: "\n")
  }
}
