import Foundation
import Imitation
import Layers
import Tensors

/// Packs a set of Gaussians into a few latent tokens and back: GWM's 3D VAE (Lu et al. 2025, section 3.2), which is a
/// set-to-latent autoencoder after 3DShape2VecSet (Zhang et al. 2023).
///
/// Points chosen by farthest point sampling are the queries of a cross-attention over all points, each a token; a KL
/// bottleneck narrows it; self-attention decodes the tokens alone, each into several Gaussians. Nothing of the input reaches
/// the decoder but the latents.
///
/// It starts as a plain local codec and learns what that leaves out. Each head of the cross-attention looks at one place
/// beside its anchor (a bias on its scores); the latents begin as the anchor's place and the mean color and depth at each of
/// those, the decoded Gaussians lie there and have them, and all other layers add to that, zero at first. From random weights
/// the same network finds the colors of a scene's parts only after thousands of steps.
public struct GaussianVAE: Module {
  /// Which points stand for a set of Gaussians.
  public enum Sampling: String, CaseIterable, SettingValue {
    /// The means of squares of neighboring pixels: the same squares at every time step, so that points move as things do.
    case grid
    /// The farthest from each other, chosen afresh at every time step.
    case farthest
  }

  /// What a recipe may set.
  public struct Options: PluginOptions {
    @Key("Points that it looks at.", 1...65_536) public var points = 1024
    @Key("Which points: means of squares of neighboring pixels, or the farthest from each other.")
    public var sampling = Sampling.grid
    @Key(
      "Latent tokens; at most points. Those of the points that are farthest from each other are the anchors.", 1...8192)
    public var tokens = 64
    @Key("Width of a latent token.", 1...4096) public var latent = 72
    @Key("Width of the tokens inside.", 1...8192) public var width = 128
    @Key("Attention heads; they divide the width.", 1...256) public var heads = 16
    @Key("Blocks of the encoder.", 1...64) public var encoderLayers = 1
    @Key("Blocks of the decoder.", 1...64) public var decoderLayers = 3
    @Key("Gaussians that a token decodes to.", 1...256) public var perToken = 16
    @Key("Weight of the Kullback-Leibler divergence.", 0...) public var klWeight: Float = 1e-4
    @Key("Weight of the Chamfer distance of the centers.", 0...) public var chamferWeight: Float = 1
    @Key("Weight of the L1 error of the images.", 0...) public var imageWeight: Float = 1
    @Key("Weight of the L1 error of each decoded Gaussian's color from the nearest point's.", 0...)
    public var colorWeight: Float = 0.2
    @Key(
      "Weight of how much latents change from one time step to the next, relative to how much they differ at all.", 0...
    )
    public var consistencyWeight: Float = 0.1

    public init() {}

    public func validate() throws {
      try $tokens.refuse(unless: tokens <= points, "must be at most points (\(points))")
      try $heads.refuse(unless: width % heads == 0, "must divide the width (\(width))")
    }
  }

  /// Cross-attention to the points, and a layer of its own.
  struct EncoderBlock: Module {
    let queryNorm, memoryNorm, mlpNorm: LayerNorm
    let attention: MultiHeadAttention
    let expand, contract: Linear

    init(width: Int, heads: Int, random: inout Random) {
      queryNorm = LayerNorm(width)
      memoryNorm = LayerNorm(width)
      mlpNorm = LayerNorm(width)
      attention = MultiHeadAttention(width: width, heads: heads, random: &random)
      expand = Linear(inputs: width, outputs: 4 * width, random: &random)
      contract = Linear(inputs: 4 * width, outputs: width, random: &random)
    }

    func callAsFunction(_ queries: Tensor, memory: Tensor, bias: Tensor) -> Tensor {
      let x = queries + attention(queryNorm(queries), memory: memoryNorm(memory), mask: bias)
      return x + contract(expand(mlpNorm(x)).gelu())
    }
  }

  private static let octaves = 8

  /// What it was made with.
  public let options: Options
  /// The middle of the scenes, how far they reach, and how far anchors are from each other, meters: `[5]`, found before
  /// training.
  let placement: Buffer
  let embedding: Linear
  let encoder: [EncoderBlock]
  let latentNorm: LayerNorm
  let mean, logVariance: Linear
  let expansion: Linear
  let decoder: [TransformerBlock]
  let norm: LayerNorm
  let anchor, head: Linear
  /// The skip connections around the encoder's and the decoder's blocks.
  let localShortcut, anchorShortcut, headShortcut: Linear

