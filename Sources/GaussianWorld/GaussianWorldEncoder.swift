import Foundation
import Imitation
import Layers
import Tensors

/// GWM's features for a policy: images to Gaussians to latents, one denoising step of the dynamics from pure noise with the
/// action unknown, and its hidden tokens (Lu et al. 2025, section 3.4), with the latents of the present state themselves.
///
/// The world model is frozen unless `fine_tune` says otherwise; the pooling always learns. With `join` another encoder's
/// features stand beside it. Where tokens are asked for, the tokens are not pooled, and stand where the world's are.
public struct GaussianWorldEncoder: FrozenEncoder {
  public struct Options: PluginOptions {
    @Key("A run folder of `imitate world train`, or its world.safetensors.") public var world: String
    @Key("The encoder whose features join; the low-dimensional observations alone when left out.", PluginKind.encoder)
    public var join: Choice?
    @Key(
      "After which block of the dynamics tokens are taken, 0 being before the first; the last when left out.", 0...200)
    public var block: Int?
    @Key("Whether tokens carry the latents of the present state, too.") public var latents = false
    @Key(
      "Whether tokens carry hidden tokens of the dynamics; without them the present frame's latents are all that they carry, and no past frame is looked at."
    )
    public var hidden = true
    @Key(
      "Whether hidden tokens see how the scene just moved. Without it the dynamics looks at the present frame as if nothing had moved, and no past frame is looked at."
    )
    public var past = true
    @Key("The key of the gripper's position in the base's frame: tokens then say where they are from it, too.")
    public var gripper: String?
    @Key("Whether where tokens are is part of what is pooled.") public var places = false
    @Key("Width of the pooled feature.", 1...8192) public var features = 64
    @Key("Attention pools over the tokens, each with weights of its own.", 1...8192) public var pools = 8
    @Key(
      "Whether the world model learns, too: always, never, or after some steps of training with a factor of the learning rate."
    )
    public var fineTune = FineTune.never
    @Key(
      "Variants of each frame that frozen rows are kept of: the frame itself and augmented ones. Each training window has one drawn at random.",
      1...256)
    public var variants = 1
    @Key("What augmented variants differ in.") public var jitter = FrameJitter()
    @Key("The most that is kept of frozen rows on disk, GB; 0 keeps nothing.", 0...1e6) public var cacheGigabytes = 2.0

    public init() {}
  }

  public static let name = "gaussian-world"
  public static let help = "The features of a world model after its first denoising step, pooled or as tokens."
  /// Under which name a world model's description travels with a policy.
  static let attachment = "world"
  /// Numbers of a pool before they are brought together.
  private static let poolWidth = 32

  let world: any WorldModel
  let joined: (any ObservationEncoder)?
  /// Of hidden tokens; nil where tokens carry latents alone.
  let norm: RMSNorm?
  /// Of the pooling; nil where the tokens are given as they are.
  let attention, values, projection: Linear?
  private let options: Options
  private let schema: ObservationSchema
  /// After which block the hidden tokens are taken.
  private let block: Int
  public let attachments: [String: String]
  public var attachedTensors: [String: Tensor] { joined?.attachedTensors ?? [:] }
  public let layout: FeatureLayout

