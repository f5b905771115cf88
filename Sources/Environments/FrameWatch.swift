import Imitation

/// Finds cameras that show nothing: a renderer that has lost its context gives black frames, or one and the same, and no error.
struct FrameWatch {
  /// How many equal frames, while something moves, are too many; 0 for no check.
  let limit: Int
  private var cameras: [String: Camera] = [:]

  private struct Camera {
    var image: Image
    /// What was sensed when this image came first, and last.
    var first, last: [String: [Float]]
    /// How often it came again after something had moved.
    var repeats = 0
    var blanks = 0
  }

  /// How many frames of one color in a row are too many; the first of an episode must not be one.
  private static let mostBlanks = 10
  /// What has moved less may not show: in all, and in one step.
  private static let (motion, step): (Float, Float) = (0.01, 1e-4)

  init(limit: Int) { self.limit = limit }

  mutating func begin() { cameras = [:] }

  /// - Returns: the camera that has failed and why; nil when all is well.
  mutating func failure(in observation: Observation) -> (camera: String, reason: String)? {
    guard limit > 0 else { return nil }
    for (key, image) in observation.images.sorted(by: { $0.key < $1.key }) {
      guard var camera = cameras[key] else {
        if image.isBlank { return (key, "shows one color only") }
        cameras[key] = Camera(image: image, first: observation.vectors, last: observation.vectors)
        continue
      }
      camera.blanks = image.isBlank ? camera.blanks + 1 : 0
      if camera.blanks >= FrameWatch.mostBlanks { return (key, "shows one color only for \(camera.blanks) steps") }
      if image == camera.image {
        if observation.vectors.moved(from: camera.last, by: FrameWatch.step) { camera.repeats += 1 }
        camera.last = observation.vectors
        if camera.repeats >= limit, observation.vectors.moved(from: camera.first, by: FrameWatch.motion) {
          return (key, "shows the same image for \(camera.repeats) steps while the robot moves")
        }
      } else {
        let blanks = camera.blanks
        camera = Camera(image: image, first: observation.vectors, last: observation.vectors, blanks: blanks)
      }
      cameras[key] = camera
    }
    return nil
  }
}

extension [String: [Float]] {
  fileprivate func moved(from others: Self, by motion: Float) -> Bool {
    contains { key, values in zip(values, others[key] ?? []).contains { abs($0 - $1) > motion } }
  }
}
