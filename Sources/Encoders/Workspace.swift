import Imitation
import Tensors

/// The box in the robot's base frame that counts, and its places as values of order one; or a box that goes with the gripper.
package struct Workspace {
  private let low, high, center: SIMD3<Float>
  /// Half of the longest side, meters: the same in all directions, so that shapes stay.
  private let scale: Float
  /// The key of the gripper's position that places are seen from; nil for the base.
  private let gripper: String?

  /// - Parameters:
  ///   - box: meters, x, y and z of the lower corner, then of the other; nil for everything, in meters.
  ///   - gripper: the key of the gripper's position that the box is around; nil where it stands still.
  package init(_ box: [Float]?, gripper: String? = nil) {
    self.gripper = gripper
    guard let box else {
      low = SIMD3(repeating: -.greatestFiniteMagnitude)
      (high, center, scale) = (-low, .zero, 1)
      return
    }
    (low, high) = (SIMD3(box[0], box[1], box[2]), SIMD3(box[3], box[4], box[5]))
    (center, scale) = ((low + high) / 2, (high - low).max() / 2)
  }

  /// Where each pixel of a camera is, and 1; or four zeros where the depth is unknown or the place outside of the box:
  /// `[frames, pixels, 4]`, a constant.
  ///
  /// - Parameters:
  ///   - depths: of `frames` images, meters along the view; 0 and what is not finite is unknown.
  ///   - calibrations: `CameraCalibration.numbers` of each frame.
  package func places(_ size: ObservationSchema.ImageSize, depths: [Float], calibrations: [Float]) -> Tensor {
    let width = CameraCalibration.width
    let cameras = stride(from: 0, to: calibrations.count, by: width).map {
      CameraCalibration(Array(calibrations[$0..<$0 + width]))
    }
    let pixels = size.height * size.width
    return Tensor(shape: [cameras.count, pixels, 4]) { buffer in
      PixelRays(size, cameras).rays.withUnsafeBufferPointer { rays in
        for (frame, camera) in cameras.enumerated() {
          let (x, y, z, position) = (camera.rotation[0], camera.rotation[1], camera.rotation[2], camera.position)
          for index in frame * pixels..<(frame + 1) * pixels {
            let depth = depths[index]
            let local = SIMD3(rays[3 * index], rays[3 * index + 1], rays[3 * index + 2]) * depth
            let place = SIMD3((x * local).sum(), (y * local).sum(), (z * local).sum()) + position
            let counts = depth > 0 && depth.isFinite && all(place .>= low) && all(place .<= high)
            let row = counts ? SIMD4((place - center) / scale, 1) : .zero
            for column in 0..<4 { buffer[4 * index + column] = row[column] }
          }
        }
      }
    }
  }

  /// Refuses observations of which nothing lies in the box.
  /// - Throws: `EncoderError.emptyWorkspace`.
  func check(_ observations: ObservationBatch, encoder: String) throws {
    let isSeen = observations.images.keys.contains { key in
      places(CameraKeys(key), observations).sliced(axis: 2, 3..<4).scalars.contains(1)
    }
    guard isSeen else { throw EncoderError.emptyWorkspace(encoder: encoder) }
  }

  /// The same of what is observed of a camera; frames window by window.
  func places(_ camera: CameraKeys, _ observations: ObservationBatch) -> Tensor {
    let size = observations.images[camera.image]!.size
    let depths = observations.vectors[camera.depth]!
    var calibrations = observations.vectors[camera.calibration]!
    if let gripper {
      // Cameras as the gripper sees them: the positions are the last column of their 3x4 matrices, after four numbers.
      let positions = Tensor(
        (0..<3).flatMap { axis in (0..<CameraCalibration.width).map { $0 == 4 * axis + 7 ? 1 : 0 } },
        shape: [3, CameraCalibration.width])
      let place = observations.unnormalized[gripper]!
      calibrations =
        calibrations
        - place.reshaped([-1, 3]).matmul(positions, precisely: true).reshaped(calibrations.shape)
    }
    return GraphTrace.operation(
      "places in a workspace", [depths, calibrations],
      ["size": .ints([size.height, size.width]), "corners": .floats(corners), "middle": .floats(middle)]
    ) { places(size, depths: depths.scalars, calibrations: calibrations.scalars) }
  }

  /// The lower corner, then the other.
  private var corners: [Float] { [low.x, low.y, low.z, high.x, high.y, high.z] }
  /// The center, then the scale.
  private var middle: [Float] { [center.x, center.y, center.z, scale] }
}

extension ObservationSchema {
  /// The cameras, each with its depths and its calibration.
  /// - Parameter gripper: a key that has to be there, too.
  /// - Throws: `EncoderError` or `CameraError` when there is none or one lacks something.
  func camerasWithGeometry(for encoder: String, gripper: String? = nil) throws -> [CameraKeys] {
    if let gripper, vectors[gripper] != 3 {
      throw CameraError.noGripper(gripper, reason: "is not among observations.vectors, or not a position of 3 numbers")
    }
    guard !images.isEmpty else { throw EncoderError.noCamera(encoder: encoder) }
    let cameras = imageKeys.map { CameraKeys($0) }
    for key in vectorKeys where CameraKeys.isGeometry(key, width: vectors[key]!) {
      let image = CameraKeys.image(ofGeometry: key)
      guard images[image] != nil else { throw EncoderError.missingImage(image, of: key, encoder: encoder) }
    }
    for camera in cameras {
      try checkGeometry([camera], depths: true, calibrations: true, size: images[camera.image]!, for: encoder)
    }
    return cameras
  }
}