  public init(options: Options, context: EncoderContext, random: inout Random) throws {
    self.options = options
    schema = context.schema
    if let description = context.attachments[GaussianWorldEncoder.attachment] {
      world = try context.parts.world(describedBy: description)
    } else {
      world = try context.parts.world(at: options.world)
    }
    var attachments = [GaussianWorldEncoder.attachment: try world.description]
    // Of the weights before any fine-tuning; policies of earlier versions do not say it.
    attachments[EncoderContext.worldWeights] =
      context.attachments[GaussianWorldEncoder.attachment] == nil
      ? world.weightsDigest : context.attachments[EncoderContext.worldWeights]
    let model = world.blueprint.context
    let cameras = model.cameras.map { CameraKeys($0) }
    for camera in cameras {
      guard let size = schema.images[camera.image] else {
        throw CameraError.missing(camera.image, available: schema.imageKeys)
      }
      guard size == model.size else {
        throw GaussianWorldError.otherSize(camera.image, found: size, trained: model.size)
      }
    }
    try schema.checkGeometry(
      cameras, depths: world.needsDepth, calibrations: world.needsCalibrations, size: model.size,
      for: GaussianWorldEncoder.name)
    if let gripper = world.neededGripper, schema.vectors[gripper] != 3 {
      throw CameraError.noGripper(
        gripper, reason: "is not among observations.vectors, and tokens of the world model go with the gripper")
    }
    if let gripper = options.gripper {
      guard model.frame == .base else { throw GaussianWorldError.notInBase(gripper) }
      guard options.places || context.wantsTokens else { throw GaussianWorldError.gripperWithoutPlaces }
      guard schema.vectors[gripper] == 3 else {
        throw CameraError.noGripper(
          gripper, reason: "is not among observations.vectors, or not a position of 3 numbers")
      }
      if let trained = world.blueprint.gripper, trained != gripper {
        throw CameraError.noGripper(gripper, reason: "is not what the world model was trained with, '\(trained)'")
      }
    }
    guard options.hidden || options.latents && options.block == nil else {
      throw GaussianWorldError.noHidden(options.latents ? "block" : "latents")
    }
    block = options.block ?? world.hiddenLayers
    guard block <= world.hiddenLayers else { throw GaussianWorldError.noBlock(block, of: world.hiddenLayers) }
    switch options.fineTune {
    case .never: world.freeze()
    case .after(let steps, let rate): world.freeze(until: steps, rate: rate)
    }
    norm = options.hidden ? RMSNorm(world.hiddenWidth) : nil
    let pools = !context.wantsTokens
    let dimensions = options.gripper == nil ? 3 : 6
    let width = (options.hidden ? world.hiddenWidth : 0) + (options.latents ? world.tokenWidth : 0)
    let pooledWidth = width + (options.places ? dimensions : 0)
    attention = pools ? Linear(inputs: pooledWidth, outputs: options.pools, random: &random) : nil
    values = pools ? Linear(inputs: pooledWidth, outputs: GaussianWorldEncoder.poolWidth, random: &random) : nil
    projection =
      pools
      ? Linear(inputs: options.pools * GaussianWorldEncoder.poolWidth, outputs: options.features, random: &random)
      : nil
    var others = schema.lowDimensional
    if let choice = options.join {
      guard choice.kind != GaussianWorldEncoder.name else { throw GaussianWorldError.joinsHistory(choice.kind) }
      var inner = context
      inner.wantsTokens = false
      let encoder = try context.parts.makeEncoder(choice, context: inner, path: "encoder.join", random: &random)
      guard encoder.history == 0 else { throw GaussianWorldError.joinsHistory(choice.kind) }
      attachments.merge(encoder.attachments) { mine, _ in mine }
      joined = encoder
      others = encoder.layout.widths
    } else {
      joined = nil
    }
    self.attachments = attachments
    layout = FeatureLayout(
      (pools ? [(.world, "world", options.features)] : []) + others,
      tokens: pools ? nil : .init(width: width, dimensions: dimensions, count: world.tokenCount))
  }

  public static func checkFiles(_ options: Options) throws { _ = try Catalog().worldFile(options.world) }

  public func check(_ observations: ObservationBatch) throws {
    try joined?.check(observations.dropping(first: history))
  }

  public func check(instruction: String) throws { try joined?.check(instruction: instruction) }
  public var exampleInstruction: String { joined?.exampleInstruction ?? "" }

  public var history: Int { options.hidden && options.past ? world.context - 1 : 0 }

  public func callAsFunction(_ observations: ObservationBatch) -> Features {
    let (batch, time) = (observations.count, observations.time - history)
    let present = observations.dropping(first: history)
    let others = joined.map { [$0(present).pooled] } ?? schema.lowDimensional.map { present.vectors[$0.key]! }
    let rows = (observations.frozen ?? frozen(observations)).reshaped([batch * time, world.tokenCount, -1])
    let (hidden, latents) = (options.hidden ? world.hiddenWidth : 0, options.latents ? world.tokenWidth : 0)
    func part(_ columns: Range<Int>) -> Tensor { rows.sliced(axis: 2, columns) }
    var said = norm.map { [$0(part(0..<hidden))] } ?? []
    // Standardized by the world model, to a deviation of a half.
    if latents > 0 { said.append(part(hidden..<hidden + latents) * 2) }
    var tokens = Tensor.concatenated(said, axis: 2)
    let positions =
      keepsPositions
      ? places(part(hidden + latents..<hidden + latents + 3), present) : nil
    guard let attention, let values, let projection else {
      func frames(_ tensor: Tensor) -> Tensor { tensor.reshaped([batch, time, world.tokenCount, -1]) }
      return Features(
        pooled: others.isEmpty ? .zeros([batch, time, 0]) : .concatenated(others, axis: 2),
        tokens: frames(tokens), positions: frames(positions!))
    }
    if options.places, let positions { tokens = .concatenated([tokens, positions * 2], axis: 2) }
    let weights = attention(tokens).softmax(axis: 1)
    let pooled = weights.matmul(values(tokens), transposingSelf: true).reshaped([batch, time, -1])
    return Features(pooled: .concatenated([projection(pooled)] + others, axis: 2))
  }

  /// Where tokens are, `[frames, tokens, 3]`, or from the gripper and absolute, `[frames, tokens, 6]`; meters.
  private func places(_ positions: Tensor, _ present: ObservationBatch) -> Tensor {
    var positions = positions
    if let motion = present.motion, world.blueprint.context.frame == .base {
      positions = motion.repeated(present.time).moved(positions)
    }
    guard let key = options.gripper else { return positions }
    let gripper = present.unnormalized[key]!.reshaped([-1, 1, 3])
    return .concatenated([positions - gripper, positions], axis: 2)
  }

