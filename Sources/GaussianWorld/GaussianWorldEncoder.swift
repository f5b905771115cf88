import Foundation
import Imitation
import Layers
import Tensors

/// GWM's features for a policy: images to Gaussians to latents, one denoising step of the dynamics from pure noise with the
/// action unknown, and its hidden tokens pooled (Lu et al. 2025, section 3.4).
///
/// The world model is frozen unless `fine_tune` says otherwise; the pooling always learns. With `join` another encoder's
/// features stand beside it. Where tokens are asked for, the hidden tokens are not pooled, and stand where the world's are.
public struct GaussianWorldEncoder: FrozenEncoder {
  public struct Options: PluginOptions {
    @Key("A run folder of `imitate world train`, or its world.safetensors.") public var world: String
    @Key("The encoder whose features join; the low-dimensional observations alone when left out.", PluginKind.encoder)
    public var join: Choice?
    @Key("Width of the pooled feature.", 1...8192) public var features = 64
    @Key("Attention pools over the tokens, each with weights of its own.", 1...8192) public var pools = 8
    @Key("Whether the world model learns too.") public var fineTune = false
    @Key("The most that is kept of frozen rows on disk, GB; 0 keeps nothing.", 0...1e6) public var cacheGigabytes = 2.0

    public init() {}
  }

  public static let name = "gaussian-world"
  public static let help = "The feature of a Gaussian world model after its first denoising step, pooled."
  /// Under which name a world model's description travels with a policy.
  static let attachment = "world"
  /// Numbers of a pool before they are brought together.
  private static let poolWidth = 32

  let world: WorldModel
  let joined: (any ObservationEncoder)?
  let norm: RMSNorm
  /// Of the pooling; nil where the tokens are given as they are.
  let attention, values, projection: Linear?
  private let options: Options
  private let schema: ObservationSchema
  public let attachments: [String: String]
  public var attachedTensors: [String: Tensor] { joined?.attachedTensors ?? [:] }
  public let layout: FeatureLayout

  public init(options: Options, context: EncoderContext, random: inout Random) throws {
    self.options = options
    schema = context.schema
    if let description = context.attachments[GaussianWorldEncoder.attachment] {
      world = try WorldModel(description: description, parts: context.parts)
    } else {
      world = try WorldModel(path: try GaussianWorldEncoder.file(options.world), parts: context.parts)
    }
    var attachments = [GaussianWorldEncoder.attachment: try world.description]
    let model = world.blueprint.context
    for camera in model.cameras.map({ CameraKeys($0) }) {
      guard let size = schema.images[camera.image] else {
        throw GaussianWorldError.missingCamera(camera.image, available: schema.imageKeys)
      }
      guard size == model.size else {
        throw GaussianWorldError.otherSize(camera.image, found: size, trained: model.size)
      }
      guard world.needsDepth else { continue }
      for (key, wanted) in [(camera.depth, size.height * size.width), (camera.calibration, CameraCalibration.width)] {
        guard let found = schema.vectors[key] else {
          throw GaussianWorldError.missingGeometry(key, lift: world.options.lift.kind)
        }
        guard found == wanted else { throw GaussianWorldError.geometrySize(key, found: found, wanted: wanted) }
      }
    }
    if !options.fineTune { world.freeze() }
    let width = world.dynamics.options.width
    norm = RMSNorm(width)
    let pools = !context.wantsTokens
    attention = pools ? Linear(inputs: width, outputs: options.pools, random: &random) : nil
    values = pools ? Linear(inputs: width, outputs: GaussianWorldEncoder.poolWidth, random: &random) : nil
    projection =
      pools
      ? Linear(inputs: options.pools * GaussianWorldEncoder.poolWidth, outputs: options.features, random: &random)
      : nil
    var others = schema.lowDimensional
    if let choice = options.join {
      var inner = context
      inner.schema.vectors = schema.vectors.filter { !CameraKeys.isGeometry($0.key) }
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
      tokens: pools ? nil : .init(width: width, dimensions: 3))
  }

  public static func checkFiles(_ options: Options) throws { _ = try file(options.world) }

  private static func file(_ path: String) throws -> String {
    var isFolder: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
    let file = exists && isFolder.boolValue ? path + "/world.safetensors" : path
    guard FileManager.default.fileExists(atPath: file) else { throw GaussianWorldError.noWorld(path: path) }
    return file
  }

  public func check(instruction: String) throws { try joined?.check(instruction: instruction) }

  public var history: Int { LatentDynamics.context - 1 }

