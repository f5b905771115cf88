import Foundation
import Imitation
import Layers
import Policies
import Support
import Tensors
import Testing

/// Hands the vector `x` through.
struct PassThrough: ObservationEncoder {
  struct Options: PluginOptions {}
  static let name = "pass-through"
  static let help = "For tests."
  let layout: FeatureLayout
  init(options: Options, context: EncoderContext, random: inout Random) {
    self.init(width: context.schema.vectors["x"]!)
  }
  init(width: Int) { layout = FeatureLayout([(.vector, "x", width)]) }
  func callAsFunction(_ observations: ObservationBatch) -> Features { Features(pooled: observations.vectors["x"]!) }
}

/// Vector `x` pooled, and the numbers of vector `t` as tokens of three, each at a place of its own; of five the last is none.
struct FiveTokens: ObservationEncoder {
  struct Options: PluginOptions {}
  static let name = "five-tokens"
  static let help = "For tests."
  let layout: FeatureLayout
  /// Whether it says that there is no fifth.
  var masks = true
  init(options: Options, context: EncoderContext, random: inout Random) { self.init(width: 0) }
  init(width: Int, count: Int? = 5) {
    layout = FeatureLayout(
      width > 0 ? [(.vector, "x", width)] : [], tokens: .init(width: 3, dimensions: 2, count: count))
  }
  func callAsFunction(_ observations: ObservationBatch) -> Features {
    let tokens = observations.vectors["t"]!
    let (batch, time) = (tokens.shape[0], tokens.shape[1])
    let places = Tensor([-1, -1, -1, 1, 1, -1, 1, 1, 0, 0], shape: [5, 2])
    return Features(
      pooled: layout.width > 0 ? observations.vectors["x"]! : .zeros([batch, time, 0]),
      tokens: tokens.reshaped([batch, time, 5, 3]), positions: places.broadcast(to: [batch, time, 5, 2]),
      mask: masks ? Tensor([1, 1, 1, 1, 0], shape: [5]).broadcast(to: [batch, time, 5]) : nil)
  }
}

@Suite struct BCTransformerTests {
  func options(_ json: String) throws -> BCTransformer.Options {
    try BCTransformer.Options(Setting(json: json))
  }

  func policy(_ json: String, features: Int, actions: Int, seed: UInt64 = 1) throws -> BCTransformer {
    var random = Random(seed: seed)
    return try BCTransformer(
      options: options(json), encoder: PassThrough(width: features), actionWidth: actions, random: &random)
  }

  func observations(_ x: Tensor) -> ObservationBatch {
    ObservationBatch(
      images: [:], vectors: ["x": x], instructions: Array(repeating: "", count: x.shape[0]), time: x.shape[1])
  }

  /// reference/policies: 6 x 512 backbone with robomimic's heads.
  @Test(arguments: [(137, 19_021_387), (19, 18_960_971)]) func hasRobomimicsParameters(_ features: Int, _ count: Int)
    throws
  {
    #expect(try policy("{}", features: features, actions: 7).parameterCount == count)
  }

  @Test(arguments: [
    ("same", "{\"context\": 4, \"horizon\": 4", 4, 4),
    ("causal", "{\"context\": 4, \"horizon\": 4, \"causal\": true", 4, 4),
    ("queries", "{\"context\": 2, \"horizon\": 6", 2, 6),
  ])
  func equalsPyTorch(_ name: String, _ json: String, _ context: Int, _ horizon: Int) throws {
    let golden = try Golden("layers")
    let policy = try policy(
      json + ", \"width\": 32, \"layers\": 2, \"heads\": 4, \"modes\": 3, \"dropout\": 0}", features: 7, actions: 5)
    policy.fillWithWaves()
    let batch = Batch(
      observations: observations(wave([3, context, 7], 100, scale: 1)),
      actions: wave([3, horizon, 5], 101, scale: 0.8),
      mask: .ones([3, horizon]))
    let (loss, gradients) = withGradients(random: Random(seed: 1)) { policy.loss(on: batch).loss }
    #expect(relativeError(loss.reshaped([1]), golden["bc-\(name)/loss"]) < 1e-4)
    #expect(largestRelativeDifference(policy.gradientNorms(gradients), golden["bc-\(name)/norms"]) < 1e-3)
  }

