import Imitation
import Layers
import Tensors

/// RoboCasa's BC-Transformer: a few frames of features through a GPT-style trunk to a mixture of Gaussians over the next
/// actions (robomimic, `BC_Transformer_GMM` with RoboCasa's constants).
///
/// With `horizon` equal to `context` every frame's token predicts one future action, as the original does with
/// `pred_future_acs`. With another `horizon`, learned query tokens follow the frames and predict the actions; that is ours,
/// for machines that cannot afford ten frames of history.
public struct BCTransformer: Policy {
  public struct Options: Codable, Sendable {
    /// Frames of history.
    public var context: Int
    /// Actions predicted.
    public var horizon: Int
    public var width: Int
    public var layers: Int
    public var heads: Int
    /// Of embeddings, attention and block outputs alike.
    public var dropout: Float
    /// Whether a frame may not attend to later ones. Only without query tokens.
    public var causal: Bool
    /// `gmm`, or `deterministic`: tanh and squared error.
    public var head: Head
    public var modes: Int
    /// Added to every predicted standard deviation.
    public var minimumDeviation: Float
    /// The mixture component to act by: drawn by its weight, as the original does, or the heaviest.
    public var mode: Mode
    /// The standard deviation while acting (`low_noise_eval`).
    public var actingDeviation: Float
    /// Leave actions that repeat an episode's last one out of the loss; the original learns them.
    public var maskPadding: Bool
    /// Keep only each block's input for the way back and work the block out again: less memory, a quarter more time.
    public var recompute: Bool

    /// What of an encoder it sees: a row for each frame, or tokens that it attends to.
    public var observe: Observe
    /// Blocks of attention to the tokens.
    public var observeLayers: Int

    public enum Observe: String, Codable, Sendable { case pooled, tokens }
    public enum Head: String, Codable, Sendable { case gmm, deterministic }
    public enum Mode: String, Codable, Sendable { case sample, best }

    enum CodingKeys: String, CodingKey, CaseIterable {
      case context, horizon, width, layers, heads, dropout, causal, head, modes, mode, recompute, observe
      case observeLayers = "observe_layers"
      case minimumDeviation = "minimum_deviation"
      case actingDeviation = "acting_deviation"
      case maskPadding = "mask_padding"
    }

    public init(from decoder: any Decoder) throws {
      let keys = try decoder.container(keyedBy: CodingKeys.self)
      context = try keys.decodeIfPresent(Int.self, forKey: .context) ?? 10
      horizon = try keys.decodeIfPresent(Int.self, forKey: .horizon) ?? 10
      width = try keys.decodeIfPresent(Int.self, forKey: .width) ?? 512
      layers = try keys.decodeIfPresent(Int.self, forKey: .layers) ?? 6
      heads = try keys.decodeIfPresent(Int.self, forKey: .heads) ?? 8
      dropout = try keys.decodeIfPresent(Float.self, forKey: .dropout) ?? 0.1
      causal = try keys.decodeIfPresent(Bool.self, forKey: .causal) ?? false
      head = try keys.decodeIfPresent(Head.self, forKey: .head) ?? .gmm
      modes = try keys.decodeIfPresent(Int.self, forKey: .modes) ?? 5
      minimumDeviation = try keys.decodeIfPresent(Float.self, forKey: .minimumDeviation) ?? 0.005
      mode = try keys.decodeIfPresent(Mode.self, forKey: .mode) ?? .sample
      actingDeviation = try keys.decodeIfPresent(Float.self, forKey: .actingDeviation) ?? 1e-4
      maskPadding = try keys.decodeIfPresent(Bool.self, forKey: .maskPadding) ?? false
      recompute = try keys.decodeIfPresent(Bool.self, forKey: .recompute) ?? false
      observe = try keys.decodeIfPresent(Observe.self, forKey: .observe) ?? .pooled
      observeLayers = try keys.decodeIfPresent(Int.self, forKey: .observeLayers) ?? 2
      for (key, value, limit) in [
        (CodingKeys.context, context, 1000), (.horizon, horizon, 1000), (.width, width, 16_384), (.layers, layers, 200),
        (.heads, heads, 256), (.modes, modes, 100), (.observeLayers, observeLayers, 64),
      ] { try keys.refuse(key, unless: (1...limit).contains(value), "must be from 1 to \(limit)") }
      try keys.refuse(.heads, unless: width % heads == 0, "must divide the width (\(width))")
      try keys.refuse(.dropout, unless: (0..<1).contains(dropout), "must be from 0 to below 1")
      try keys.refuse(.minimumDeviation, unless: minimumDeviation > 0, "must be above 0")
      try keys.refuse(.actingDeviation, unless: actingDeviation >= 0, "must be 0 or more")
      try keys.refuse(.causal, unless: !causal || horizon == context, "needs horizon equal to context")
    }
  }

