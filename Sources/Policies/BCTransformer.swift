import Imitation
import Layers
import Tensors

/// RoboCasa's BC-Transformer: a few frames of features through a GPT-style trunk to a mixture of Gaussians over the next
/// actions (robomimic, `BC_Transformer_GMM` with RoboCasa's constants).
///
/// With `horizon` equal to `context` every frame's token predicts one action: the present one and the next ones, as the original
/// does with `pred_future_acs`, or each that of its own frame (`pred_future_actions: false`, as stock robomimic), and the last one
/// is acted by. With another `horizon`, learned query tokens follow the frames and predict the actions; that is ours, for
/// machines that cannot afford ten frames of history.
public struct BCTransformer: Policy {
  public struct Options: PluginOptions {
    @Key("Frames of history.", 1...1000) public var context = 10
    @Key("Actions predicted.", 1...1000) public var horizon = 10
    @Key("Width of the tokens.", 1...16_384) public var width = 512
    @Key("Transformer blocks.", 1...200) public var layers = 6
    @Key("Attention heads; they divide the width.", 1...256) public var heads = 8
    @Key("Dropout of embeddings, attention and block outputs.", 0..<1) public var dropout: Float = 0.1
    @Key("Whether a frame may not attend to later ones; needs horizon equal to context.") public var causal = false
    @Key(
      "Whether tokens predict the present action and the next ones (pred_future_acs). If not, each predicts its own frame's, and the last one is acted by; needs horizon equal to context."
    )
    public var predFutureActions = true
    @Key("A mixture of Gaussians learned by its likelihood, or tanh and squared error.") public var head = Head.gmm
    @Key("Components of the mixture.", 1...100) public var modes = 5
    @Key("Added to every predicted standard deviation.", .above(0)) public var minStd: Float = 0.005
    @Key("The component to act by: drawn by its weight, as the original does, or the heaviest.")
    public var mode = Mode.sample
    @Key("Standard deviation while acting (low_noise_eval).", 0...) public var lowNoiseStd: Float = 1e-4
    @Key("Leave actions that repeat an episode's last one out of the loss; the original learns them.")
    public var maskPadding = false
    @Key("Keep only each block's input for the backward pass: less memory, one more pass through the blocks.")
    public var recompute = false

    @Key("What of an encoder it sees: its pooled features, or its tokens, which it attends to.")
    public var observe = Observe.pooled
    @Key("Queries that attend to the tokens, each on its own.", 1...1024) public var observeQueries = 4
    @Key("Blocks of attention to the tokens.", 1...64) public var observeLayers = 2
    @Key(
      "Numbers of each token that are read in the tokens' order, too, beside the pooled features; 0 for none. For tokens that always stand for the same, as with a world model's fixed anchors.",
      0...1024)
    public var observeFlatten = 0

    public enum Observe: String, CaseIterable, SettingValue { case pooled, tokens }
    public enum Head: String, CaseIterable, SettingValue { case gmm, deterministic }
    public enum Mode: String, CaseIterable, SettingValue { case sample, best }

    public init() {}

    public func validate() throws {
      try $heads.refuse(unless: width % heads == 0, "must divide the width (\(width))")
      try $causal.refuse(unless: !causal || horizon == context, "needs horizon equal to context")
      try $predFutureActions.refuse(
        unless: predFutureActions || horizon == context, "may be false only with horizon equal to context")
    }
  }

  public static let name = "bc-transformer"
  public static let help = "RoboCasa's BC-Transformer: frames to a mixture of Gaussians over the next actions."

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
      guard let tokens = encoder.layout.tokens else { throw PolicyError.noTokens(encoder: type(of: encoder).name) }
      guard options.observeFlatten == 0 || tokens.count != nil else {
        throw PolicyError.tokensWithoutOrder(encoder: type(of: encoder).name)
      }
      reader = TokenReader(
        encoder.layout, queries: options.observeQueries, width: options.width, heads: options.heads,
        layers: options.observeLayers, dropout: options.dropout, flatten: options.observeFlatten, random: &random)
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

  /// Means go through a tanh.
  public var reach: ClosedRange<Float>? { -1...1 }

  /// Whether a token attends to none after it.
  package var isCausal: Bool { options.causal }

  public var window: Window {
    Window(
      observations: (1 - options.context)...0,
      actions: options.predFutureActions ? 0...(options.horizon - 1) : (1 - options.context)...0)
  }

  /// The tokens whose actions are not past: `[batch, actions, width]`.
  private func acting(_ tokens: Tensor) -> Tensor {
    options.predFutureActions ? tokens : tokens.sliced(axis: 1, options.horizon - 1..<options.horizon)
  }

  /// One token for each predicted action: `[batch, horizon, width]`.
  func tokens(_ features: Features) -> Tensor {
    let batch = features.pooled.shape[0]
    let frames = embedding(reader?(features) ?? features.pooled) + positions.value
    let rows =
      queries.map { queries in
        Tensor.concatenated(
          [frames, queries.value.broadcast(to: [batch, options.horizon, options.width])], axis: 1)
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
    let tokens = tokens(encoder(batch.observations))
    let each: Tensor  // [batch, horizon]
    if let deviations, let logits {
      let mixture = GaussianMixture(
        means: means(tokens).tanh(), deviations: deviations(tokens).softplus() + options.minStd,
        logits: logits(tokens), modes: options.modes)
      each = -mixture.logProbability(of: batch.actions)
    } else {
      each = (means(tokens).tanh() - batch.actions).square().mean(axes: [2])
    }
    guard options.maskPadding else { return PolicyLoss(each.mean()) }
    return PolicyLoss((each * batch.mask).sum() / batch.mask.sum())
  }

  public func actions(for observations: ObservationBatch, randoms: inout [Random]) -> Tensor {
    let (mixture, actions) = Device.repeated("prediction") {
      let tokens = acting(tokens(encoder(observations)))
      let mixture = lowNoise(tokens)
      return (mixture, mixture?.means ?? means(tokens).tanh())
    }
    guard let mixture else { return actions }
    return mixture.sample(best: options.mode == .best, randoms: &randoms)
  }

  /// What it acts by; nil without a mixture.
  private func lowNoise(_ tokens: Tensor) -> GaussianMixture? {
    logits.map {
      GaussianMixture(
        means: means(tokens).tanh(), deviations: Tensor(options.lowNoiseStd), logits: $0(tokens), modes: options.modes)
    }
  }

  public var sampling: Setting {
    guard logits != nil else { return Setting(entries: [("kind", "none".setting)]) }
    return Setting(entries: [
      ("kind", "mixture".setting), ("mode", options.mode.setting), ("std", options.lowNoiseStd.setting),
    ])
  }

  /// The heaviest component's actions, and all components: means, the standard deviations that training learned and weights.
  public func head(_ features: Features, _ inputs: inout HeadInputs) -> [HeadOutput]? {
    let tokens = acting(tokens(features))
    guard let mixture = lowNoise(tokens), let deviations else {
      return [HeadOutput("actions", means(tokens).tanh(), .action)]
    }
    let weights = mixture.logits.softmax()
    let spread = (deviations(tokens).softplus() + options.minStd).reshaped(mixture.means.shape)
    return [
      HeadOutput("actions", mixture.means.rows(atLargest: weights), .action),
      HeadOutput("means", mixture.means, .action), HeadOutput("deviations", spread, .deviation),
      HeadOutput("weights", weights, .plain),
    ]
  }
}
