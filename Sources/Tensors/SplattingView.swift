/// From where Gaussians are drawn: a pinhole camera that looks along its z axis, x to the right and y down.
public struct SplattingView: Sendable, Equatable {
  /// Of the image, in pixels.
  public var width, height: Int
  /// Focal lengths and the middle of the image, in pixels.
  public var focal, center: SIMD2<Float>
  /// The rows of the rotation from the world to the camera.
  public var rotation: [SIMD3<Float>]
  /// What is added behind the rotation.
  public var translation: SIMD3<Float>
  /// Nothing nearer is drawn.
  public var near: Float

  /// - Parameter rotation: the rows of the rotation from the world to the camera.
  public init(
    width: Int, height: Int, focal: SIMD2<Float>, center: SIMD2<Float>,
    rotation: [SIMD3<Float>] = [SIMD3(1, 0, 0), SIMD3(0, 1, 0), SIMD3(0, 0, 1)], translation: SIMD3<Float> = .zero,
    near: Float = 0.01
  ) {
    precondition(rotation.count == 3 && width > 0 && height > 0)
    self.width = width
    self.height = height
    self.focal = focal
    self.center = center
    self.rotation = rotation
    self.translation = translation
    self.near = near
  }
}