  // MARK: The frozen part

  /// Whether rows say where tokens are.
  private var keepsPositions: Bool { layout.tokens != nil || options.places }

  public var frozenCount: Int? {
    if case .after(0, _) = options.fineTune { return nil }
    let width = (options.hidden ? world.hiddenWidth : 0) + (options.latents ? world.tokenWidth : 0)
    return world.tokenCount * (width + (keepsPositions ? 3 : 0))
  }

  public var frozenVariants: Int { options.variants }

  public var frozenIdentity: String {
    let name =
      GaussianWorldEncoder.name + (keepsPositions ? " positions" : "") + (options.latents ? " latents" : "")
      + (options.variants > 1 ? options.jitter.identity : "")
    let source = options.hidden ? "\(block)" + (options.past ? "" : " still") : "present"
    return "\(name) \(source) 2 \(attachments[GaussianWorldEncoder.attachment]!) \(world.weightsHash.value)"
  }

  public var frozenLimit: Int { Int(options.cacheGigabytes * 1e9) }

  public var frozenKeys: (images: [String], vectors: [String]) {
    let cameras = world.blueprint.context.cameras.map { CameraKeys($0) }
    return (
      cameras.map(\.image),
      cameras.flatMap {
        (world.needsDepth ? [$0.depth] : []) + (world.needsCalibrations ? [$0.calibration] : [])
      } + (world.neededGripper.map { [$0] } ?? [])
    )
  }

  public func frozen(_ observations: ObservationBatch) -> Tensor {
    let (batch, time) = (observations.count, observations.time)
    // Each moment with the ones before it, or as if nothing had moved before.
    let windows = (0..<batch).flatMap { item in
      (history..<time).map { moment in
        (1..<world.context).map { item * time + moment - (history > 0 ? world.context - $0 : 0) } + [
          item * time + moment
        ]
      }
    }
    let state = world.observe(views(observations), windows: windows)
    var parts = options.hidden ? [world.hidden(state)[block]] : []
    if options.latents { parts.append(state.tokens) }
    // Where a token is stands behind what it says.
    if keepsPositions { parts.append(state.positions) }
    return Tensor.concatenated(parts, axis: 2).reshaped([batch, time - history, -1])
  }

  /// As recorded: where a window was moved for training, its cameras stand where they stood, so that rows are the same as kept
  /// ones; the positions of tokens are moved afterwards.
  private func views(_ observations: ObservationBatch) -> CameraViews {
    let context = world.blueprint.context
    let back = observations.motion?.inverse
    let cameras = context.cameras.map { CameraKeys($0) }
    let jitters = observations.variants?.map { options.jitter.drawn($0, cameras: cameras.count) }
    /// Each window's values, changed by the jitter of its variant.
    func augmented<Value>(_ values: [Value], _ change: (DrawnJitter, [Value]) -> [Value]) -> [Value] {
      guard let jitters else { return values }
      let each = values.count / jitters.count
      return jitters.enumerated().flatMap { item, jitter in
        let own = Array(values[item * each..<(item + 1) * each])
        return jitter.map { change($0, own) } ?? own
      }
    }
    return CameraViews(
      cameras, size: context.size, count: observations.count * observations.time,
      withDepths: world.needsDepth, withCalibrations: world.needsCalibrations, gripper: world.neededGripper,
      pixels: { key in
        let (camera, frames) = (cameras.firstIndex { $0.image == key }!, observations.images[key]!.frames)
        guard jitters != nil else { return frames }
        return ByteTensor(
          augmented(frames.bytes) { $0.pixels($1, context.size, camera: camera) }, shape: frames.shape)
      },
      rows: { key in
        if key == world.neededGripper {
          let places = observations.unnormalized[key]!
          return GraphTrace.numbers(of: back?.moved(places) ?? places)
        }
        let rows = observations.vectors[key]!
        if let camera = cameras.firstIndex(where: { $0.depth == key }) {
          return augmented(GraphTrace.numbers(of: rows)) { $0.shifted($1, context.size, channels: 1, camera: camera) }
        }
        let camera = cameras.firstIndex { $0.calibration == key }!
        return augmented(GraphTrace.numbers(of: back?.moved(calibrations: rows) ?? rows)) {
          $0.calibrations($1, camera: camera)
        }
      })
  }
}

extension ObservationBatch {
  /// Without the first `count` frames of every window.
  fileprivate func dropping(first count: Int) -> ObservationBatch {
    guard count > 0 else { return self }
    var rest = ObservationBatch(
      images: images.mapValues { $0.dropping(first: count) },
      vectors: vectors.mapValues { $0.sliced(axis: 1, count..<time) }, instructions: instructions,
      time: time - count)
    rest.motion = motion
    rest.unnormalized = unnormalized.mapValues { $0.sliced(axis: 1, count..<time) }
    return rest
  }
}