  /// Draws the first weights.
  public init(options: Options, random: inout Random) {
    self.options = options
    placement = Buffer(Tensor([0, 0, 1, 1, 0.2], shape: [5]))
    let width = options.width
    embedding = Linear(inputs: 6 * GaussianVAE.octaves + Gaussians.width, outputs: width, random: &random)
    encoder = (0..<options.encoderLayers).map { _ in
      EncoderBlock(width: width, heads: options.heads, random: &random)
    }
    latentNorm = LayerNorm(width)
    mean = Linear(inputs: width, outputs: options.latent, initialization: .zero, random: &random)
    logVariance = Linear(inputs: width, outputs: options.latent, initialization: .zero, random: &random)
    expansion = Linear(inputs: options.latent, outputs: width, random: &random)
    decoder = (0..<options.decoderLayers).map { _ in
      TransformerBlock(
        width: width, heads: max(1, width / 32), attentionDropout: 0, dropout: 0, initialization: .torch,
        random: &random)
    }
    norm = LayerNorm(width)
    anchor = Linear(inputs: width, outputs: 3, initialization: .zero, random: &random)
    head = Linear(
      inputs: width, outputs: options.perToken * Gaussians.width, initialization: .zero, random: &random)
    localShortcut = Linear(
      inputs: 3 + 6 * options.heads, outputs: options.latent, bias: false, initialization: .zero, random: &random)
    anchorShortcut = Linear(
      inputs: options.latent, outputs: 3, bias: false, initialization: .zero, random: &random)
    headShortcut = Linear(
      inputs: options.latent, outputs: options.perToken * Gaussians.width, bias: false, initialization: .zero,
      random: &random)
    startAsLocalCodec()
  }

  /// Sets where the scenes are: the mean of the centers, twice their standard deviation, and the mean distance of an anchor
  /// to the next.
  public func place(over points: Gaussians) {
    let means = points.means.detached
    let middle = means.mean(axes: [0, 1])
    let spread = (means - middle).square().mean().sqrt() * 2
    let anchors = anchors(of: points).means.detached
    let between = (anchors.unsqueezed(1) - anchors.unsqueezed(2)).square().sum(axes: [3])
    // An anchor is no neighbor of itself.
    let others =
      between
      + Tensor(
        (0..<options.tokens * options.tokens).map { $0 % (options.tokens + 1) == 0 ? 1e6 : 0 },
        shape: [1, options.tokens, options.tokens])
    let spacing = options.tokens > 1 ? (-(-others).maximum(axis: 2)).sqrt().mean() : spread * 0.2
    placement.value = Tensor.concatenated([middle, spread.reshaped([1]), spacing.reshaped([1])], axis: 0)
  }

  var middle: Tensor { placement.value.sliced(axis: 0, 0..<3) }
  var reach: Tensor { placement.value.sliced(axis: 0, 3..<4) }
  /// How much around an anchor is its own, meters.
  var own: Float { placement.value.scalars[4] * 0.7 }

  /// The Gaussians that stand for a set, the farthest from each other in the order they are found.
  public func points(of set: Gaussians) -> Gaussians {
    set.chosen(set.means.farthestPoints(min(set.count, options.points)))
  }

  /// The anchors of points, those farthest from each other, `[batch, tokens, 14]`.
  public func anchors(of points: Gaussians) -> Gaussians {
    points.chosen(points.means.farthestPoints(options.tokens))
  }

  /// Fourier features of the centers and all fourteen numbers, standardized: `[batch, count, width]`.
  private func embed(_ set: Gaussians) -> Tensor {
    let places = (set.means - middle) / reach
    // Each octave is half as loud as the one before: all equally loud, the fine ones drown places and colors.
    func waves(_ wave: (Tensor) -> Tensor) -> [Tensor] {
      (0..<GaussianVAE.octaves).map { wave(places * (Float(1 << $0) * .pi)) / Float(1 << $0) }
    }
    let length = (set.rotations.square().sum(axes: [2], keepingDimensions: true) + 1e-12).sqrt()
    return embedding(
      Tensor.concatenated(
        waves { $0.sin() } + waves { $0.cos() } + [
          places, set.scales.maximum(Tensor(1e-6)).log() * 0.5 + 2, set.rotations / length, set.colors, set.opacities,
        ], axis: 2))
  }