  @Test func recomputedBlocksGiveTheSameGradients() throws {
    let small =
      "{\"context\": 4, \"horizon\": 4, \"width\": 32, \"layers\": 3, \"heads\": 4, \"modes\": 3, \"dropout\": 0"
    let batch = Batch(
      observations: observations(wave([3, 4, 7], 100, scale: 1)), actions: wave([3, 4, 5], 101, scale: 0.8),
      mask: .ones([3, 4]))
    let norms = try ["}", ", \"recompute\": true}"].map { ending in
      let policy = try policy(small + ending, features: 7, actions: 5)
      policy.fillWithWaves()
      let (_, gradients) = withGradients(random: Random(seed: 1)) { policy.loss(on: batch).loss }
      return policy.gradientNorms(gradients)
    }
    #expect(largestRelativeDifference(norms[1], norms[0]) < 1e-5)
  }

  @Test func windowsAreTheReferences() throws {
    let same = try policy("{}", features: 3, actions: 2)
    #expect(same.window == Window(observations: -9...0, actions: 0...9))
    let queries = try policy("{\"context\": 2, \"horizon\": 8}", features: 3, actions: 2)
    #expect(queries.window == Window(observations: -1...0, actions: 0...7))
  }

  /// Learns one batch by heart; every parameter gets a gradient.
  func learn(_ batch: Batch, _ policy: BCTransformer) throws {
    var optimizer = AdamW([.init(policy.parameters(), weightDecay: 0)])
    let schedule = LearningRateSchedule.cosine(warmup: 20, total: 800)
    for step in 0..<800 {
      let (_, gradients) = withGradients(random: Random(seed: UInt64(step))) { policy.loss(on: batch).loss }
      for (name, parameter) in policy.parameters() where step == 0 {
        let gradient = try #require(gradients[parameter], "\(name) has no gradient")
        // The last layer's keys, queries and everything below get one; a zero one is a hole in the network.
        #expect(gradient.scalars.contains { $0 != 0 }, "\(name) has a zero gradient")
      }
      optimizer.step(gradients, learningRate: 3e-3 * Float(schedule.factor(at: step)))
    }
  }

  @Test(arguments: ["gmm", "deterministic"]) func learnsOneBatch(_ head: String) throws {
    let policy = try policy(
      "{\"context\": 2, \"horizon\": 3, \"width\": 32, \"layers\": 2, \"heads\": 4, \"head\": \"\(head)\", \"mode\": \"best\", \"dropout\": 0}",
      features: 4, actions: 2)
    var random = Random(seed: 5)
    let batch = Batch(
      observations: observations(.normal([8, 2, 4], random: &random)),
      actions: .uniform([8, 3, 2], -0.8...0.8, random: &random), mask: .ones([8, 3]))
    try learn(batch, policy)
    var randoms = (0..<8).map { random.split($0) }
    let actions = policy.actions(for: batch.observations, randoms: &randoms)
    // A mixture may leave a row or two at a compromise between its components.
    let near = zip(actions.scalars, batch.actions.scalars).count { abs($0 - $1) < 0.1 }
    #expect(Double(near) >= 0.9 * Double(actions.count))
  }

  func observer(
    _ width: Int, masks: Bool = true, layers: Int = 2, queries: Int = 4, flatten: Int = 0, count: Int? = 5
  ) throws -> BCTransformer {
    var random = Random(seed: 1)
    var encoder = FiveTokens(width: width, count: count)
    encoder.masks = masks
    return try BCTransformer(
      options: options(
        "{\"context\": 2, \"horizon\": 3, \"width\": 32, \"layers\": 1, \"heads\": 4, \"head\": \"deterministic\", \"dropout\": 0, \"observe\": \"tokens\", \"observe_layers\": \(layers), \"observe_queries\": \(queries), \"observe_flatten\": \(flatten)}"
      ), encoder: encoder, actionWidth: 2, random: &random)
  }

