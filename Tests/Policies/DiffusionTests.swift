import Foundation
import Imitation
import Layers
import Policies
import Support
import Tensors
import Testing

/// Schedules and samplers against diffusers, at every step.
@Suite struct NoiseScheduleTests {
  let golden: Golden

  init() throws {
    golden = try Golden("diffusion")
  }

  @Test(arguments: NoiseSchedule.Shape.allCases) func equalsDiffusers(_ shape: NoiseSchedule.Shape) {
    let schedule = NoiseSchedule(shape, steps: 100)
    for (mine, theirs) in [(schedule.betas, "betas"), (schedule.remaining, "remaining")] {
      #expect(relativeError(Tensor(mine.map { Float($0) }, shape: [100]), golden["\(shape.rawValue)/\(theirs)"]) < 1e-6)
    }
    let (clean, noise, steps) = (wave([3, 2], 4, scale: 1), wave([3, 2], 5, scale: 1), [0, 17, 99])
    let noised = schedule.noised(clean, noise: noise, steps: steps)
    #expect(relativeError(noised, golden["\(shape.rawValue)/noised"]) < 1e-6)
    let velocity = schedule.target(.velocity, clean: clean, noise: noise, steps: steps)
    #expect(relativeError(velocity, golden["\(shape.rawValue)/velocity"]) < 1e-6)
  }

