import Imitation

/// A world model that does not fit what it is given.
public enum GaussianWorldError: Error, Equatable, CustomStringConvertible {
  /// Images that cannot be cut into squares.
  case imageSize(ObservationSchema.ImageSize, multipleOf: Int)
  /// Images of another size than it was trained on.
  case otherSize(String, found: ObservationSchema.ImageSize, trained: ObservationSchema.ImageSize)
  /// An encoder that cannot be joined: it sees the past.
  case joinsHistory(String)
  /// A gripper's position where tokens are not in the base's frame.
  case notInBase(String)
  /// A gripper that nothing is seen from.
  case gripperWithoutPlaces
  /// A workspace box with fewer points in it than tokens.
  case emptyBox([Float], points: Int, of: Int, tokens: Int)
  /// Fewer points around the gripper than tokens are to go with it.
  case nothingNearGripper(Float, points: Int, tokens: Int)
  /// More tokens than points to choose them from.
  case fewPoints(Int, tokens: Int)
  /// A layer that the dynamics does not have.
  case noBlock(Int, of: Int)
  /// Tokens without hidden tokens, and a setting that does not go with that.
  case noHidden(String)
  /// A number of points that no grid has.
  case gridOfPoints(Int, possible: [Int])
  /// Less than one batch to learn from.
  case tooFewClips(Int, batch: Int)

  public var description: String {
    switch self {
    case .imageSize(let size, let factor):
      "images of \(size.width)x\(size.height) cannot be cut evenly: both sides must be multiples of \(factor)"
    case .otherSize(let camera, let found, let trained):
      "'\(camera)' is \(found.width)x\(found.height), the world model was trained on \(trained.width)x\(trained.height)"
    case .joinsHistory(let kind): "the encoder '\(kind)' looks at the past itself and cannot join another"
    case .notInBase(let key):
      "gripper: '\(key)' is in the base's frame, the world model's tokens are not; train it with world.frame: base"
    case .gripperWithoutPlaces:
      "gripper: positions are not part of what is pooled; add places: true, or let the policy observe: tokens"
    case .emptyBox(let box, let points, let count, let tokens):
      "\(points) of the \(count) points of 64 frames lie in the workspace box \(box), too few for \(tokens) tokens: meters in the frame "
        + "of the Gaussians; look at world.codec.workspace, world.gripper and the cameras' calibrations"
    case .nothingNearGripper(let reach, let points, let tokens):
      "\(points) points of 64 frames lie within \(reach) m of the gripper, too few for \(tokens) tokens that go with it; look at "
        + "world.codec.gripper_reach, world.gripper and the cameras' calibrations"
    case .fewPoints(let points, let tokens): "\(tokens) tokens are more than the \(points) points of these images"
    case .noBlock(let block, let count): "block \(block): the world model's dynamics has blocks 0 to \(count)"
    case .noHidden("block"):
      "block: says where hidden tokens are taken, and hidden: false leaves them out; remove one of the two"
    case .noHidden: "hidden: false leaves nothing of a token; add latents: true"
    case .tooFewClips(0, _):
      "no demonstration of the split is long enough to train the dynamics on: a clip has context and horizon together"
    case .tooFewClips(let clips, let batch):
      "the split holds \(clips) clips to train the dynamics on, fewer than one batch of \(batch); lower training.dynamics.batch"
    case .gridOfPoints(let points, let possible):
      "\(points) points are no grid of squares of these images; possible: "
        + "\(possible.map(String.init).joined(separator: ", ")), or sampling: farthest"
    }
  }
}