  func tokens(_ count: Int, _ random: inout Random) -> ObservationBatch {
    ObservationBatch(
      images: [:],
      vectors: ["x": .normal([count, 2, 4], random: &random), "t": .normal([count, 2, 15], random: &random)],
      instructions: Array(repeating: "", count: count), time: 2)
  }

  /// Everything gets a gradient and one batch is learned, with proprioception and without.
  @Test(arguments: [4, 0], [0, 6]) func learnsFromTokens(_ width: Int, _ flatten: Int) throws {
    let policy = try observer(width, flatten: flatten)
    var random = Random(seed: 5)
    let batch = Batch(
      observations: tokens(8, &random), actions: .uniform([8, 3, 2], -0.8...0.8, random: &random), mask: .ones([8, 3]))
    try learn(batch, policy)
    var randoms = (0..<8).map { random.split($0) }
    let found = policy.actions(for: batch.observations, randoms: &randoms)
    #expect(found.shape == [8, 3, 2])
    let near = zip(found.scalars, batch.actions.scalars).count { abs($0 - $1) < 0.1 }
    // By chance one in eight would be that near.
    #expect(Double(near) >= 0.8 * Double(found.count), "\(near) of \(found.count)")
  }

  @Test func attendsToWhatIsThereAndWhereItIs() throws {
    var random = Random(seed: 5)
    let seen = tokens(2, &random)
    func actions(_ policy: BCTransformer, _ change: (inout [Float]) -> Void = { _ in }) -> [Float] {
      var (values, randoms, changed) = (seen.vectors["t"]!.scalars, [Random(seed: 1), Random(seed: 2)], seen)
      change(&values)
      changed.vectors["t"] = Tensor(values, shape: [2, 2, 15])
      return policy.actions(for: changed, randoms: &randoms).scalars
    }
    let (masked, open) = (try observer(4), try observer(4, masks: false))
    #expect(actions(masked) == actions(masked) { $0[14] += 1 }, "there is no fifth token")
    #expect(actions(open) != actions(open) { $0[14] += 1 })
    #expect(actions(masked) != actions(masked) { $0[11] += 1 })
    // The same tokens at each other's places.
    let swapped = actions(masked) { values in for i in 0..<3 { values.swapAt(i, 3 + i) } }
    #expect(actions(masked) != swapped)
    #expect(try observer(4, layers: 3).parameterCount > masked.parameterCount)
  }

  /// Read in their order, tokens say what they say without positions: here attention sees nothing, its joining layer is zero.
  @Test func readsTokensInTheirOrder() throws {
    let policy = try observer(4, flatten: 6)
    let reader = try #require(policy.parameters().first { $0.name.hasSuffix("reader.joining.weight") })
    reader.parameter.value = .zeros(reader.parameter.value.shape)
    var random = Random(seed: 5)
    let seen = tokens(2, &random)
    func actions(_ change: (inout [Float]) -> Void = { _ in }) -> [Float] {
      var (values, randoms, changed) = (seen.vectors["t"]!.scalars, [Random(seed: 1), Random(seed: 2)], seen)
      change(&values)
      changed.vectors["t"] = Tensor(values, shape: [2, 2, 15])
      return policy.actions(for: changed, randoms: &randoms).scalars
    }
    #expect(actions() != actions { $0[11] += 1 } && actions() == actions { $0[14] += 1 }, "there is no fifth token")
    #expect(actions() != actions { values in for i in 0..<3 { values.swapAt(i, 3 + i) } })
    // The proprioception is read beside them.
    var (other, randoms) = (seen, [Random(seed: 1), Random(seed: 2)])
    other.vectors["x"] = other.vectors["x"]! + 1
    #expect(policy.actions(for: other, randoms: &randoms).scalars != actions())
    // Six numbers of each token, those of five to the width, four of proprioception to the width.
    let own = (32 * 6 + 6) + (5 * 6 * 32 + 32) + (4 * 32 + 32)
    #expect(try policy.parameterCount == observer(4).parameterCount + own)
    #expect(throws: PolicyError.tokensWithoutOrder(encoder: "five-tokens")) { try observer(4, flatten: 6, count: nil) }
  }