  /// The reference's values, computed in 64 bits.
  @Test func hasTheReferencesValues() {
    let schedule = NoiseSchedule(.squaredCosine, steps: 100)
    for (step, beta) in [
      (0, 0.000631282), (1, 0.001116937), (10, 0.005530370), (49, 0.030593124), (50, 0.031546339), (84, 0.118876851),
      (90, 0.188751445), (97, 0.555375619), (98, 0.749939280), (99, 0.999),
    ] { #expect(abs(schedule.betas[step] - beta) < 1e-6) }
    for (step, remaining) in [
      (0, 0.999368718), (49, 0.493843590), (50, 0.478264633), (84, 0.053659235), (90, 0.019544376), (97, 0.000971193),
      (98, 0.000242857), (99, 2.43e-7),
    ] { #expect(abs(schedule.remaining[step] - remaining) < 1e-6) }
  }

  @Test(arguments: [
    (DiffusionSampler.Kind.ddpm, 100, [(0, 0.497644570), (1, 0.497606086), (50, 0.503640254), (99, 0.031375849)]),
    (.ddim, 10, [(90, 0.387446217), (50, 0.552558729), (0, 0.497644570)]),
    (.ddim, 16, [(90, 0.328924677), (48, 0.530549816)]),
  ])
  func hasTheReferencesSteps(_ kind: DiffusionSampler.Kind, _ count: Int, _ values: [(Int, Double)]) {
    let sampler = DiffusionSampler(kind, schedule: NoiseSchedule(.squaredCosine, steps: 100), count: count)
    for (step, value) in values {
      let found = sampler.step(Tensor([0.1], shape: [1]), at: step, Tensor([0.5], shape: [1])) { Tensor.zeros([1]) }
      #expect(abs(Double(found.item) - value) < 1e-6, "\(kind) \(count) at \(step)")
    }
  }

  @Test(arguments: [("ddpm", 0.0), ("ddim", 0), ("ddim", 1)]) func stepsEqualDiffusers(_ name: String, _ eta: Double) {
    let kind = DiffusionSampler.Kind(rawValue: name)!
    let (x, output) = (wave([1, 6], 1, scale: 1), wave([1, 6], 2, scale: 1))
    for prediction in NoiseSchedule.Prediction.allCases {
      for clips in [true, false] {
        for count in [100, 16, 10, 8] {
          let sampler = DiffusionSampler(
            kind, schedule: NoiseSchedule(.squaredCosine, steps: 100), prediction: prediction, count: count,
            clips: clips, eta: eta)
          #expect(sampler.steps.map { Float($0) } == golden["steps/\(count)"].scalars)
          let rows = golden["\(name)\(Int(eta))/\(prediction.rawValue)/\(clips ? 1 : 0)/\(count)"]
          for (row, step) in sampler.steps.enumerated() {
            let found = sampler.step(output, at: step, x) { wave([1, 6], 3, scale: 1) }
            let error = relativeError(found, rows.sliced(axis: 0, row..<row + 1))
            #expect(error < 1e-6, "\(prediction) \(clips) \(count) at \(step): \(error)")
            // The same as seven numbers, for whoever runs a graph.
            let f = sampler.shares(at: step)
            for (place, expected) in rows.sliced(axis: 0, row..<row + 1).scalars.enumerated() {
              let (x, output) = (Double(x.scalars[place]), Double(output.scalars[place]))
              let clean = f[0] * x + f[1] * output
              let next =
                f[2] * (clips ? min(max(clean, -1), 1) : clean) + f[3] * x + f[4] * output
                + f[5] * Double(wave([1, 6], 3, scale: 1).scalars[place])
              #expect(abs(next - Double(expected)) < 2e-6 * max(1, abs(next)), "\(prediction) \(count) at \(step)")
            }
          }
        }
      }
    }
  }

  /// With the right prediction of normal data's noise, the samples have the data's mean and spread.
  @Test(arguments: [(DiffusionSampler.Kind.ddpm, 100), (.ddim, 50)]) func returnsTheDatasSpread(
    _ kind: DiffusionSampler.Kind, _ count: Int
  ) {
    let (mean, deviation): (Float, Float) = (0.2, 0.3)
    let schedule = NoiseSchedule(.squaredCosine, steps: 100)
    let sampler = DiffusionSampler(kind, schedule: schedule, count: count, clips: false)
    var randoms = [Random(seed: 3)]
    let drawn = sampler.sample([20_000], randoms: &randoms) { x, step in
      let a = Float(schedule.remaining[step])
      let variance = a * deviation * deviation + 1 - a
      return (1 - a).squareRoot() / variance * (x - a.squareRoot() * mean)
    }
    let found = drawn.variance().item.squareRoot()
    #expect(abs(drawn.mean().item - mean) < 0.015)
    // Sampling starts below the last step and goes in finite ones: the spread is near, not equal.
    #expect(abs(found - deviation) < 0.03, "\(found)")
  }
}

/// The networks against PyTorch, and by their parameter counts.
@Suite struct DenoisingNetworkTests {
  func unet(_ json: String, horizon: Int, context: Int, features: Int, actions: Int) throws -> ConditionalUnet1D {
    var random = Random(seed: 1)
    return try ConditionalUnet1D(
      options: ConditionalUnet1D.Options(Setting(json: json)), horizon: horizon,
      context: context, features: features, actionWidth: actions, random: &random)
  }

  func transformer(_ json: String, horizon: Int, context: Int, features: Int, actions: Int) throws
    -> TransformerForDiffusion
  {
    var random = Random(seed: 1)
    return try TransformerForDiffusion(
      options: TransformerForDiffusion.Options(Setting(json: json)), horizon: horizon,
      context: context, features: features, actionWidth: actions, random: &random)
  }

  /// The published experiments' networks: image, its smaller form, Transport, Push-T and Square.
  @Test(arguments: [
    ("{}", 137, 10, 255_612_042), ("{\"widths\": [256, 512, 1024]}", 137, 10, 66_923_402), ("{}", 274, 20, 263_504_020),
    ("{\"widths\": [256, 512, 1024], \"step_width\": 256}", 20, 2, 65_783_298),
    ("{\"widths\": [256, 512, 1024], \"step_width\": 256}", 23, 7, 65_878_279),
  ])
  func unetHasTheReferencesParameters(_ json: String, _ features: Int, _ actions: Int, _ count: Int) throws {
    let network = try unet(json, horizon: 16, context: 2, features: features, actions: actions)
    #expect(network.parameterCount == count)
    #expect(network.noWeightDecay.isEmpty)
  }

  @Test func transformerHasTheReferencesParameters() throws {
    let network = try transformer("{}", horizon: 10, context: 2, features: 137, actions: 10)
    #expect(network.parameterCount == 8_997_642)
    // Of these, what decays: all matrices, and nothing else.
    let noWeightDecay = network.noWeightDecay
    for (name, parameter) in network.parameters() {
      #expect(noWeightDecay.contains(name) == (parameter.value.rank != 2), "\(name)")
    }
  }

  /// The numbers that the reference's own optimizer groups hold, with and without blocks over the memory.
  @Test(arguments: [(0, 58_272, 2538), (2, 74_656, 3210)])
  func transformerDecaysWhatTheReferenceDecays(_ conditionLayers: Int, _ decayed: Int, _ exempt: Int) throws {
    let network = try transformer(
      "{\"width\": 32, \"layers\": 3, \"condition_layers\": \(conditionLayers)}", horizon: 10, context: 2, features: 9,
      actions: 10)
    let noWeightDecay = network.noWeightDecay
    let count = network.parameters().filter { noWeightDecay.contains($0.name) }.reduce(0) {
      $0 + $1.parameter.value.count
    }
    #expect(count == exempt && network.parameterCount - count == decayed)
  }

  private func check(_ name: String, _ network: some DenoisingNetwork, horizon: Int) throws {
    let golden = try Golden("diffusion")
    network.fillWithWaves()
    let x = Parameter(wave([3, horizon, 5], 100, scale: 1))
    let seen = Parameter(wave([3, 2, 7], 101, scale: 1))
    var out = Tensor(0)
    let (_, gradients) = withGradients(random: Random(seed: 1)) {
      let result = network(x.value, step: [3, 40, 99], observations: seen.value)
      out = result.detached
      return (result * wave(result.shape, 200, scale: 1)).sum()
    }
    #expect(relativeError(out, golden["\(name)/out"]) < 1e-4)
    #expect(relativeError(try #require(gradients[x]), golden["\(name)/input0"]) < 1e-3)
    #expect(relativeError(try #require(gradients[seen]), golden["\(name)/input1"]) < 1e-3)
    // A softmax does not feel what all its keys share: their biases' gradients are rounding on both sides.
    let names = network.parameters().map(\.name)
    let (mine, theirs) = (network.gradientNorms(gradients).scalars, golden["\(name)/norms"].scalars)
    #expect(mine.count == theirs.count)
    for (place, name) in names.enumerated() where !name.hasSuffix("key.bias") {
      #expect(abs(mine[place] - theirs[place]) < 1e-3 * max(theirs[place], 1e-4 * theirs.max()!), "\(name)")
    }
  }

  @Test(arguments: [("unet", true), ("unet-bias", false)]) func unetEqualsPyTorch(_ name: String, _ scale: Bool) throws
  {
    try check(
      name,
      unet(
        "{\"widths\": [16, 32, 48], \"step_width\": 8, \"cond_predict_scale\": \(scale)}", horizon: 8, context: 2,
        features: 7,
        actions: 5), horizon: 8)
  }

  @Test(arguments: [("transformer", 0, true), ("transformer-layers", 1, true), ("transformer-open", 0, false)])
  func transformerEqualsPyTorch(_ name: String, _ conditionLayers: Int, _ causal: Bool) throws {
    try check(
      name,
      transformer(
        "{\"width\": 32, \"layers\": 2, \"dropout\": 0, \"condition_layers\": \(conditionLayers), \"causal\": \(causal)}",
        horizon: 6, context: 2, features: 7, actions: 5), horizon: 6)
  }

  /// An action sees itself, those before it, and the frames up to its own.
  @Test func transformerLooksBackOnly() throws {
    let network = try transformer("{\"width\": 32, \"layers\": 2}", horizon: 6, context: 3, features: 7, actions: 5)
    let (x, seen) = (wave([1, 6, 5], 100, scale: 1), wave([1, 3, 7], 101, scale: 1))
    let before = network(x, step: [7], observations: seen)
    func changed(_ tensor: Tensor, row: Int) -> Tensor {
      var values = tensor.scalars
      for place in 0..<tensor.shape[2] { values[row * tensor.shape[2] + place] += 1 }
      return Tensor(values, shape: tensor.shape)
    }
    func rowsThatMove(_ after: Tensor) -> [Int] {
      (0..<6).filter { row in
        before.sliced(axis: 1, row..<row + 1).scalars != after.sliced(axis: 1, row..<row + 1).scalars
      }
    }
    #expect(rowsThatMove(network(changed(x, row: 4), step: [7], observations: seen)) == [4, 5])
    #expect(rowsThatMove(network(x, step: [7], observations: changed(seen, row: 2))) == [2, 3, 4, 5])
    #expect(rowsThatMove(network(x, step: [8], observations: seen)) == [0, 1, 2, 3, 4, 5])
  }
}

@Suite struct DiffusionPolicyTests {
  static let small = "\"widths\": [32, 64], \"step_width\": 16, \"horizon\": 4, \"context\": 2"

  func unet(_ json: String, features: Int, actions: Int) throws -> DiffusionUnet {
    var random = Random(seed: 1)
    return try DiffusionUnet(
      options: DiffusionUnet.Options(Setting(json: json)),
      encoder: PassThrough(width: features), actionWidth: actions, random: &random)
  }

  func observations(_ x: Tensor) -> ObservationBatch {
    ObservationBatch(
      images: [:], vectors: ["x": x], instructions: Array(repeating: "", count: x.shape[0]), time: x.shape[1])
  }

  @Test func windowStartsAtTheOldestFrame() throws {
    #expect(
      try unet("{\"widths\": [16, 32, 32]}", features: 3, actions: 2).window
        == Window(observations: -1...0, actions: -1...14))
  }

  /// Everything gets a gradient, and one batch is learned: the actions come back out of noise.
  @Test(arguments: ["unet", "transformer"]) func learnsOneBatch(_ kind: String) throws {
    var random = Random(seed: 5)
    let policy: any Policy =
      kind == "unet"
      ? try unet(
        "{\(DiffusionPolicyTests.small), \"sampler\": \"ddim\", \"inference_steps\": 20, \"noise_draws\": 8}",
        features: 4, actions: 2)
      : try DiffusionTransformer(
        options: .init { options in
          (options.network.width, options.network.layers, options.network.dropout) = (64, 2, 0)
          (options.diffusion.horizon, options.diffusion.context) = (4, 2)
          (options.diffusion.sampler, options.diffusion.inferenceSteps, options.diffusion.noiseDraws) = (.ddim, 20, 8)
        }, encoder: PassThrough(width: 4), actionWidth: 2, random: &random)
    let batch = Batch(
      observations: observations(.normal([8, 2, 4], random: &random)),
      actions: .uniform([8, 4, 2], -0.9...0.9, random: &random), mask: .ones([8, 4]))
    var optimizer = AdamW([.init(policy.parameters(), weightDecay: 0)])
    let schedule = LearningRateSchedule.cosine(warmup: 50, total: 1000)
    for step in 0..<1000 {
      let (_, gradients) = withGradients(random: Random(seed: UInt64(step))) { policy.loss(on: batch).loss }
      for (name, parameter) in policy.parameters() where step == 0 {
        let gradient = try #require(gradients[parameter], "\(name) has no gradient")
        #expect(gradient.scalars.contains { $0 != 0 }, "\(name) has a zero gradient")
      }
      optimizer.step(gradients, learningRate: 1.5e-3 * Float(schedule.factor(at: step)))
    }
    // From the present on: three of four.
    var randoms = (0..<8).map { random.split($0) }
    let found = policy.actions(for: batch.observations, randoms: &randoms)
    #expect(found.shape == [8, 3, 2])
    let wanted = batch.actions.sliced(axis: 1, 1..<4)
    let near = zip(found.scalars, wanted.scalars).count { abs($0 - $1) < 0.15 }
    // By chance about one in seven would be that near.
    #expect(Double(near) >= 0.8 * Double(found.count), "\(near) of \(found.count)")
  }

  @Test func validationNoiseIsAlwaysTheSame() throws {
    let policy = try unet("{\(DiffusionPolicyTests.small)}", features: 4, actions: 2)
    var random = Random(seed: 5)
    let batch = Batch(
      observations: observations(.normal([8, 2, 4], random: &random)),
      actions: .uniform([8, 4, 2], -0.9...0.9, random: &random), mask: .ones([8, 4]))
    #expect(policy.loss(on: batch).loss.item == policy.loss(on: batch).loss.item)
    let losses = [1, 2].map { seed in
      withGradients(random: Random(seed: seed)) { policy.loss(on: batch).loss }.value.item
    }
    #expect(losses[0] != losses[1])
  }

  @Test(arguments: [
    "{\"inference_steps\": 101}", "{\"inference_steps\": 0}", "{\"context\": 17}", "{\"widths\": [20]}",
    "{\"kernel\": 4}",
    "{\"eta\": 2}", "{\"widths\": []}", "{\"step_width\": 7}",
  ])
  func refusesOptionsThatDoNotFit(_ json: String) {
    #expect(throws: SettingError.self) {
      try DiffusionUnet.Options(Setting(json: json))
    }
  }

