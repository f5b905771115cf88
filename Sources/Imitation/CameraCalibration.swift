import Foundation
import Tensors

/// A pinhole camera and where it is: x to the right, y down, z along the view (OpenCV's axes).
public struct CameraCalibration: Sendable, Equatable {
  /// In pixels.
  public var focal, center: SIMD2<Float>
  /// The rows of the rotation from the camera to the robot's base.
  public var rotation: [SIMD3<Float>]
  /// The camera in the base's frame, meters.
  public var position: SIMD3<Float>

  /// Numbers of a calibration as observed.
  public static let width = 16

  /// - Parameter rotation: rows, from the camera to the robot's base.
  public init(focal: SIMD2<Float>, center: SIMD2<Float>, rotation: [SIMD3<Float>], position: SIMD3<Float>) {
    self.focal = focal
    self.center = center
    self.rotation = rotation
    self.position = position
  }

  /// A camera of which only the image's size and the vertical angle of view, degrees, are known, at the origin.
  public init(fieldOfView: Float, size: ObservationSchema.ImageSize) {
    let focal = Float(size.height) / 2 / tan(fieldOfView * .pi / 360)
    self.init(
      focal: SIMD2(focal, focal), center: SIMD2(Float(size.width) / 2, Float(size.height) / 2),
      rotation: [SIMD3(1, 0, 0), SIMD3(0, 1, 0), SIMD3(0, 0, 1)], position: .zero)
  }

  /// The frame that cameras are in, as observations' schemas name it.
  package static let frame = "robot base"

  /// The base itself, as a place to look from.
  package static let base = CameraCalibration(
    focal: SIMD2(1, 1), center: .zero, rotation: [SIMD3(1, 0, 0), SIMD3(0, 1, 0), SIMD3(0, 0, 1)], position: .zero)

  /// fx, fy, cx, cy, then the 3x4 matrix from the camera to the base, row by row.
  public var numbers: [Float] {
    [focal.x, focal.y, center.x, center.y]
      + (0..<3).flatMap { [rotation[$0].x, rotation[$0].y, rotation[$0].z, position[$0]] }
  }

  /// - Parameter numbers: the sixteen that `numbers` gives.
  public init(_ numbers: [Float]) {
    precondition(numbers.count == CameraCalibration.width, "CameraCalibration: \(numbers.count) numbers, not 16")
    func row(_ index: Int) -> SIMD3<Float> {
      SIMD3(numbers[4 + 4 * index], numbers[5 + 4 * index], numbers[6 + 4 * index])
    }
    self.init(
      focal: SIMD2(numbers[0], numbers[1]), center: SIMD2(numbers[2], numbers[3]), rotation: (0..<3).map(row),
      position: SIMD3(numbers[7], numbers[11], numbers[15]))
  }

  /// Why these sixteen values are no camera; nil when they may be one.
  package var whatIsWrong: String? {
    guard focal.x > 0, focal.y > 0 else { return "has a focal length that is not above 0" }
    for (a, b) in [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)] {
      let product = (rotation[a] * rotation[b]).sum()
      guard abs(product - (a == b ? 1 : 0)) < 0.01 else { return "has a matrix that is no rotation" }
    }
    let distance = (position * position).sum().squareRoot()
    return distance < 100 ? nil : "puts the camera \(distance) meters away"
  }

  /// Why it is no camera of images of this size; nil when it may be one. A center far from the images' middle is another size's.
  package func whatIsWrong(for size: ObservationSchema.ImageSize) -> String? {
    let (width, height) = (Float(size.width), Float(size.height))
    guard abs(center.x - width / 2) <= width / 4, abs(center.y - height / 2) <= height / 4 else {
      return
        "has its center at (\(center.x), \(center.y)), images are \(size.width)x\(size.height): it is of another size's"
    }
    return whatIsWrong
  }

  /// The camera as a view of a world whose frame is `reference`'s.
  public func view(_ size: ObservationSchema.ImageSize, from reference: CameraCalibration) -> SplattingView {
    // From the base to a camera.
    func back(_ rows: [SIMD3<Float>]) -> Matrix3 { Matrix3(rows[0], rows[1], rows[2]).transposed }
    let (mine, theirs) = (back(rotation), back(reference.rotation))
    return SplattingView(
      width: size.width, height: size.height, focal: focal, center: center,
      rotation: [theirs * mine.rows.0, theirs * mine.rows.1, theirs * mine.rows.2],
      translation: mine * (reference.position - position))
  }
}
