import Foundation
import GaussianWorld
import Imitation
import Layers
import Support
import Tensors
import Testing

@Suite struct LatentDynamicsTests {
  @Test func aFreshTransformerIsTheIdentity() throws {
    let world = try Small.world()
    var random = Random(seed: 2)
    let noisy = Tensor.normal([2, 8, 6], random: &random)
    let history = Tensor.normal([2, 2, 8, 6], random: &random)
    let look = world.dynamics.look(
      noisy, sigma: [0.3, 2], history: history, actions: Tensor.normal([2, 3], random: &random))
    #expect(look.raw.scalars.allSatisfy { $0 == 0 })
    let skips = [0.3, 2].map { world.dynamics.diffusion.coefficients($0).skip }
    for item in 0..<2 {
      for place in 0..<48 {
        #expect(abs(look.denoised.scalars[item * 48 + place] - skips[item] * noisy.scalars[item * 48 + place]) < 1e-6)
      }
    }
    // Every block passes its tokens on: what it thinks is what it was given.
    let other = world.dynamics.look(noisy, sigma: [0.3, 2], history: history, actions: nil)
    #expect(other.hidden.scalars == look.hidden.scalars)
  }

  @Test func everyParameterLearns() throws {
    let world = try Small.world()
    Small.stir(world.dynamics)
    var random = Random(seed: 2)
    let states = Tensor.normal([4, 4, 8, 6], random: &random)
    let actions = Tensor.normal([4, 2, 3], random: &random)
    let rewards = Tensor.uniform([4, 2], 0...1, random: &random)
    // Among a few draws some actions are hidden and some are not.
    var left: Set<String>?
    for seed in 0..<6 {
      var random = Random(seed: UInt64(seed))
      let names = Set(
        Small.untouched(world.dynamics) {
          world.dynamicsLoss(states: states, actions: actions, rewards: rewards, random: &random).loss
        })
      left = left?.intersection(names) ?? names
    }
    // One memory token leaves nothing to choose, so queries and keys of the attention to it are not asked.
    let asked = left!.filter { !$0.contains("crossAttention.query") && !$0.contains("crossAttention.key") }
    #expect(asked.isEmpty, "\(asked)")
  }

  @Test func anUnknownActionIsTheNullAction() throws {
    let world = try Small.world()
    Small.stir(world.dynamics)
    var random = Random(seed: 2)
    let (noisy, history) = (
      Tensor.normal([2, 8, 6], random: &random), Tensor.normal([2, 2, 8, 6], random: &random)
    )
    let actions = Tensor.normal([2, 3], random: &random)
    func hidden(_ actions: Tensor?, _ dropped: [Bool] = []) -> [Float] {
      world.dynamics.look(noisy, sigma: [1, 1], history: history, actions: actions, hidden: dropped).hidden.scalars
    }
    let unknown = hidden(nil)
    let dropped = hidden(actions, [true, true])
    #expect(zip(unknown, dropped).allSatisfy { abs($0 - $1) < 1e-5 })
    let half = hidden(actions, [true, false])
    let known = hidden(actions)
    let each = half.count / 2
    #expect(zip(half[..<each], unknown[..<each]).allSatisfy { abs($0 - $1) < 1e-5 })
    #expect(zip(half[each...], known[each...]).allSatisfy { abs($0 - $1) < 1e-5 })
    #expect(zip(known, unknown).contains { abs($0 - $1) > 1e-3 })
    #expect(
      world.dynamics.firstStepLayers(history: history).map(\.scalars)
        == world.dynamics.firstStepLayers(history: history).map(\.scalars))
  }

  /// A world in which every number grows by the action's first, and in which that is what it is worth: after a little training
  /// the prediction knows both.
  @Test func learnsWhatAnActionDoes() throws {
    let world = try Small.world()
    let parameters = world.dynamics.parameters().filter { $0.parameter.isTrainable }
    var optimizer = AdamW([.init(parameters, weightDecay: 0)])
    var random = Random(seed: 4)
    func batch(_ count: Int) -> (states: Tensor, actions: Tensor) {
      let start = Tensor.normal([count, 1, 8, 6], deviation: 0.5, random: &random)
      let actions = Tensor.uniform([count, 2, 3], -1...1, random: &random)
      let steps = actions.sliced(axis: 2, 0..<1).reshaped([count, 2, 1, 1]).broadcast(to: [count, 2, 8, 6]) * 0.5
      let first = start + steps.sliced(axis: 1, 0..<1)
      return (Tensor.concatenated([start, start, first, first + steps.sliced(axis: 1, 1..<2)], axis: 1), actions)
    }
    func worth(_ actions: Tensor) -> Tensor { actions.sliced(axis: 2, 0..<1).squeezed(2) * 5 }
    for _ in 0..<150 {
      let (states, actions) = batch(16)
      let (_, gradients) = withGradients(random: Random(seed: 1)) {
        world.dynamicsLoss(states: states, actions: actions, rewards: worth(actions), random: &random).loss
      }
      optimizer.step(gradients, learningRate: 3e-3)
    }
    let (states, actions) = batch(32)
    let next = world.imagine(
      WorldState(history: states.sliced(axis: 1, 0..<2), positions: .zeros([32, 8, 3])),
      actions: actions.sliced(axis: 1, 0..<1).squeezed(1), random: &random)
    let truth = states.sliced(axis: 1, 2..<3).squeezed(1)
    let error = (next.state.tokens - truth).square().mean().item
    let standing = (states.sliced(axis: 1, 1..<2).squeezed(1) - truth).square().mean().item
    #expect(error < standing / 4, "\(error) against \(standing) of standing still")
    let wanted = worth(actions).sliced(axis: 1, 0..<1).squeezed(1)
    let off = (try #require(next.reward) - wanted).square().mean().item
    let spread = (wanted - wanted.mean()).square().mean().item
    #expect(off < spread / 2, "rewards are off by \(off), they vary by \(spread)")
  }

  @Test func symlogUndoesItself() {
    let values = Tensor([-100, -1, 0, 0.5, 7], shape: [5])
    let back = LatentDynamics.symexp(LatentDynamics.symlog(values)).scalars
    #expect(zip(values.scalars, back).allSatisfy { abs($0 - $1) < 1e-4 })
    #expect(abs(LatentDynamics.symlog(Tensor([Float(M_E) - 1], shape: [1])).item - 1) < 1e-6)
  }
}

