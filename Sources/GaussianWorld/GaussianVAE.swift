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
///
/// Anchors are chosen afresh from the points of a reference frame, or once from the training frames (`anchors: fixed`): then a
/// token always stands for the same place, and what it says of it is a linear function of what lies there. Some of those places
/// can go with the gripper (`around_gripper`): what is about to be grasped is then seen as closely as a hand camera sees it.
public struct GaussianVAE: StateCodec {
  public static let name = "vae"
  public static let help = "A set-to-latent autoencoder: Gaussians to latent tokens and back."

  /// Which places tokens stand for.
  public enum Anchors: String, CaseIterable, SettingValue {
    /// The points of a reference frame that are farthest from each other.
    case farthest
    /// Places chosen once from all training frames: half of them near where the gripper went where that is known.
    case fixed
  }

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
    @Key("Which places the tokens stand for: the farthest points of a reference frame, or places found once.")
    public var anchors = Anchors.farthest
    @Key(
      "With fixed anchors, the box that most tokens share, meters in the frame of the Gaussians: x, y and z of one corner, then of the other; found from where the gripper went when left out.",
      KeyRule<[Float]>.box)
    public var workspace: [Float]?
    @Key("How far around where the gripper went the box reaches, meters.", 0...10) public var margin: Float = 0.3
    @Key("With fixed anchors, tokens for what lies outside of the box; fewer than tokens.", 0...8192)
    public var outside = 1
    @Key(
      "With fixed anchors, tokens for places around the gripper, which go with it; they need world.gripper. Fewer than tokens without those of outside.",
      0...8192)
    public var aroundGripper = 0
    @Key("How far from the gripper those places are at most, meters.", .above(0, upTo: 10))
    public var gripperReach: Float = 0.12
    @Key("Width of a latent token.", 1...4096) public var latent = 72
    @Key("Width of the tokens inside.", 1...8192) public var width = 128
    @Key("Attention heads; they divide the width.", 1...256) public var heads = 16
    @Key(
      "How many of the heads look at a wide neighborhood of their anchor: how much lies in it, of which color, and where; fewer than heads.",
      0...255)
    public var wideHeads = 0
    @Key("How far a wide neighborhood reaches, meters.", .above(0, upTo: 10)) public var wideReach: Float = 0.1
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
      try $outside.refuse(unless: anchors != .fixed || outside < tokens, "must be fewer than tokens (\(tokens))")
      try $aroundGripper.refuse(unless: anchors == .fixed || aroundGripper == 0, "needs anchors: fixed")
      try $aroundGripper.refuse(
        unless: anchors != .fixed || aroundGripper == 0 || aroundGripper < tokens - outside,
        "must be fewer than tokens without those of outside (\(tokens - outside))")
      try $workspace.refuse(unless: anchors == .fixed || workspace == nil, "needs anchors: fixed")
      try $heads.refuse(unless: width % heads == 0, "must divide the width (\(width))")
      try $wideHeads.refuse(unless: wideHeads < heads, "must be fewer than heads (\(heads))")
    }

    /// Heads that look at places of their own.
    var narrowHeads: Int { heads - wideHeads }
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
  let localShortcut, headShortcut: Linear
  let anchorShortcut: Linear?
  /// Of fixed anchors: places `[tokens, 3]`, the first ones from the gripper where tokens go with it, and how much around each is
  /// its own, `[tokens]`, meters; the box, `[6]`; the rotation of the first camera, `[3, 3]`.
  let anchorPlaces, anchorReach, box, axes: Buffer?
  /// Of fixed anchors, `[1, tokens, width]`: what encoder and decoder know of each place.
  let anchorQueries, anchorContents: Parameter?
  /// The side of the squares of pixels whose means are the points; nil where they are chosen otherwise.
  let gridSide: Int?
  let pixels: Int
  let imageWidth: Int

  /// Draws the first weights.
  public init(options: Options, context: LiftContext, random: inout Random) throws {
    self.options = options
    let size = context.size
    pixels = size.height * size.width * context.cameras.count
    imageWidth = size.width
    if options.sampling == .grid {
      let sides = (1...min(size.height, size.width)).filter { size.height % $0 == 0 && size.width % $0 == 0 }
      gridSide = sides.first { [pixels] in pixels == options.points * $0 * $0 }
      guard gridSide != nil else {
        throw GaussianWorldError.gridOfPoints(
          options.points,
          possible: sides.map { [pixels] in pixels / ($0 * $0) }.filter { $0 >= options.tokens })
      }
    } else {
      gridSide = nil
      guard options.tokens <= pixels else { throw GaussianWorldError.fewPoints(pixels, tokens: options.tokens) }
    }
    let isFixed = options.anchors == .fixed
    func fixed(_ shape: [Int]) -> Buffer? { isFixed ? Buffer(.zeros(shape)) : nil }
    anchorPlaces = fixed([options.tokens, 3])
    anchorReach = isFixed ? Buffer(.filled([options.tokens], with: 0.1)) : nil
    box = fixed([6])
    axes = isFixed ? Buffer(Tensor([1, 0, 0, 0, 1, 0, 0, 0, 1], shape: [3, 3])) : nil
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
        width: width, heads: (1...max(1, width / 32)).last { width % $0 == 0 }!, attentionDropout: 0, dropout: 0,
        initialization: .torch,
        random: &random)
    }
    norm = LayerNorm(width)
    anchor = Linear(inputs: width, outputs: 3, initialization: .zero, random: &random)
    head = Linear(
      inputs: width, outputs: options.perToken * Gaussians.width, initialization: .zero, random: &random)
    localShortcut = Linear(
      inputs: GaussianVAE.localWidth(options), outputs: options.latent, bias: false,
      initialization: .zero, random: &random)
    anchorShortcut =
      isFixed
      ? nil : Linear(inputs: options.latent, outputs: 3, bias: false, initialization: .zero, random: &random)
    headShortcut = Linear(
      inputs: options.latent, outputs: options.perToken * Gaussians.width, bias: false, initialization: .zero,
      random: &random)
    func own(_ random: inout Random) -> Parameter? {
      isFixed ? Parameter(.normal([1, options.tokens, width], deviation: 0.02, random: &random)) : nil
    }
    anchorQueries = own(&random)
    anchorContents = own(&random)
    startAsLocalCodec()
  }

  /// Sets where the scenes are: the mean of the centers, twice their standard deviation, and the mean distance of an anchor
  /// to the next.
  public func place(over points: Gaussians) {
    let means = points.means.detached
    let middle = means.mean(axes: [0, 1])
    let spread = (means - middle).square().mean().sqrt() * 2
    // Fixed anchors have reaches of their own.
    let spacing = anchorReach == nil ? spacing(of: anchors(of: points).means.detached) ?? spread * 0.2 : spread * 0.2
    placement.value = Tensor.concatenated([middle, spread.reshaped([1]), spacing.reshaped([1])], axis: 0)
  }

  /// The mean distance of an anchor to the next; nil of one alone.
  private func spacing(of anchors: Tensor) -> Tensor? {
    guard options.tokens > 1 else { return nil }
    let between = (anchors.unsqueezed(1) - anchors.unsqueezed(2)).square().sum(axes: [3])
    // An anchor is no neighbor of itself.
    let others =
      between
      + Tensor(
        (0..<options.tokens * options.tokens).map { $0 % (options.tokens + 1) == 0 ? 1e6 : 0 },
        shape: [1, options.tokens, options.tokens])
    return (-(-others).maximum(axis: 2)).sqrt().mean()
  }

  var middle: Tensor { placement.value.sliced(axis: 0, 0..<3) }
  var reach: Tensor { placement.value.sliced(axis: 0, 3..<4) }
  /// How much around each anchor is its own, meters: `[tokens, 1]`.
  var own: Tensor {
    let reach = anchorReach?.value ?? placement.value.sliced(axis: 0, 4..<5).broadcast(to: [options.tokens])
    // Not less than a millimeter: nearness must not vanish.
    return (reach * 0.7).maximum(Tensor(1e-3)).reshaped([options.tokens, 1])
  }

  /// The Gaussians that stand for a set, the farthest from each other in the order they are found.
  public func points(of set: Gaussians) -> Gaussians {
    set.chosen(set.means.farthestPoints(min(set.count, options.points)))
  }

  /// The anchors of points, those farthest from each other or the fixed ones, `[batch, tokens, 14]`.
  ///
  /// - Parameter gripper: where it is, `[batch, 3]`, for the anchors that go with it.
  public func anchors(of points: Gaussians, gripper: Tensor? = nil) -> Gaussians {
    if let anchorPlaces {
      let (tokens, moving) = (options.tokens, options.aroundGripper)
      let rest = Tensor([1, 0, 0, 0, 0, 0, 0, 1], shape: [1, 8]).broadcast(to: [tokens, 8])
      let rows = Tensor.concatenated([anchorPlaces.value, own.broadcast(to: [tokens, 3]), rest], axis: 1)
      let all = rows.broadcast(to: [points.batch] + rows.shape)
      guard moving > 0 else { return Gaussians(all) }
      guard let gripper else { preconditionFailure("vae: nobody says where the gripper is") }
      let follows = Tensor((0..<tokens).map { $0 < moving ? 1 : 0 }, shape: [1, tokens, 1])
      let means = all.sliced(axis: 2, 0..<3) + follows * gripper.unsqueezed(1)
      return Gaussians(.concatenated([means, all.sliced(axis: 2, 3..<Gaussians.width)], axis: 2))
    }
    return points.chosen(points.means.farthestPoints(options.tokens))
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
    let nearness = nearness(anchors: anchors.means.detached, points: points)
    let bias = nearness.log()
    let queries = anchorQueries.map { embed(anchors) + $0.value } ?? embed(anchors)
    let x = latentNorm(encoder.reduce(queries) { $1($0, memory: memory, bias: bias) })
    // It starts with little noise: from unit variance, means take thousands of steps to rise above it.
    let local = local(anchors: anchors.means.detached, points: points, nearness: nearness)
    return (mean(x) + localShortcut(local), (logVariance(x) - 8).clamped(to: -30...20))
  }

  /// `[batch, tokens * perToken]` Gaussians.
  ///
  /// - Parameter positions: of the anchors, `[batch, tokens, 3]`; needed where some go with the gripper.
  public func decode(_ latents: Tensor, positions: Tensor? = nil) -> Gaussians {
    let expanded = anchorContents.map { expansion(latents) + $0.value } ?? expansion(latents)
    let x = norm(decoder.reduce(expanded) { $1($0) })
    let (batch, tokens) = (x.shape[0], x.shape[1])
    let raw = (head(x) + headShortcut(latents)).reshaped([batch, tokens, options.perToken, Gaussians.width])
    let parts = raw.split(axis: 3, [3, 3, 4, 3, 1])
    let around = GaussianVAE.disc(options.perToken).flatMap { place -> [Float] in [place.x, place.y, 0] }
    let own = own.unsqueezed(1)
    let offsets = fromView((parts[0] + Tensor(around, shape: [1, 1, options.perToken, 3])) * own)
    precondition(positions != nil || options.aroundGripper == 0, "vae: nobody says where the gripper is")
    let places =
      anchorPlaces.map { (options.aroundGripper > 0 ? positions! : $0.value) + anchor(x) * own.squeezed(1) }
      ?? (anchor(x) + anchorShortcut!(latents)) * reach + middle
    let values = Tensor.concatenated(
      [
        places.unsqueezed(2) + offsets,
        // As wide as its share of the neighborhood at first.
        parts[1].clamped(to: -5...4).exp() * (own * (0.6 / Float(options.perToken).squareRoot())),
        parts[2] + PixelRays.upright.unsqueezed(1), parts[3], (parts[4] + 1).sigmoid(),
      ], axis: 3)
    return Gaussians(values.reshaped([batch, tokens * options.perToken, Gaussians.width]))
  }
}
