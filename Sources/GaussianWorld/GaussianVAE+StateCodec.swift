import Imitation
import Tensors

// What world models ask of a codec.
extension GaussianVAE {
  public static var usesLift: Bool { true }
  public static var isTrained: Bool { true }
  public var followsGripper: Bool { options.aroundGripper > 0 }
  public var usesReference: Bool { options.anchors == .farthest || followsGripper }
  public var tokenCount: Int { options.tokens }
  public var tokenWidth: Int { options.latent }
  public var encodingShape: [Int] { [min(options.points, pixels) + (followsGripper ? 1 : 0), Gaussians.width] }

  public func encoding(_ views: CameraViews, lifted: Gaussians?) -> Tensor {
    guard let lifted else { preconditionFailure("vae: no Gaussians") }
    // A lift that does not give one Gaussian for each pixel has no squares.
    let points =
      if let gridSide, lifted.count == pixels {
        lifted.meansOfSquares(side: gridSide, width: imageWidth)
      } else {
        points(of: lifted).values
      }
    guard followsGripper else { return points }
    guard let gripper = views.gripper else { preconditionFailure("vae: nobody says where the gripper is") }
    // One more row, of which only the place means something.
    let rest = Tensor([1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], shape: [1, 1, 11]).broadcast(to: [views.batch, 1, 11])
    return .concatenated([points, .concatenated([gripper.unsqueezed(1), rest], axis: 2)], axis: 1)
  }

  /// The points of encodings, and where the gripper was, `[batch, 3]`, where tokens go with it.
  func unpacked(_ encoding: Tensor) -> (points: Gaussians, gripper: Tensor?) {
    guard followsGripper else { return (Gaussians(encoding), nil) }
    let count = encoding.shape[1] - 1
    return (
      Gaussians(encoding.sliced(axis: 1, 0..<count)),
      encoding.sliced(axis: 1, count..<count + 1).sliced(axis: 2, 0..<3).squeezed(1)
    )
  }

  private func anchors(reference: Tensor) -> Gaussians {
    let (points, gripper) = unpacked(reference)
    return anchors(of: points, gripper: gripper)
  }

  public func encode(_ encoding: Tensor, reference: Tensor) -> Tensor {
    encode(unpacked(encoding).points, anchors: anchors(reference: reference)).mean
  }

  public func positions(reference: Tensor) -> Tensor { anchors(reference: reference).means }

  public func gaussians(_ tokens: Tensor, positions: Tensor) -> Gaussians? { decode(tokens, positions: positions) }

  public func prepare(_ sample: CodecSample) throws {
    if let camera = sample.camera { place(from: camera) }
    if options.anchors == .fixed { try fixAnchors(sample) }
    place(over: unpacked(sample.encodings).points)
  }

  public func loss(on batch: CodecBatch, random: inout Random) -> PolicyLoss? {
    let shape = [batch.encodings.shape[0], options.tokens, options.latent]
    return loss(
      unpacked(batch.encodings).points, anchors: anchors(reference: batch.references), images: batch.images,
      views: batch.views, weights: batch.weights, isPaired: true,
      noise: batch.isNoisy ? .normal(shape, random: &random) : nil)
  }

  func place(from camera: CameraCalibration) {
    axes?.value = Tensor(camera.rotation.flatMap { [$0.x, $0.y, $0.z] }, shape: [3, 3])
  }
}