  /// `[batch, tokens, latent]` each.
  ///
  /// - Parameters:
  ///   - points: what is looked at, see `points(of:)`.
  ///   - anchors: `[batch, tokens]` Gaussians that tokens stand for; those of the first moment of a clip stay for all of it,
  ///     so that a token means the same place over time.
  public func encode(_ points: Gaussians, anchors: Gaussians) -> (mean: Tensor, logVariance: Tensor) {
    let memory = embed(points)
    let bias = bias(anchors: anchors.means.detached, points: points.means.detached)
    let x = latentNorm(encoder.reduce(embed(anchors)) { $1($0, memory: memory, bias: bias) })
    // It starts with little noise: from unit variance, means take thousands of steps to rise above it.
    let local = local(anchors: anchors.means.detached, points: points, bias: bias)
    return (mean(x) + localShortcut(local), (logVariance(x) - 8).clamped(to: -30...20))
  }

  /// `[batch, tokens * perToken]` Gaussians.
  public func decode(_ latents: Tensor) -> Gaussians {
    let x = norm(decoder.reduce(expansion(latents)) { $1($0) })
    let (batch, tokens) = (x.shape[0], x.shape[1])
    let raw = (head(x) + headShortcut(latents)).reshaped([batch, tokens, options.perToken, Gaussians.width])
    func part(_ range: Range<Int>) -> Tensor { raw.sliced(axis: 3, range) }
    let around = GaussianVAE.disc(options.perToken).flatMap { place -> [Float] in [place.x, place.y, 0] }
    let offsets = (part(0..<3) + Tensor(around, shape: [1, 1, options.perToken, 3])) * own
    let values = Tensor.concatenated(
      [
        (anchor(x) + anchorShortcut(latents)).unsqueezed(2) * reach + middle + offsets,
        // As wide as its share of the neighborhood at first.
        part(3..<6).clamped(to: -5...4).exp() * (own / Float(options.perToken).squareRoot() * 0.6),
        part(6..<10) + PixelRays.upright.unsqueezed(1), part(10..<13), (part(13..<14) + 1).sigmoid(),
      ], axis: 3)
    return Gaussians(values.reshaped([batch, tokens * options.perToken, Gaussians.width]))
  }

  /// - Parameters:
  ///   - points: `[batch, points]` Gaussians; where `isPaired`, the second half of the batch shows what followed one moment after
  ///     the first half.
  ///   - anchors: `[batch, tokens]` Gaussians, those of a pair the same.
  ///   - images: `[batch, height, width, 3]` what the first camera saw.
  ///   - views: where it stood.
  ///   - noise: `[batch, tokens, latent]` standard normal; nil for the means themselves.
  public func loss(
    _ points: Gaussians, anchors: Gaussians, images: Tensor, views: [SplattingView], isPaired: Bool = false,
    noise: Tensor?
  ) -> PolicyLoss {
    let (mean, logVariance) = encode(points, anchors: anchors)
    let latents = noise.map { mean + (logVariance * 0.5).exp() * $0 } ?? mean
    let decoded = decode(latents)
    let divergence = (mean.square() + logVariance.exp() - logVariance - 1).mean() * 0.5
    let chamfer = ((decoded.means - middle) / reach).chamferDistance(to: (points.means - middle) / reach).mean()
    let imageLoss = (decoded.rendered(from: views).sliced(axis: 3, 0..<3) - images).abs().mean()
    let near = points.chosen(decoded.means.detached.nearest(in: points.means)).colors
    let color = (decoded.colors - near).abs().mean() * Gaussians.harmonic
    var loss =
      color * options.colorWeight + imageLoss * options.imageWeight + chamfer * options.chamferWeight + divergence
      * options.klWeight
    var metrics = [
      "image": imageLoss.detached, "chamfer": chamfer.detached, "color": color.detached, "kl": divergence.detached,
    ]
    if isPaired {
      let motionScore = GaussianVAE.motionScore(mean)
      loss = loss + motionScore * options.consistencyWeight
      metrics["motion"] = motionScore.detached
    }
    return PolicyLoss(loss, metrics: metrics)
  }

  /// The mean over the numbers of a token of the squared change between the halves of a batch over the variance in it.
  package static func motionScore(_ latents: Tensor) -> Tensor {
    let half = latents.shape[0] / 2
    let change = latents.sliced(axis: 0, half..<2 * half) - latents.sliced(axis: 0, 0..<half)
    let variance = (latents - latents.mean(axes: [0, 1])).square().mean(axes: [0, 1])
    return (change.square().mean(axes: [0, 1]) / (variance + 1e-6)).mean()
  }
}
