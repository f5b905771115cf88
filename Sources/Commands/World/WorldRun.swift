import Foundation
import GaussianWorld
import Imitation
import Layers
import Tensors
import Training

/// A world model's run: stage after stage, each with checkpoints of its own, and the whole in `world.safetensors`.
struct WorldRun {
  let recipe: WorldRecipe
  let folder: RunFolder
  let data: WorldData
  let model: WorldModel
  var adopting: RunFolder?

  static func file(_ folder: RunFolder) -> String { folder.path + "/world.safetensors" }

  init(recipe: WorldRecipe, folder: RunFolder, place: DatasetPlace, catalog: Catalog) throws {
    self.recipe = recipe
    self.folder = folder
    do {
      let needsDepth = try recipe.world.state != .image && catalog.needsDepth(recipe.world.lift)
      data = try WorldData(recipe, place: place, needsDepth: needsDepth)
      var random = Random(seed: recipe.seed).split("world")
      model = try WorldModel(
        options: recipe.world, blueprint: data.blueprint, parts: catalog, random: &random)
    } catch let error as SettingError {
      throw SettingError.inFile(recipe.path, error)
    }
    if recipe.training.lift == nil, let lift = model.lift, let first = data.frames(of: data.training).first,
      lift.loss(on: try data.views([first])) != nil
    {
      throw CommandFailure(
        "\(recipe.path): 'training.lift' is missing, and the lift '\(recipe.world.lift.kind)' has to learn")
    }
  }

  private func folder(of stage: WorldRecipe.Stage) -> RunFolder { RunFolder("\(folder.path)/\(stage.rawValue)") }

  private func identity(of stage: WorldRecipe.Stage) -> String { data.identity(of: stage, recipe) }

  /// Whether everything is trained and written.
  /// - Throws: `CheckpointError.otherRecipe` when a stage's folder belongs to another recipe: nothing is changed then.
  var isFinished: Bool {
    get throws {
      var finished = FileManager.default.fileExists(atPath: WorldRun.file(folder))
      for stage in WorldRecipe.Stage.allCases {
        let step = try StageTrainer.step(folder(of: stage), identity: identity(of: stage))
        if stage == .dynamics { finished = finished && step ?? 0 >= recipe.training.dynamics.steps }
      }
      return finished
    }
  }

  private func trainer(
    _ stage: WorldRecipe.Stage, _ module: any Module, _ settings: TrainingSettings,
    validation: @escaping () throws -> PolicyLoss? = { nil },
    loss: @escaping (Int, inout Random) throws -> PolicyLoss
  ) -> StageTrainer {
    StageTrainer(
      identity: identity(of: stage), folder: folder(of: stage), module: module, settings: settings,
      seed: Random(seed: recipe.seed).split(stage.rawValue).key, loss: loss, validation: validation)
  }

  /// Trains what is not trained yet.
  /// - Throws: `CommandFailure` when `interruption` asked to stop.
  func train(_ interruption: Interruption) throws {
    try trainLift(interruption)
    model.lift?.freeze()
    let sights = try Sights(data, model, recipe, interruption)
    try trainVAE(interruption, sights)
    model.vae?.freeze()
    try trainDynamics(interruption, sights)
    try model.write(to: WorldRun.file(folder))
  }

  private func run(_ stage: WorldRecipe.Stage, _ trainer: StageTrainer, _ interruption: Interruption) throws {
    if let adopting, trainer.folder.checkpointSteps.isEmpty {
      let isTaken = try trainer.adopt(from: RunFolder("\(adopting.path)/\(stage.rawValue)"))
      tell(
        "\(stage.rawValue): "
          + (isTaken
            ? "taken over from \(adopting.path)"
            : "not taken over: \(adopting.path) has none that is finished and of the same settings and data"))
    }
    if try trainer.isFinished { return try trainer.loadFinished() }
    if let before = try trainer.stepsBefore {
      let steps = trainer.settings.steps
      tell("note: \(stage.rawValue): \(steps) steps instead of \(before)")
      if case .cosine = trainer.settings.schedule {
        tell(
          "note: \(stage.rawValue): the cosine schedule is stretched: what is trained so far had the learning rates of a run "
            + "of \(before) steps")
      }
    }
    let bar = ProgressBar(
      "train \(stage.rawValue)", total: trainer.settings.steps, unit: "steps",
      first: trainer.folder.checkpointSteps.last ?? 0)
    var held = ""
    let finished = try trainer.run(shouldStop: { interruption.isAsked }) { row in
      if let loss = row.averagedValidationLoss { return held = String(format: "  held out %.4f", loss) }
      let details = (row.parts ?? [:]).sorted { $0.key < $1.key }.map { String(format: "%@ %.4f", $0.key, $0.value) }
      bar.update(
        row.step, note: String(format: "loss %.4f  ", row.loss ?? 0) + details.joined(separator: "  ") + held)
    }
    bar.finish(note: held)
    guard finished else { throw Interruption.failure }
  }