  /// Options are two records side by side: a wrong value in one does not make the other's keys unknown.
  @Test(arguments: [("timesteps", 0), ("inference_steps", 200), ("kernel", 4)])
  func namesTheValueThatIsWrong(_ key: String, _ value: Int) {
    func entry(_ key: String, _ value: Setting.Value) -> Setting.Entry {
      .init(key: key, line: 1, setting: Setting(value, line: 1))
    }
    let setting = Setting(
      .map([
        entry("widths", .list([Setting(.integer(16), line: 1)])), entry(key, .integer(value)),
        entry("horizon", .integer(8)),
      ]),
      line: 1)
    #expect {
      try DiffusionUnet.Options(setting, path: "policy")
    } throws: { error in
      guard case .invalid(let path, _, _) = error as? SettingError else { return false }
      return path == "policy.\(key)" || key == "timesteps" && path == "policy.inference_steps"
    }
  }

  @Test func refusesAHorizonThatCannotBeHalved() {
    #expect(throws: PolicyError.horizon(10, multipleOf: 4)) {
      try unet("{\"widths\": [16, 32, 32], \"horizon\": 10}", features: 3, actions: 2)
    }
  }

  /// A recipe and an export hold the options flat.
  @Test func optionsKeepTheirValues() throws {
    let json = "{\"horizon\":8,\"sampler\":\"ddim\",\"widths\":[8,16]}"
    let options = try DiffusionUnet.Options(Setting(json: json))
    #expect(options.setting.json == json)
    let again = try DiffusionUnet.Options(options.setting)
    #expect(again.diffusion.horizon == 8 && again.diffusion.sampler == .ddim && again.network.widths == [8, 16])
  }
}
