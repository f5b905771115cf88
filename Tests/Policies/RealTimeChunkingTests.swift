import Foundation
import Imitation
import Policies
import Tensors
import Testing

/// Chunks whose first actions are given.
@Suite struct RealTimeChunkingTests {
  static let kinds: [(DiffusionSampler.Kind, Double)] = [(.ddpm, 0), (.ddim, 0), (.ddim, 0.5)]

  private func sampler(_ kind: DiffusionSampler.Kind, _ eta: Double, clips: Bool = false) -> DiffusionSampler {
    DiffusionSampler(kind, schedule: NoiseSchedule(.squaredCosine, steps: 100), count: 10, clips: clips, eta: eta)
  }

  /// What says of each action something of its neighbor: `[rows, 4, 2]`.
  private func predict(_ x: Tensor, _ step: Int) -> Tensor {
    let shifted = Tensor.concatenated([x.sliced(axis: 1, 1..<4), x.sliced(axis: 1, 0..<1)], axis: 1)
    return (x + 0.5 * shifted).tanh()
  }

  private func rows(_ tensor: Tensor) -> [[Float]] {
    (0..<tensor.shape[0]).map { tensor.sliced(axis: 0, $0..<$0 + 1).scalars }
  }

  /// Without given actions the bits and the draws are those of the plain walk.
  @Test(arguments: kinds) func nothingGivenChangesNothing(_ kind: DiffusionSampler.Kind, _ eta: Double) {
    let sampler = sampler(kind, eta)
    let streams = (0..<3).map { Random(seed: 4).split($0) }
    var plain = streams
    func noise() -> Tensor { .stacked((0..<3).map { .normal([4, 2], random: &plain[$0]) }, axis: 0) }
    var x = noise()
    for step in sampler.steps { x = sampler.step(predict(x, step), at: step, x, noise: noise) }
    for prefixes: [[[Float]]] in [[], [[], [], []]] {
      var randoms = streams
      let found = sampler.sample([4, 2], continuing: prefixes, from: 1, randoms: &randoms, predict: predict)
      #expect(found.scalars == x.scalars && randoms == plain)
    }
  }

  /// What is given comes back as it is, the rest follows from it, and a row is the same alone and among others.
  @Test(arguments: kinds, [false, true])
  func givenActionsAreKept(_ kind: (DiffusionSampler.Kind, Double), _ clips: Bool) {
    let sampler = sampler(kind.0, kind.1, clips: clips)
    let streams = (0..<4).map { Random(seed: 4).split($0) }
    func sample(_ rows: [Int], _ prefixes: [[[Float]]]) -> (values: [[Float]], randoms: [Random]) {
      var randoms = rows.map { streams[$0] }
      let found = sampler.sample([4, 2], continuing: prefixes, from: 1, randoms: &randoms, predict: predict)
      return (self.rows(found), randoms)
    }
    // One row with none, the others with one, two, and all from the second on; one value is beyond what steps clip to.
    let given: [[Float]] = [[0.3, -0.7], [0.9, 0.1], [-0.2, 1.5]]
    let prefixes = (0..<4).map { Array(given.prefix($0)) }
    let (found, free) = (sample(Array(0..<4), prefixes), sample(Array(0..<4), []))
    #expect(found.randoms == free.randoms, "given actions cost no draws")
    for row in 0..<4 {
      let values = found.values[row]
      #expect(Array(values[2..<2 + 2 * row]) == Array(given.joined().prefix(2 * row)))
      #expect(values.allSatisfy { $0.isFinite })
      #expect((values == free.values[row]) == (row == 0))
      #expect(sample([row], [prefixes[row]]).values[0] == values)
    }
    // What is clipped to the same end does not move.
    guard !clips else { return }
    var others = prefixes
    others[1][0][0] += 0.1
    let moved = sample(Array(0..<4), others).values
    #expect(moved[0] == found.values[0] && moved[2] == found.values[2] && moved[3] == found.values[3])
    // Before and after what is given.
    #expect(moved[1][0..<2] != found.values[1][0..<2] && moved[1][4...] != found.values[1][4...])
  }