  public func callAsFunction(_ observations: ObservationBatch) -> Features {
    let (batch, time) = (observations.count, observations.time - history)
    let width = world.dynamics.options.width
    let present = observations.dropping(first: history)
    let others = joined.map { [$0(present).pooled] } ?? schema.lowDimensional.map { present.vectors[$0.key]! }
    let rows = (observations.frozen ?? frozen(observations)).reshaped([batch * time, world.tokenCount, -1])
    guard let attention, let values, let projection else {
      func part(_ columns: Range<Int>) -> Tensor {
        rows.sliced(axis: 2, columns).reshaped([batch, time, world.tokenCount, -1])
      }
      return Features(
        pooled: others.isEmpty ? .zeros([batch, time, 0]) : .concatenated(others, axis: 2),
        tokens: norm(part(0..<width)), positions: part(width..<width + 3))
    }
    let tokens = norm(rows)
    let weights = attention(tokens).softmax(axis: 1)
    let pooled = weights.matmul(values(tokens), transposingSelf: true).reshaped([batch, time, -1])
    return Features(pooled: .concatenated([projection(pooled)] + others, axis: 2))
  }

  // MARK: The frozen part

  public var frozenCount: Int? {
    guard !options.fineTune else { return nil }
    return world.tokenCount * (world.dynamics.options.width + (layout.tokens?.dimensions ?? 0))
  }

  public var frozenIdentity: String {
    // Over every weight: two models that differ anywhere must not share rows.
    var hash = StableHash()
    for (name, tensor) in world.snapshot().sorted(by: { $0.key < $1.key }) {
      hash.add(name.utf8)
      tensor.withUnsafeBufferPointer { hash.add(UnsafeRawBufferPointer($0)) }
    }
    let name = GaussianWorldEncoder.name + (layout.tokens == nil ? "" : " positions")
    return "\(name) 1 \(attachments[GaussianWorldEncoder.attachment]!) \(hash.value)"
  }

  public var frozenLimit: Int { Int(options.cacheGigabytes * 1e9) }

  public var frozenKeys: (images: [String], vectors: [String]) {
    let cameras = world.blueprint.context.cameras.map { CameraKeys($0) }
    return (cameras.map(\.image), world.needsDepth ? cameras.flatMap { [$0.depth, $0.calibration] } : [])
  }

  public func frozen(_ observations: ObservationBatch) -> Tensor {
    let (batch, time) = (observations.count, observations.time)
    let encodings = world.encoding(views(observations)).detachedUnless(options.fineTune)
    // Each moment with the ones before it, which give the anchors.
    let rows = (0..<batch).flatMap { item in (history..<time).map { item * time + $0 } }
    let first = encodings.gathered(rows.map { $0 - history })
    let states = (0...history).map { past in
      world.state(encodings.gathered(rows.map { $0 - history + past }), reference: first)
    }
    var hidden = world.dynamics.firstStepHidden(history: Tensor.stacked(states, axis: 1))
    // Where a token is stands behind what it says.
    if layout.tokens != nil { hidden = .concatenated([hidden, world.positions(reference: first)], axis: 2) }
    return hidden.reshaped([batch, time - history, -1])
  }

  private func views(_ observations: ObservationBatch) -> CameraViews {
    let context = world.blueprint.context
    return CameraViews(
      context.cameras.map { CameraKeys($0) }, size: context.size, count: observations.count * observations.time,
      geometry: world.needsDepth, pixels: { observations.images[$0]!.pixels },
      rows: { observations.vectors[$0]!.scalars })
  }
}

extension Tensor {
  fileprivate func detachedUnless(_ isTrained: Bool) -> Tensor { isTrained ? self : detached }
}

extension ObservationBatch {
  /// Without the first `count` frames of every window.
  fileprivate func dropping(first count: Int) -> ObservationBatch {
    guard count > 0 else { return self }
    let images = images.mapValues { images in
      let frame = images.size.height * images.size.width * 3
      var pixels: [UInt8] = []
      pixels.reserveCapacity(images.batch * (images.time - count) * frame)
      for item in 0..<images.batch {
        pixels += images.pixels[(item * images.time + count) * frame..<(item + 1) * images.time * frame]
      }
      return ImageBatch(batch: images.batch, time: images.time - count, size: images.size, pixels: pixels)
    }
    return ObservationBatch(
      images: images, vectors: vectors.mapValues { $0.sliced(axis: 1, count..<time) }, instructions: instructions,
      time: time - count)
  }
}