@Suite struct WorldModelTests {
  @Test(arguments: ["vae", "gaussians", "pixels"]) func aFileRebuildsIt(_ codec: String) throws {
    let world = try Small.world(codec)
    Small.stir(world)
    let path = NSTemporaryDirectory() + "/world-\(UUID().uuidString).safetensors"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try world.write(to: path)
    let again = try Small.catalog.world(at: path)
    let views = Small.views(batch: 4, geometry: false)
    func image(_ world: any WorldModel) -> [Float] {
      let state = world.observe(views)
      #expect(state.history.shape == [2, 2, world.tokenCount, world.tokenWidth])
      #expect(state.positions.shape == [2, world.tokenCount, 3])
      return world.decode(state, from: nil).scalars
    }
    #expect(image(world) == image(again))
    // Version 0.1 had other keys, and another name for the codec's part.
    let file = try Safetensors.read(path)
    let old = """
      {"blueprint":{"actionWidth":3,"context":{"cameras":["left"],"fieldsOfView":[50],"size":{"height":16,"width":16}}},"options":"{\\"cameras\\":[\\"left\\"],\\"dynamics\\":{\\"heads\\":2,\\"horizon\\":2,\\"layers\\":2,\\"width\\":16},\\"field_of_view\\":50,\\"lift\\":{\\"channels\\":8,\\"kind\\":\\"splatter\\"},\\"patch\\":4,\\"state\\":\\"\(codec == "pixels" ? "image" : codec)\\",\\"vae\\":{\(Small.vae.replacing("\"", with: "\\\""))}}"}
      """
    var metadata = file.metadata
    metadata["format"] = "imitationkit-world-1"
    metadata["description"] = old
    let tensors = Dictionary(
      uniqueKeysWithValues: file.tensors.map { ($0.replacing("codec.", with: "vae."), $1) })
    try Safetensors.write(tensors, metadata: metadata, to: path)
    #expect(image(world) == image(try Small.catalog.world(at: path)))
    #expect(throws: WorldFileError.self) {
      try Safetensors.write([:], metadata: [:], to: path)
      _ = try Small.catalog.world(at: path)
    }
  }

  /// Without a VAE nothing is lost: the states draw what the images were.
  @Test func patchesKeepEverything() throws {
    let views = Small.views(batch: 2, geometry: false)
    let pixels = try Small.world("pixels")
    let encoding = pixels.encoding(views)
    pixels.standardize(rawStates: [pixels.codec.encode(encoding, reference: encoding)])
    let state = pixels.observe(views, windows: [[0, 0], [1, 1]])
    let back = pixels.decode(state, from: nil).scalars
    #expect(zip(back, views.images[0].scalars).allSatisfy { abs($0 - $1) < 1e-4 })

    let dense = try Small.world("gaussians")
    let set = dense.encoding(views)
    dense.standardize(rawStates: [dense.codec.encode(set, reference: set)])
    let gaussians = try #require(dense.gaussians(dense.observe(views, windows: [[0, 0], [1, 1]])))
    let error = (gaussians.values - set).abs().mean().item
    #expect(error < 1e-3, "\(error)")
    let spread = state.tokens.square().mean().item.squareRoot()
    #expect(abs(spread - 0.5) < 0.05, "standardized to EDM's deviation: \(spread)")
  }

  @Test func imaginesOneStateAnAction() throws {
    let world = try Small.world()
    Small.stir(world.dynamics)
    var random = Random(seed: 2)
    let start = WorldState(history: .normal([1, 2, 8, 6], random: &random), positions: .zeros([1, 8, 3]))
    let actions = Tensor.normal([1, 5, 3], random: &random)
    var (one, two) = (Random(seed: 7), Random(seed: 7))
    let long = world.imagine(start, steps: actions, random: &one)
    #expect(long.count == 5 && long[0].state.tokens.shape == [1, 8, 6] && long[0].reward?.shape == [1])
    // Step by step is the same as all at once: predictions feed predictions.
    var (past, found) = (start, [Tensor]())
    for step in 0..<5 {
      let next = world.imagine(past, actions: actions.sliced(axis: 1, step..<step + 1).squeezed(1), random: &two)
      #expect(next.state.history.sliced(axis: 1, 0..<1).squeezed(1).scalars == past.tokens.scalars)
      past = next.state
      found.append(next.state.tokens)
    }
    #expect(zip(long, found).allSatisfy { $0.state.tokens.scalars == $1.scalars })
  }

  /// With `target: next` a transformer that knows nothing says nothing, instead of that all stands still.
  @Test func predictsTheNextStateItself() throws {
    var random = Random(seed: 3)
    let options = LatentDynamics.Options {
      ($0.width, $0.layers, $0.heads, $0.target, $0.tokenEmbedding) = (16, 1, 2, .next, true)
    }
    let dynamics = LatentDynamics(options: options, tokens: 4, numbers: 6, actionWidth: 2, random: &random)
    #expect(dynamics.parameters().contains { $0.name == "tokenEmbedding" })
    let history = Tensor.normal([3, 2, 4, 6], random: &random)
    let next = dynamics.next(history: history, actions: nil, scale: .filled([6], with: 1), random: &random)
    // Skip of pure noise alone: sigma_data^2 / (sigma^2 + sigma_data^2) of it is left by the first step.
    #expect(next.state.square().mean().item < 0.5)
    #expect(dynamics.firstStepLayers(history: history).map(\.shape) == [[3, 4, 16], [3, 4, 16]])
  }

  /// What tells a world model from others is what its recipe said, key by key.
  @Test func optionsAreWrittenAsTheyWereRead() throws {
    let json =
      "{\"cameras\":[\"left_image\"],\"codec\":{\"kind\":\"vae\",\"kl_weight\":0.0001,\"points\":1024},"
      + "\"dynamics\":{\"heads\":6,\"width\":192},\"field_of_view\":50,\"lift\":{\"kind\":\"splatter\",\"near\":0.1}}"
    #expect(try Small.decoded(GaussianWorldModel.Options.self, json).setting.json == json)
    var options = GaussianWorldModel.Options()
    options.cameras = ["left"]
    options.dynamics.width = 96
    #expect(options.setting.json == "{\"cameras\":[\"left\"],\"dynamics\":{\"width\":96}}")
  }

  @Test func saysWhatDoesNotFit() throws {
    #expect(throws: SettingError.self) {
      try Small.decoded(GaussianVAE.Options.self, "{\"tokens\": 64, \"points\": 8}")
    }
    #expect(throws: SettingError.self) {
      try Small.decoded(GaussianWorldModel.Options.self, "{\"cameras\": [\"a\", \"b\"], \"field_of_view\": [40]}")
    }
    #expect(throws: SettingError.self) {
      try Small.decoded(
        GaussianWorldModel.Options.self, "{\"cameras\": [\"a\"], \"dynamics\": {\"width\": 18, \"heads\": 6}}")
    }
    let odd = LiftContext(cameras: ["a"], size: .init(height: 20, width: 20), fieldsOfView: [40])
    var random = Random(seed: 1)
    #expect(throws: SettingError.self) {
      _ = try Small.catalog.makeLift(Choice(kind: "splatter"), context: odd, random: &random)
    }
  }
}