  /// A query has its own start (32 numbers), its own columns of the layer of pooled features, and its own of the joining layer.
  @Test func queriesAreApart() throws {
    let counts = try [1, 2, 4].map { try observer(4, queries: $0).parameterCount }
    #expect(
      counts[1] - counts[0] == 32 + 32 * (4 + 1) + 32 * 32 && counts[2] - counts[1] == 2 * (counts[1] - counts[0]))
    #expect(try options("{}").observeQueries == 4)
  }

  @Test func tokensNeedAnEncoderThatGivesThem() throws {
    var random = Random(seed: 1)
    #expect(throws: PolicyError.noTokens(encoder: "pass-through")) {
      try BCTransformer(
        options: options("{\"observe\": \"tokens\"}"), encoder: PassThrough(width: 4), actionWidth: 2, random: &random)
    }
    #expect(try BCTransformer.wantsTokens(options("{\"observe\": \"tokens\"}")))
    #expect(try !BCTransformer.wantsTokens(options("{}")))
  }

  @Test func paddingCountsOnlyWhenAskedTo() throws {
    var random = Random(seed: 5)
    let x = Tensor.normal([2, 2, 4], random: &random)
    let actions = Tensor.uniform([2, 3, 2], -0.8...0.8, random: &random)
    let mask = Tensor([1, 1, 0, 1, 0, 0], shape: [2, 3])
    var changed = actions.scalars
    changed[4] += 0.5  // a masked row
    let other = Tensor(changed, shape: [2, 3, 2])
    for (json, same) in [("false", false), ("true", true)] {
      let policy = try policy(
        "{\"context\": 2, \"horizon\": 3, \"width\": 16, \"layers\": 1, \"heads\": 2, \"mask_padding\": \(json)}",
        features: 4,
        actions: 2)
      let losses = [actions, other].map {
        policy.loss(on: Batch(observations: observations(x), actions: $0, mask: mask)).loss.item
      }
      #expect((losses[0] == losses[1]) == same)
    }
  }

  /// Components are drawn by their weights: after training on two answers to one question, both are given.
  @Test func samplesItsModes() throws {
    let policy = try policy(
      "{\"context\": 1, \"horizon\": 2, \"width\": 32, \"layers\": 1, \"heads\": 2, \"modes\": 2, \"dropout\": 0}",
      features: 2,
      actions: 1)
    let x = Tensor.ones([8, 1, 2])
    let targets = (0..<8).flatMap { row in [Float](repeating: row % 4 == 0 ? 0.7 : -0.7, count: 2) }
    let batch = Batch(
      observations: observations(x), actions: Tensor(targets, shape: [8, 2, 1]), mask: .ones([8, 2]))
    var optimizer = AdamW([.init(policy.parameters(), weightDecay: 0)])
    for step in 0..<600 {
      let (_, gradients) = withGradients(random: Random(seed: UInt64(step))) { policy.loss(on: batch).loss }
      optimizer.step(gradients, learningRate: 3e-3)
    }
    var randoms = (0..<400).map { Random(seed: 9).split($0) }
    let many = observations(Tensor.ones([400, 1, 2]))
    let drawn = policy.actions(for: many, randoms: &randoms).scalars
    let share = Double(drawn.count { $0 > 0 }) / Double(drawn.count)
    #expect(abs(share - 0.25) < 0.06)
    #expect(drawn.allSatisfy { abs(abs($0) - 0.7) < 0.1 })
  }

  @Test(arguments: ["{\"heads\": 7}", "{\"context\": 0}", "{\"dropout\": 1}", "{\"causal\": true, \"horizon\": 3}"])
  func refusesOptionsThatDoNotFit(_ json: String) {
    #expect(throws: SettingError.self) { try options(json) }
  }
}
