import Foundation
import Imitation
import Layers
import Tensors

/// What comes next: a diffusion transformer over the tokens of a state (GWM, section 3.3; Peebles and Xie 2023), given two
/// past states and the action, in EDM's preconditioning.
///
/// It predicts the change from the present state, scaled to EDM's standard deviation, so that knowing nothing means standing
/// still, or the next state itself. Attention has rotary positions and normalized queries and keys; the noise level and a summary of the past enter by
/// AdaLN-Zero, the action by cross-attention. One action in `actionDrop` is hidden behind a learned null action, so that the
/// model can also be asked without one.
public struct LatentDynamics: Module {
  /// What it predicts.
  public enum Target: String, CaseIterable, SettingValue {
    /// How the state changes, so that knowing nothing means standing still.
    case change
    /// The next state itself, as GWM does: what stands still has to be known, too.
    case next
  }

  /// What a recipe may set.
  public struct Options: PluginOptions {
    @Key("Width of the tokens; even for each head.", 1...8192) public var width = 192
    @Key("Transformer blocks.", 1...200) public var layers = 4
    @Key("Attention heads; they divide the width.", 1...256) public var heads = 6
    @Key("Steps of the sampler.", 1...1000) public var steps = 3
    @Key("The sampler's solver.") public var solver = ElucidatedDiffusion.Solver.euler
    @Key("The largest noise level (sigma_max).", .above(0.002, upTo: 1000)) public var largestNoise: Float = 5
    @Key("Mean of the logarithm of the training noise.", -1e6...1e6) public var noiseMean: Float = -0.4
    @Key("Standard deviation of the logarithm of the training noise.", .above(0)) public var noiseDeviation: Float = 1.2
    @Key("Fraction of actions hidden behind a learned null action.", 0..<1) public var actionDrop: Float = 0.1
    @Key("Predictions in a row while training, each fed by the last one's.", 1...64) public var horizon = 2
    @Key("What it predicts: how the state changes, or the next state itself.") public var target = Target.change
    @Key("Whether each token has an embedding of its own; for codecs whose tokens always stand for the same place.")
    public var tokenEmbedding = false
    @Key("Weight of the reward's error; 0 for no reward head.", 0...) public var rewardWeight: Float = 0.1

    public init() {}

    public func validate() throws {
      try $heads.refuse(unless: width % heads == 0, "must divide the width (\(width))")
      try $width.refuse(unless: width / heads % 2 == 0, "must be an even number for each head: positions turn pairs")
    }
  }

  /// How many past states it sees, the present one among them.
  public static let context = 2
  private static let waves = SinusoidalEmbedding(width: 128, sinesFirst: false)

  /// What it was made with.
  public let options: Options
  /// How noise is added and taken away.
  public let diffusion: ElucidatedDiffusion
  let embedding: Linear
  let noise: [Linear]
  let past: [Linear]
  let action: [Linear]
  /// `[1, 1, width]`: what stands for an action that is not known.
  let nullAction: Parameter
  /// `[1, tokens, width]`, where tokens have embeddings of their own.
  let tokenEmbedding: Parameter?
  let blocks: [DiffusionTransformerBlock]
  let modulation: Linear
  let head: Linear
  let reward: [Linear]

  /// - Parameter numbers: of each of the `tokens`.
  public init(options: Options, tokens: Int, numbers: Int, actionWidth: Int, random: inout Random) {
    self.options = options
    var diffusion = ElucidatedDiffusion()
    diffusion.largest = options.largestNoise
    (diffusion.logMean, diffusion.logDeviation) = (options.noiseMean, options.noiseDeviation)
    self.diffusion = diffusion
    let width = options.width
    embedding = Linear(inputs: (1 + LatentDynamics.context) * numbers, outputs: width, random: &random)
    func pair(_ inputs: Int, _ outputs: Int, _ random: inout Random) -> [Linear] {
      [
        Linear(inputs: inputs, outputs: width, random: &random),
        Linear(inputs: width, outputs: outputs, random: &random),
      ]
    }
    noise = pair(128, width, &random)
    past = pair(LatentDynamics.context * numbers, width, &random)
    action = pair(actionWidth, width, &random)
    nullAction = Parameter(.normal([1, 1, width], deviation: 0.02, random: &random))
    blocks = (0..<options.layers).map { _ in
      DiffusionTransformerBlock(
        width: width, heads: options.heads, condition: width, memoryWidth: width, rotary: RotaryPositions(),
        normalized: true, random: &random)
    }
    modulation = Linear(inputs: width, outputs: 2 * width, initialization: .zero, random: &random)
    head = Linear(inputs: width, outputs: numbers, initialization: .zero, random: &random)
    reward = options.rewardWeight > 0 ? pair(width, 1, &random) : []
    tokenEmbedding =
      options.tokenEmbedding ? Parameter(.normal([1, tokens, width], deviation: 0.02, random: &random)) : nil
  }

