import Foundation

/// A Gaussian before the camera: what its projection and its backward pass need.
struct Projection {
  var rotation: Matrix3
  var scale: SIMD3<Float>
  /// In the camera's frame.
  var mean: SIMD3<Float>
  /// The mean's x and y, kept near the image, and whether they had to be moved.
  var kept: SIMD2<Float>
  var isMoved: SIMDMask<SIMD2<Int32>>
  /// In the camera's frame: of the world's covariance, and its half, `view * rotation * scale`.
  var half: Matrix3
  /// The rows of the projection's Jacobian.
  var jacobian: (SIMD3<Float>, SIMD3<Float>)
  /// The inverse of the covariance on the image: a, b, c.
  var conic: SIMD3<Float>
  /// The variances on the image.
  var variances: SIMD2<Float>
}

/// Three rows.
package struct Matrix3 {
  package var rows: (SIMD3<Float>, SIMD3<Float>, SIMD3<Float>)

  package init(_ a: SIMD3<Float>, _ b: SIMD3<Float>, _ c: SIMD3<Float>) { rows = (a, b, c) }

  package var transposed: Matrix3 {
    let (a, b, c) = rows
    return Matrix3(SIMD3(a.x, b.x, c.x), SIMD3(a.y, b.y, c.y), SIMD3(a.z, b.z, c.z))
  }

  package static func * (m: Matrix3, v: SIMD3<Float>) -> SIMD3<Float> {
    SIMD3((m.rows.0 * v).sum(), (m.rows.1 * v).sum(), (m.rows.2 * v).sum())
  }

  static func * (a: Matrix3, b: Matrix3) -> Matrix3 {
    func row(_ r: SIMD3<Float>) -> SIMD3<Float> { r.x * b.rows.0 + r.y * b.rows.1 + r.z * b.rows.2 }
    return Matrix3(row(a.rows.0), row(a.rows.1), row(a.rows.2))
  }

  /// Each column by its own factor.
  func columns(times f: SIMD3<Float>) -> Matrix3 { Matrix3(rows.0 * f, rows.1 * f, rows.2 * f) }

  init(quaternion q: SIMD4<Float>) {
    let (w, x, y, z) = (q.x, q.y, q.z, q.w)
    self.init(
      SIMD3(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
      SIMD3(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
      SIMD3(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)))
  }
}

extension SplattingView {
  var matrix: Matrix3 { Matrix3(rotation[0], rotation[1], rotation[2]) }

  /// Variance added on the image, in square pixels, so that no Gaussian slips between the pixels.
  static let blur: Float = 0.3

  /// Nil when there is nothing to draw. Inlined, so that what a caller does not use is not computed.
  @inline(__always) func project(_ mean: SIMD3<Float>, _ scale: SIMD3<Float>, _ quaternion: SIMD4<Float>) -> Projection?
  {
    let position = matrix * mean + translation
    let length = (quaternion * quaternion).sum().squareRoot()
    guard position.z > near, position.z.isFinite, length > 0, length.isFinite else { return nil }
    // Far beside the image the projection is no longer like a straight one: there it is taken from its edge.
    let margin = 0.15 * SIMD2(Float(width), Float(height)) / focal
    let low = -(center / focal) - margin
    let high = (SIMD2(Float(width), Float(height)) - center) / focal + margin
    let ratio = SIMD2(position.x, position.y) / position.z
    let clipped = pointwiseMin(pointwiseMax(ratio, low), high)
    let kept = clipped * position.z
    let rotation = Matrix3(quaternion: quaternion / length)
    let half = (matrix * rotation).columns(times: scale)
    let (fx, fy, z) = (focal.x, focal.y, position.z)
    let jacobian = (SIMD3(fx / z, 0, -fx * kept.x / (z * z)), SIMD3(0, fy / z, -fy * kept.y / (z * z)))
    // J half, two rows of three: the covariance is that times its transpose.
    let across = half.transposed
    let (first, second) = (across * jacobian.0, across * jacobian.1)
    let variances = SIMD2((first * first).sum(), (second * second).sum()) + SplattingView.blur
    let covariance = (first * second).sum()
    let determinant = variances.x * variances.y - covariance * covariance
    guard determinant > 0, determinant.isFinite else { return nil }
    return Projection(
      rotation: rotation, scale: scale, mean: position, kept: kept, isMoved: ratio .!= clipped, half: half,
      jacobian: jacobian, conic: SIMD3(variances.y, -covariance, variances.x) / determinant, variances: variances)
  }
}