  /// Two numbers, jointly normal, their noise predicted exactly: what is drawn of the second follows from the first as the same walk in
  /// plain numbers says, and correlates with it.
  @Test(arguments: [(DiffusionSampler.Kind.ddpm, 100), (.ddim, 10), (.ddim, 50)])
  func theRestFollowsFromWhatIsGiven(_ kind: DiffusionSampler.Kind, _ count: Int) {
    let (rows, correlation) = (3000, 0.95)
    let schedule = NoiseSchedule(.squaredCosine, steps: 100)
    let sampler = DiffusionSampler(kind, schedule: schedule, count: count, clips: false)
    let streams = (0..<rows).map { Random(seed: 8).split($0) }
    var drawing = Random(seed: 9)
    let first = (0..<rows).map { _ in Float(drawing.normal()) }
    func slope(_ prefixes: [[[Float]]]) -> (Double, second: [Double]) {
      var randoms = streams
      let drawn = sampler.sample([2, 1], continuing: prefixes, randoms: &randoms) { x, step in
        let now = schedule.remaining[step]
        let shared = now * correlation
        let swapped = Tensor.concatenated([x.sliced(axis: 1, 1..<2), x.sliced(axis: 1, 0..<1)], axis: 1)
        return Float((1 - now).squareRoot() / (1 - shared * shared)) * (x - Float(shared) * swapped)
      }
      let second = drawn.sliced(axis: 1, 1..<2).scalars.map(Double.init)
      let products = zip(first, second).reduce(0) { $0 + Double($1.0) * $1.1 }
      return (products / first.reduce(0) { $0 + Double($1 * $1) }, second)
    }
    /// The second number from the first, its noise and its own, without what DDPM adds: its mean.
    func walk(_ given: Double, _ noise: (Double, Double)) -> Double {
      var x = noise.1
      for (index, step) in sampler.steps.enumerated() {
        let now = schedule.remaining[step]
        let before = index + 1 < sampler.steps.count ? schedule.remaining[sampler.steps[index + 1]] : 1
        let other = now.squareRoot() * given + (1 - now).squareRoot() * noise.0
        let shared = now * correlation
        let epsilon = (1 - now).squareRoot() * (x - shared * other) / (1 - shared * shared)
        let clean = (x - (1 - now).squareRoot() * epsilon) / now.squareRoot()
        switch kind {
        case .ddim: x = before.squareRoot() * clean + (1 - before).squareRoot() * epsilon
        case .ddpm:
          let left = now / before
          x = (before.squareRoot() * (1 - left) * clean + left.squareRoot() * (1 - before) * x) / (1 - now)
        }
      }
      return x
    }
    let found = slope(first.map { [[$0]] })
    let expected = walk(1, (0, 0))
    #expect(abs(found.0 - expected) < 0.05, "\(found.0), expected \(expected)")
    // Without a gradient of the network it is less than the 0.95 of the conditional distribution.
    #expect(expected > 0.45 && expected < correlation)
    #expect(abs(slope([]).0) < 0.08)
    guard kind == .ddim else { return }
    for row in 0..<rows {
      var random = streams[row]
      let noise = (random.normal(), random.normal())
      let error = abs(found.second[row] - walk(Double(first[row]), noise))
      #expect(error < 2e-3, "row \(row): \(error)")
    }
  }

  /// Both networks, a row alone and among others.
  @Test(.enabled(if: hasVectorKernels), arguments: ["unet", "transformer"])
  func diffusionPoliciesContinue(_ kind: String) throws {
    var random = Random(seed: 5)
    let policy: any Policy =
      kind == "unet"
      ? try DiffusionPolicyTests().unet(
        "{\(DiffusionPolicyTests.small), \"sampler\": \"ddim\", \"inference_steps\": 5, \"clip_sample\": false}",
        features: 4, actions: 2)
      : try DiffusionTransformer(
        options: .init { options in
          (options.network.width, options.network.layers) = (64, 2)
          (options.diffusion.horizon, options.diffusion.context) = (4, 2)
          (options.diffusion.sampler, options.diffusion.inferenceSteps) = (.ddim, 5)
          options.diffusion.clipSample = false
        }, encoder: PassThrough(width: 4), actionWidth: 2, random: &random)
    for (_, parameter) in policy.parameters() {
      parameter.value = parameter.value + .normal(parameter.value.shape, deviation: 0.05, random: &random)
    }
    #expect(policy.continuesChunks)
    let x = Tensor.normal([3, 2, 4], random: &random)
    let given: [[Float]] = [[0.3, -0.7], [0.9, 0.1]]
    let prefixes = [Array(given.prefix(1)), [], given]
    func actions(_ rows: [Int], _ prefixes: [[[Float]]]?) throws -> [[Float]] {
      var randoms = rows.map { Random(seed: 3).split($0) }
      let seen = DiffusionPolicyTests().observations(x.gathered(rows))
      return self.rows(
        try prefixes.map { try policy.actions(for: seen, randoms: &randoms, continuing: $0) }
          ?? policy.actions(for: seen, randoms: &randoms))
    }
    let (found, free) = (try actions([0, 1, 2], prefixes), try actions([0, 1, 2], nil))
    #expect(found[0].prefix(2) == [0.3, -0.7] && found[2].prefix(4) == [0.3, -0.7, 0.9, 0.1])
    #expect(found[1] == free[1] && found[0] != free[0] && found[2].suffix(2) != free[2].suffix(2))
    for row in 0..<3 { #expect(try actions([row], [prefixes[row]])[0] == found[row]) }
    #expect(throws: PolicyError.prefix(3, predicted: 3)) { try actions([0], [given + given.prefix(1)]) }
  }

  @Test func otherPoliciesRefuse() throws {
    var random = Random(seed: 5)
    let policy = try BCTransformer(
      options: .init(Setting(json: "{\"context\": 2, \"horizon\": 2, \"width\": 32, \"layers\": 1, \"heads\": 2}")),
      encoder: PassThrough(width: 4), actionWidth: 2, random: &random)
    #expect(!policy.continuesChunks)
    let seen = DiffusionPolicyTests().observations(.normal([1, 2, 4], random: &random))
    #expect(throws: PolicyError.continuesNothing(policy: "bc-transformer")) {
      var randoms = [Random(seed: 1)]
      return try policy.actions(for: seen, randoms: &randoms, continuing: [[[0, 0]]])
    }
    var (plain, none) = ([Random(seed: 1)], [Random(seed: 1)])
    #expect(
      try policy.actions(for: seen, randoms: &none, continuing: [[]]).scalars
        == policy.actions(for: seen, randoms: &plain).scalars)
  }
}