  // MARK: Lift

  private func trainLift(_ interruption: Interruption) throws {
    let frames = data.frames(of: data.training)
    guard let lift = model.lift, let settings = recipe.training.lift,
      lift.loss(on: try data.views([frames[0]])) != nil
    else { return }
    let heldOut = data.frames(of: data.heldOut)
    let sample = stride(from: 0, to: heldOut.count, by: max(1, heldOut.count / 32)).map { heldOut[$0] }
    let trainer = trainer(
      .lift, lift, settings,
      validation: {
        sample.isEmpty ? nil : lift.loss(on: try data.views(sample))
      },
      loss: { _, random in
        let batch = (0..<settings.batch).map { _ in random.choice(frames) }
        return lift.loss(on: try data.views(batch))!
      })
    try run(.lift, trainer, interruption)
  }

  // MARK: VAE

  private func trainVAE(_ interruption: Interruption, _ sights: Sights) throws {
    guard let vae = model.vae, let settings = recipe.training.vae else { return }
    let frames = data.frames(of: data.training)
    let heldOut = data.frames(of: data.heldOut)
    let spread = stride(from: 0, to: frames.count, by: max(1, frames.count / 64)).map { frames[$0] }
    vae.place(over: Gaussians(try sights(spread)))
    let view = model.blueprint.context.view
    /// Moments and those that follow, with the anchors of up to nine moments before, as in roll-outs.
    func loss(_ firsts: [WorldData.Frame], random: inout Random, noisy: Bool) throws -> PolicyLoss {
      func moved(_ frame: WorldData.Frame, by steps: Int) -> WorldData.Frame {
        let last = data.demonstrations.episodes[frame.episode].length - 1
        return .init(episode: frame.episode, step: min(max(0, frame.step + steps), last))
      }
      let anchors = firsts.map { moved($0, by: -random.below(10)) }
      let moments = firsts + firsts.map { moved($0, by: 1) }
      let views = try data.views(moments)
      // The first camera is where the world is seen from, whatever its angle of view.
      let from = views.calibrations.map { $0[0].map { $0.view(views.size, from: $0) } }
      let shape = [moments.count, vae.options.tokens, vae.options.latent]
      return vae.loss(
        Gaussians(try sights(moments)),
        anchors: vae.anchors(of: Gaussians(try sights(anchors + anchors))), pictures: views.images[0],
        views: from ?? Array(repeating: view, count: moments.count), isPaired: true,
        noise: noisy ? .normal(shape, random: &random) : nil)
    }
    let sample = stride(from: 0, to: heldOut.count, by: max(1, heldOut.count / 32)).map { heldOut[$0] }
    let trainer = trainer(
      .vae, vae, settings,
      validation: {
        var random = Random(seed: 0)
        return sample.isEmpty ? nil : try loss(sample, random: &random, noisy: false)
      },
      loss: { _, random in
        let firsts = (0..<max(1, settings.batch / 2)).map { _ in random.choice(frames) }
        return try loss(firsts, random: &random, noisy: true)
      })
    try run(.vae, trainer, interruption)
  }

  // MARK: Dynamics

  /// Clips of frames with their states, not evened out.
  private struct Clips {
    /// The present moment of each: the last of its context.
    var present: [WorldData.Frame]
    /// The states of some of them, `[clips, context + horizon, tokens, numbers]`.
    var states: ([Int]) throws -> Tensor
  }