  /// What one look at a noisy change gives.
  public struct Look {
    /// `[batch, tokens, numbers]`: the denoised change or state.
    public var denoised: Tensor
    /// `[batch, tokens, width]`: the tokens before the first block and after each.
    public var layers: [Tensor]
    /// The tokens after the last block.
    public var hidden: Tensor { layers[layers.count - 1] }
    /// The network's own output F.
    public var raw: Tensor
  }

  /// One denoising step's network call.
  ///
  /// - Parameters:
  ///   - noisy: `[batch, tokens, numbers]`.
  ///   - sigma: a noise level for each item.
  ///   - history: `[batch, context, tokens, numbers]`, the present state last.
  ///   - actions: `[batch, actionWidth]`; nil for none known.
  ///   - hidden: which items' actions are hidden.
  public func look(
    _ noisy: Tensor, sigma: [Float], history: Tensor, actions: Tensor?, hidden dropped: [Bool] = []
  ) -> Look {
    let batch = noisy.shape[0]
    let coefficients = sigma.map(diffusion.coefficients)
    func column(_ path: KeyPath<ElucidatedDiffusion.Coefficients, Float>) -> Tensor {
      Tensor(coefficients.map { $0[keyPath: path] }, shape: [batch, 1, 1])
    }
    let states = (0..<LatentDynamics.context).map { history.sliced(axis: 1, $0..<$0 + 1).squeezed(1) }
    let seen = Tensor.concatenated(states, axis: 2) / diffusion.dataDeviation
    var x = embedding(Tensor.concatenated([noisy * column(\.input), seen], axis: 2))
    let level = noise[1](noise[0](LatentDynamics.waves(coefficients.map { $0.noise * 100 })).silu())
    let condition = (level + past[1](past[0](seen.mean(axes: [1])).silu())).silu()
    let memory = memory(actions, batch: batch, dropped: dropped)
    if let tokenEmbedding { x = x + tokenEmbedding.value }
    var layers = [x]
    for block in blocks {
      x = block(x, condition: condition, memory: memory)
      layers.append(x)
    }
    let shifts = modulation(condition).split(axis: 1, [options.width, options.width])
    let last = x.layerNorm(scale: nil, bias: nil, epsilon: 1e-6)
      .modulated(scale: shifts[0] + 1, bias: shifts[1])
    let raw = head(last)
    return Look(denoised: noisy * column(\.skip) + raw * column(\.out), layers: layers, raw: raw)
  }

  private func memory(_ actions: Tensor?, batch: Int, dropped: [Bool]) -> Tensor {
    let null = nullAction.value.broadcast(to: [batch, 1, options.width])
    guard let actions else { return null }
    let known = action[1](action[0](actions).silu()).unsqueezed(1)
    guard dropped.contains(true) else { return known }
    let keep = Tensor(dropped.map { $0 ? 0 : 1 }, shape: [batch, 1, 1])
    return known * keep + null * (1 - keep)
  }

  /// Whether it predicts rewards.
  public var hasReward: Bool { !reward.isEmpty }

  /// The rewards that hidden tokens speak of, symlog: `[batch]`; nil without a reward head.
  public func symlogReward(_ hidden: Tensor) -> Tensor? {
    hasReward ? reward[1](reward[0](hidden.mean(axes: [1])).silu()).squeezed(1) : nil
  }