  public static let name = "bc-transformer"

  public let encoder: any ObservationEncoder
  /// Nil where the pooled features are embedded as they are.
  let reader: TokenReader?
  let embedding: Linear
  /// `[1, context, width]`, zero at first.
  let positions: Parameter
  /// `[1, horizon, width]`: the query tokens, when horizon and context differ.
  let queries: Parameter?
  let embeddingNorm: LayerNorm
  let blocks: [TransformerBlock]
  let norm: LayerNorm
  let means: Linear
  let deviations: Linear?
  let logits: Linear?
  private let options: Options
  private let actionWidth: Int

  public init(options: Options, encoder: any ObservationEncoder, actionWidth: Int, random: inout Random) throws {
    self.options = options
    self.encoder = encoder
    self.actionWidth = actionWidth
    if options.observe == .tokens {
      guard encoder.layout.tokens != nil else { throw PolicyError.noTokens(encoder: type(of: encoder).name) }
      reader = TokenReader(
        encoder.layout, width: options.width, heads: options.heads, layers: options.observeLayers,
        dropout: options.dropout, random: &random)
    } else {
      reader = nil
    }
    embedding = Linear(
      inputs: reader == nil ? encoder.featureCount : options.width, outputs: options.width, random: &random)
    positions = Parameter(.zeros([1, options.context, options.width]))
    queries =
      options.horizon == options.context
      ? nil : Parameter(.normal([1, options.horizon, options.width], deviation: 0.02, random: &random))
    embeddingNorm = LayerNorm(options.width)
    blocks = (0..<options.layers).map { _ in
      TransformerBlock(
        width: options.width, heads: options.heads, attentionDropout: options.dropout, dropout: options.dropout,
        random: &random)
    }
    norm = LayerNorm(options.width)
    let modes = options.head == .gmm ? options.modes : 1
    means = Linear(inputs: options.width, outputs: modes * actionWidth, random: &random)
    let isMixture = options.head == .gmm
    deviations = isMixture ? Linear(inputs: options.width, outputs: modes * actionWidth, random: &random) : nil
    logits = isMixture ? Linear(inputs: options.width, outputs: modes, random: &random) : nil
  }

  public static func wantsTokens(_ options: Options) -> Bool { options.observe == .tokens }

  /// Whether a token attends to none after it.
  package var isCausal: Bool { options.causal }

  public var window: Window {
    Window(observations: (1 - options.context)...0, actions: 0...(options.horizon - 1))
  }

  /// One token for each predicted action: `[batch, horizon, width]`.
  func tokens(_ observations: ObservationBatch) -> Tensor {
    let features = encoder(observations)
    let frames = embedding(reader?(features) ?? features.pooled) + positions.value
    let rows =
      queries.map { queries in
        Tensor.concatenated(
          [frames, queries.value.broadcast(to: [observations.count, options.horizon, options.width])], axis: 1)
      } ?? frames
    var x = embeddingNorm(rows).dropout(options.dropout)
    let mask = options.causal ? MultiHeadAttention.causalMask(options.context) : nil
    for block in blocks {
      x = options.recompute ? recomputed(x) { block($0, mask: mask) } : block(x, mask: mask)
    }
    x = norm(x)
    return queries == nil ? x : x.sliced(axis: 1, options.context..<options.context + options.horizon)
  }

  public func loss(on batch: Batch) -> PolicyLoss {
    let tokens = tokens(batch.observations)
    let each: Tensor  // [batch, horizon]
    if let deviations, let logits {
      let mixture = GaussianMixture(
        means: means(tokens).tanh(), deviations: deviations(tokens).softplus() + options.minimumDeviation,
        logits: logits(tokens), modes: options.modes)
      each = -mixture.logProbability(of: batch.actions)
    } else {
      each = (means(tokens).tanh() - batch.actions).square().mean(axes: [2])
    }
    guard options.maskPadding else { return PolicyLoss(each.mean()) }
    return PolicyLoss((each * batch.mask).sum() / batch.mask.sum())
  }

  public func actions(for observations: ObservationBatch, randoms: inout [Random]) -> Tensor {
    let tokens = tokens(observations)
    guard let logits else { return means(tokens).tanh() }
    let mixture = GaussianMixture(
      means: means(tokens).tanh(), deviations: Tensor(options.actingDeviation), logits: logits(tokens),
      modes: options.modes)
    return mixture.sample(best: options.mode == .best, randoms: &randoms)
  }
}
