import Imitation

/// A world model that does not fit what it is given.
public enum GaussianWorldError: Error, Equatable, CustomStringConvertible {
  /// Images that cannot be cut into squares.
  case imageSize(ObservationSchema.ImageSize, multipleOf: Int)
  /// Cameras whose images differ in size.
  case cameraSizes([String])
  /// A camera that the demonstrations do not have.
  case missingCamera(String, available: [String])
  /// Depths or calibrations that a lift needs.
  case missingGeometry(String, lift: String)
  /// Depths or calibrations of another size.
  case geometrySize(String, found: Int, wanted: Int)
  /// A file that is no world model.
  case notAWorld(path: String, lacks: String)
  /// A path without a world model.
  case noWorld(path: String)
  /// Images of another size than it was trained on.
  case otherSize(String, found: ObservationSchema.ImageSize, trained: ObservationSchema.ImageSize)
  /// An encoder that cannot be joined: it sees the past.
  case joinsHistory(String)
  /// A number of points that no grid has.
  case gridOfPoints(Int, possible: [Int])
  /// Less than one batch to learn from.
  case tooFewClips(Int, batch: Int)

  public var description: String {
    switch self {
    case .imageSize(let size, let factor):
      "images of \(size.width)x\(size.height) cannot be cut evenly: both sides must be multiples of \(factor)"
    case .cameraSizes(let cameras): "the cameras \(cameras.joined(separator: ", ")) have images of different sizes"
    case .missingCamera(let camera, let available):
      "the world model looks through '\(camera)', the observations have: \(available.joined(separator: ", "))"
    case .missingGeometry(let key, let lift):
      "'\(lift)' needs '\(key)': name it under observations.vectors and record it (simulator: {depth: true})"
    case .geometrySize(let key, let found, let wanted):
      "'\(key)' has \(found) numbers a row, these images need \(wanted)"
    case .notAWorld(let path, let lacks):
      "\(path): not a world model: it has no \(lacks); `imitate world train` writes one"
    case .noWorld(let path): "\(path): no world model there; `imitate world train` writes one"
    case .otherSize(let camera, let found, let trained):
      "'\(camera)' is \(found.width)x\(found.height), the world model was trained on \(trained.width)x\(trained.height)"
    case .joinsHistory(let kind): "the encoder '\(kind)' looks at the past itself and cannot join another"
    case .tooFewClips(let clips, let batch):
      "the split holds \(clips) clips to train the dynamics on, fewer than one batch of \(batch); lower training.dynamics.batch"
    case .gridOfPoints(let points, let possible):
      "\(points) points are no grid of squares of these images; possible: "
        + "\(possible.map(String.init).joined(separator: ", ")), or sampling: farthest"
    }
  }
}