  private func clips(
    of episodes: [Int], _ sights: Sights, title: String, _ interruption: Interruption
  ) throws -> Clips {
    let (context, horizon) = (LatentDynamics.context, recipe.world.dynamics.horizon)
    let length = context + horizon
    var random = Random(seed: recipe.seed).split("clips")
    var present: [WorldData.Frame] = []
    var anchors: [WorldData.Frame] = []
    for frame in data.frames(of: episodes)
    where frame.step >= context - 1 && frame.step + horizon < data.demonstrations.episodes[frame.episode].length {
      present.append(frame)
      // Roll-outs keep the anchors of their first moment, so that those of a while ago must do as well.
      let first = frame.step - context + 1
      anchors.append(.init(episode: frame.episode, step: max(0, first - random.below(10))))
    }
    func encoded(_ clips: [Int]) throws -> Tensor {
      let moments = clips.flatMap { clip in
        (1 - context...horizon).map {
          WorldData.Frame(episode: present[clip].episode, step: present[clip].step + $0)
        }
      }
      let references = clips.flatMap { Array(repeating: anchors[$0], count: length) }
      let raw = model.rawState(try sights(moments), reference: try sights(references))
      return raw.reshaped([clips.count, length] + raw.shape.dropFirst())
    }
    // Without a VAE states are the sights in another order, made as they are needed; latents are made once if they fit.
    guard model.vae != nil, !present.isEmpty else { return Clips(present: present, states: encoded) }
    let shape = Array(try encoded([0]).shape.dropFirst())
    guard try SightStore.fits(count: present.count, shape: shape, recipe.data, "the latents of all clips") else {
      return Clips(present: present, states: encoded)
    }
    let states = SightStore(count: present.count, shape: shape)
    let bar = ProgressBar(title, total: present.count, unit: "clips")
    for start in stride(from: 0, to: present.count, by: 16) {
      try interruption.check()
      let some = Array(start..<min(present.count, start + 16))
      states.set(try encoded(some), at: start)
      bar.update(start + some.count)
    }
    bar.finish()
    return Clips(present: present, states: states.rows)
  }

  private func trainDynamics(_ interruption: Interruption, _ sights: Sights) throws {
    let settings = recipe.training.dynamics
    let horizon = recipe.world.dynamics.horizon
    let dynamics = DynamicsStage(model)
    let rewards = try data.demonstrations.episodes.indices.map(data.rewards)
    var made: (training: Clips, heldOut: Clips)?
    let trainer = trainer(
      .dynamics, dynamics, settings,
      validation: {
        guard let clips = made?.heldOut, !clips.present.isEmpty else { return nil }
        let some = stride(from: 0, to: clips.present.count, by: max(1, clips.present.count / 64)).map { $0 }
        var random = Random(seed: 0)
        return try loss(clips, some, &random)
      },
      loss: { _, random in
        let clips = made!.training
        return try loss(clips, (0..<settings.batch).map { _ in random.below(clips.present.count) }, &random)
      })
    func loss(_ clips: Clips, _ chosen: [Int], _ random: inout Random) throws -> PolicyLoss {
      let frames = chosen.map { clips.present[$0] }
      return model.dynamicsLoss(
        states: model.even(state: try clips.states(chosen)), actions: try data.actions(after: frames, steps: horizon),
        rewards: data.rewards(after: frames, steps: horizon, rewards), random: &random)
    }
    if try !trainer.isFinished {
      let training = try clips(of: data.training, sights, title: "encode clips", interruption)
      guard training.present.count >= settings.batch else {
        throw TrainingError.tooFewWindows(windows: training.present.count, batch: settings.batch)
      }
      made = (
        training, try clips(of: data.heldOut, sights, title: "encode held-out clips", interruption)
      )
      let length = LatentDynamics.context + horizon
      let some = try stride(from: 0, to: training.present.count, by: max(1, training.present.count / 256)).map {
        try training.states([$0]).squeezed(0)
      }
      model.standardize(rawStates: some)
      let changes = some.map { raw in
        let states = model.even(state: raw)
        return states.sliced(axis: 0, 1..<length) - states.sliced(axis: 0, 0..<length - 1)
      }
      model.standardize(changes: changes)
      model.standardize(
        actions: .init(
          .gaussian, statistics: try data.demonstrations.statistics(of: Normalizer.actions, episodes: data.training)))
    }
    try run(.dynamics, trainer, interruption)
  }
}

/// What the dynamics stage trains and saves: the network, and the numbers that make its states even.
private struct DynamicsStage: Module {
  let dynamics: LatentDynamics
  let even: [Buffer]

  init(_ model: WorldModel) {
    dynamics = model.dynamics
    even = model.evenings
  }
}
