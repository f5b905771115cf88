import Imitation
import Layers
import Tensors

/// A network that says how noisy actions should change, given what is seen.
public protocol DenoisingNetwork: Module {
  /// What a recipe may set of it.
  associatedtype Options: PluginOptions
  /// The word a recipe uses for the policy around it.
  static var name: String { get }
  /// What the policy is, in one line.
  static var help: String { get }
  /// - Parameters:
  ///   - horizon: actions of a window.
  ///   - context: frames it is conditioned on, of `features` numbers each.
  /// - Throws: when the options do not fit the horizon.
  init(
    options: Options, horizon: Int, context: Int, features: Int, actionWidth: Int, random: inout Random) throws
  /// - Parameters:
  ///   - input: noisy actions, `[batch, horizon, actionWidth]`.
  ///   - step: the diffusion step of each item.
  ///   - observations: `[batch, context, features]`.
  /// - Returns: the input's shape.
  func callAsFunction(_ input: Tensor, step: [Float], observations: Tensor) -> Tensor
  /// The names of parameters that weight decay leaves alone.
  var noWeightDecay: Set<String> { get }
}

/// Diffusion Policy (Chi et al. 2023): actions of a window are drawn by denoising, conditioned on the last few frames.
///
/// The window starts at the oldest frame: with 2 frames and a horizon of 16 it is actions -1...14, those from 0 on for acting.
public struct DiffusionPolicy<Network: DenoisingNetwork>: Policy {
  public struct Options: PluginOptions {
    public var diffusion = DiffusionOptions()
    public var network = Network.Options()

    public init() {}
  }

  public static var name: String { Network.name }
  public static var help: String { Network.help }

  public let encoder: any ObservationEncoder
  /// What predicts.
  public let network: Network
  private let options: DiffusionOptions
  private let sampler: DiffusionSampler
  private let actionWidth: Int

  public init(options: Options, encoder: any ObservationEncoder, actionWidth: Int, random: inout Random) throws {
    self.encoder = encoder
    self.options = options.diffusion
    self.actionWidth = actionWidth
    sampler = options.diffusion.makeSampler()
    network = try Network(
      options: options.network, horizon: options.diffusion.horizon, context: options.diffusion.context,
      features: encoder.featureCount, actionWidth: actionWidth, random: &random)
  }

  public var window: Window {
    Window(
      observations: (1 - options.context)...0, actions: (1 - options.context)...(options.horizon - options.context))
  }

  public var noWeightDecay: Set<String> { Set(network.noWeightDecay.map { "network.\($0)" }) }

  /// Clipping would cut off, silently, what lies outside.
  public var reach: ClosedRange<Float>? { options.clipSample ? -1...1 : nil }

  public func loss(on batch: Batch) -> PolicyLoss {
    // Each window as often as it is learned, draws of one side by side.
    let rows = (0..<batch.observations.count * options.noiseDraws).map { $0 / options.noiseDraws }
    func repeated(_ tensor: Tensor) -> Tensor { options.noiseDraws == 1 ? tensor : tensor.gathered(rows) }
    let (clean, schedule) = (repeated(batch.actions), sampler.schedule)
    // Without a tape this is validation: always the same noise, so that its numbers compare.
    func draw(_ random: inout Random) -> (noise: Tensor, steps: [Int]) {
      let steps = rows.map { _ in random.below(schedule.steps) }
      return (.normal(clean.shape, random: &random), steps)
    }
    var fixed = Random(seed: 0).split("validation noise")
    let (noise, steps) = Phase.withRandom(draw) ?? draw(&fixed)
    let output = network(
      schedule.noised(clean, noise: noise, steps: steps), step: steps.map(Float.init),
      observations: repeated(encoder(batch.observations).pooled))
    let error = (output - schedule.target(options.prediction, clean: clean, noise: noise, steps: steps)).square()
    guard options.maskPadding else { return PolicyLoss(error.mean()) }
    let mask = repeated(batch.mask)
    return PolicyLoss((error.mean(axes: [2]) * mask).sum() / mask.sum())
  }

  public func actions(for observations: ObservationBatch, randoms: inout [Random]) -> Tensor {
    drawn(observations, continuing: [], &randoms)
  }

  /// By in-painting, which takes no other network.
  public var continuesChunks: Bool { true }

  public func actions(
    for observations: ObservationBatch, randoms: inout [Random], continuing prefixes: [[[Float]]]
  ) throws -> Tensor {
    let predicted = options.horizon - options.context + 1
    for prefix in prefixes where prefix.count >= predicted {
      throw PolicyError.prefix(prefix.count, predicted: predicted)
    }
    return drawn(observations, continuing: prefixes, &randoms)
  }

  private func drawn(
    _ observations: ObservationBatch, continuing prefixes: [[[Float]]], _ randoms: inout [Random]
  ) -> Tensor {
    Device.repeated("prediction") {
      let features = encoder(observations).pooled
      let (horizon, present) = (options.horizon, options.context - 1)
      let window = sampler.sample(
        [horizon, actionWidth], continuing: prefixes, from: present, randoms: &randoms
      ) { x, step in
        network(x, step: Array(repeating: Float(step), count: x.shape[0]), observations: features)
      }
      return window.sliced(axis: 1, present..<horizon)
    }
  }

  public var sampling: Setting {
    Setting(entries: sampler.settings + [("first_action", (options.context - 1).setting)])
  }

  /// One denoising step: what the network says of noisy actions, normalized, at a diffusion step.
  public func head(_ features: Features, _ inputs: inout HeadInputs) -> [HeadOutput]? {
    let noisy = inputs.tensor("noisy_actions", [options.horizon, actionWidth])
    let step = inputs.wholeNumbers("step", below: options.timesteps)
    return [HeadOutput("prediction", network(noisy, step: step, observations: features.pooled), .plain)]
  }
}

/// Diffusion Policy with the convolutional network: `{kind: diffusion-unet}`.
public typealias DiffusionUnet = DiffusionPolicy<ConditionalUnet1D>
/// Diffusion Policy with the transformer: `{kind: diffusion-transformer}`.
public typealias DiffusionTransformer = DiffusionPolicy<TransformerForDiffusion>
