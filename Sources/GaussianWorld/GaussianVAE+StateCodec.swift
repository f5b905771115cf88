import Imitation
import Tensors

// What world models ask of a codec.
extension GaussianVAE {
  public static var usesLift: Bool { true }
  public static var isTrained: Bool { true }
  public var usesReference: Bool { options.anchors == .farthest }
  public var tokenCount: Int { options.tokens }
  public var tokenWidth: Int { options.latent }
  public var encodingShape: [Int] { [min(options.points, pixels), Gaussians.width] }

  public func encoding(_ views: CameraViews, lifted: Gaussians?) -> Tensor {
    guard let lifted else { preconditionFailure("vae: no Gaussians") }
    // A lift that does not give one Gaussian for each pixel has no squares.
    guard let gridSide, lifted.count == pixels else { return points(of: lifted).values }
    return lifted.meansOfSquares(side: gridSide, width: imageWidth)
  }

  public func encode(_ encoding: Tensor, reference: Tensor) -> Tensor {
    encode(Gaussians(encoding), anchors: anchors(of: Gaussians(reference))).mean
  }

  public func positions(reference: Tensor) -> Tensor { anchors(of: Gaussians(reference)).means }

  public func gaussians(_ tokens: Tensor) -> Gaussians? { decode(tokens) }

  public func prepare(_ sample: CodecSample) throws {
    if let camera = sample.camera { place(from: camera) }
    if options.anchors == .fixed { try fixAnchors(sample) }
    place(over: Gaussians(sample.encodings))
  }

  public func loss(on batch: CodecBatch, random: inout Random) -> PolicyLoss? {
    let shape = [batch.encodings.shape[0], options.tokens, options.latent]
    return loss(
      Gaussians(batch.encodings), anchors: anchors(of: Gaussians(batch.references)), images: batch.images,
      views: batch.views, weights: batch.weights, isPaired: true,
      noise: batch.isNoisy ? .normal(shape, random: &random) : nil)
  }

  func place(from camera: CameraCalibration) {
    axes?.value = Tensor(camera.rotation.flatMap { [$0.x, $0.y, $0.z] }, shape: [3, 3])
  }
}