  /// The loss over one clip: EDM's, which is the mean squared error of the network's own output (its target is
  /// `(y - skip x) / out`), for each of `horizon` steps, the states after the first predicted ones without gradient.
  ///
  /// - Parameters:
  ///   - states: `[batch, context + horizon, tokens, numbers]`.
  ///   - actions: `[batch, horizon, actionWidth]`, those that led from one state to the next.
  ///   - rewards: `[batch, horizon]`.
  ///   - scale: one standard deviation of each number's change is `dataDeviation` times so much, `[numbers]`.
  public func loss(states: Tensor, actions: Tensor, rewards: Tensor, scale: Tensor, random: inout Random) -> PolicyLoss
  {
    let (batch, context) = (states.shape[0], LatentDynamics.context)
    func state(_ index: Int) -> Tensor { states.sliced(axis: 1, index..<index + 1).squeezed(1) }
    var history = (0..<context).map(state)
    var loss = Tensor(0)
    var rewardError = Tensor(0)
    let steps = states.shape[1] - context
    for step in 0..<steps {
      let isChange = options.target == .change
      let target = isChange ? (state(context + step) - history[context - 1]) / scale : state(context + step)
      let sigma = (0..<batch).map { _ in diffusion.level(random: &random) }
      let coefficients = sigma.map(diffusion.coefficients)
      func column(_ values: [Float]) -> Tensor { Tensor(values, shape: [batch, 1, 1]) }
      let noisy = target + Tensor.normal(target.shape, random: &random) * column(sigma)
      let dropped = (0..<batch).map { _ in Float(random.uniform()) < options.actionDrop }
      let look = look(
        noisy, sigma: sigma, history: Tensor.stacked(history, axis: 1),
        actions: actions.sliced(axis: 1, step..<step + 1).squeezed(1), hidden: dropped)
      let wanted = (target - noisy * column(coefficients.map(\.skip))) / column(coefficients.map(\.out))
      loss = loss + (look.raw - wanted).square().mean() / Float(steps)
      if let guess = symlogReward(look.hidden) {
        let wanted = LatentDynamics.symlog(rewards.sliced(axis: 1, step..<step + 1).squeezed(1))
        rewardError = rewardError + (guess - wanted).square().mean() / Float(steps)
      }
      let next = isChange ? history[context - 1] + look.denoised * scale : look.denoised
      history = Array(history.dropFirst()) + [next.detached]
    }
    return PolicyLoss(
      loss + rewardError * options.rewardWeight, metrics: ["dynamics": loss.detached, "reward": rewardError.detached])
  }

  /// What an action leads to.
  public struct Outcome {
    /// `[batch, tokens, numbers]`.
    public var state: Tensor
    /// `[batch]`, in recorded units, from the sampler's last look; nil without a reward head.
    public var reward: Tensor?
  }

  /// The next state and what it is worth.
  public func next(history: Tensor, actions: Tensor?, scale: Tensor, random: inout Random) -> Outcome {
    let shape = [history.shape[0]] + history.shape.dropFirst(2)
    var reward: Tensor?
    let change = diffusion.sample(shape, steps: options.steps, solver: options.solver, random: &random) { x, sigma in
      let look = look(x, sigma: Array(repeating: sigma, count: shape[0]), history: history, actions: actions)
      reward = symlogReward(look.hidden)
      return look.denoised
    }
    let last = LatentDynamics.context - 1
    return Outcome(
      state: options.target == .next ? change : history.sliced(axis: 1, last..<last + 1).squeezed(1) + change * scale,
      reward: reward.map(LatentDynamics.symexp))
  }

  /// The tokens before the first block and after each, in the first denoising step with the action unknown: `[batch, tokens,
  /// width]` each. The noise is always the same, so that the same history gives the same features.
  public func firstStepLayers(history: Tensor) -> [Tensor] {
    var random = Random(seed: 0).split("first denoising step")
    let one = Tensor.normal([1] + history.shape.dropFirst(2), random: &random) * diffusion.largest
    let shape = [history.shape[0]] + history.shape.dropFirst(2)
    return look(
      one.broadcast(to: shape), sigma: Array(repeating: diffusion.largest, count: shape[0]), history: history,
      actions: nil
    ).layers
  }

  /// `sign(x) log(1 + |x|)`: rewards of any size as moderate numbers (Hafner et al. 2023).
  public static func symlog(_ x: Tensor) -> Tensor {
    Tensor(x.scalars.map { ($0 < 0 ? -1 : 1) * log1p(Swift.abs($0)) }, shape: x.shape)
  }

  /// Undoes `symlog`.
  public static func symexp(_ x: Tensor) -> Tensor {
    Tensor(x.scalars.map { ($0 < 0 ? -1 : 1) * expm1(Swift.abs($0)) }, shape: x.shape)
  }
}
