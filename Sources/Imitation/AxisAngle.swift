import Foundation

/// Rotations as an axis times an angle (radians), and as the six numbers that networks learn better: the first two rows of
/// the rotation matrix (Zhou et al. 2019, "On the Continuity of Rotation Representations in Neural Networks").
package enum AxisAngle {
  /// The first two rows of the rotation matrix (Rodrigues), flattened.
  package static func firstTwoRows(_ vector: [Double]) -> [Double] {
    let angle = (vector[0] * vector[0] + vector[1] * vector[1] + vector[2] * vector[2]).squareRoot()
    guard angle > 1e-12 else { return [1, 0, 0, 0, 1, 0] }
    let (x, y, z) = (vector[0] / angle, vector[1] / angle, vector[2] / angle)
    let (c, s) = (cos(angle), sin(angle))
    let t = 1 - c
    return [t * x * x + c, t * x * y - s * z, t * x * z + s * y, t * x * y + s * z, t * y * y + c, t * y * z - s * x]
  }

  /// The rotation that six numbers are nearest to by Gram and Schmidt: they need not be orthogonal, nor of length 1.
  ///
  /// - Returns: an axis times an angle of 0...π; no turn where the six numbers give no direction.
  package static func from(firstTwoRows six: [Double]) -> [Double] {
    func normalized(_ v: SIMD3<Double>) -> SIMD3<Double>? {
      let length = (v * v).sum().squareRoot()
      return length > 1e-9 && length.isFinite ? v / length : nil
    }
    let second = SIMD3(six[3], six[4], six[5])
    guard let a = normalized(SIMD3(six[0], six[1], six[2])), let b = normalized(second - a * (a * second).sum())
    else { return [0, 0, 0] }
    let c = SIMD3(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x)
    // By way of a quaternion whose largest component is computed first: exact near half a turn, too.
    let squares = [1 + a.x + b.y + c.z, 1 + a.x - b.y - c.z, 1 - a.x + b.y - c.z, 1 - a.x - b.y + c.z]
    var (w, x, y, z): (Double, Double, Double, Double)
    switch squares.firstIndex(of: squares.max()!)! {
    case 0: (w, x, y, z) = (squares[0], c.y - b.z, a.z - c.x, b.x - a.y)
    case 1: (w, x, y, z) = (c.y - b.z, squares[1], a.y + b.x, a.z + c.x)
    case 2: (w, x, y, z) = (a.z - c.x, a.y + b.x, squares[2], b.z + c.y)
    default: (w, x, y, z) = (b.x - a.y, a.z + c.x, b.z + c.y, squares[3])
    }
    if w < 0 { (w, x, y, z) = (-w, -x, -y, -z) }
    let sine = (x * x + y * y + z * z).squareRoot()
    guard sine > 1e-12 * w else { return [0, 0, 0] }
    let scale = 2 * atan2(sine, w) / sine
    return [x * scale, y * scale, z * scale]
  }
}
