import Foundation

extension SIMD3<Double> {
  package func dot(_ other: Self) -> Double { x * other.x + y * other.y + z * other.z }
  package func cross(_ other: Self) -> Self {
    SIMD3(y * other.z - z * other.y, z * other.x - x * other.z, x * other.y - y * other.x)
  }
  package var length: Double { dot(self).squareRoot() }
  /// The same direction, no longer than `limit`.
  package func limited(to limit: Double) -> Self { length > limit ? self * (limit / length) : self }
}

/// A rotation as a unit quaternion.
public struct Rotation: Sendable, Equatable {
  /// The cosine of half the angle.
  public var w: Double
  /// The axis times the sine of half the angle.
  public var vector: SIMD3<Double>

  /// No rotation.
  public static let identity = Rotation(w: 1, vector: .zero)

  /// Takes a quaternion of length 1.
  public init(w: Double, vector: SIMD3<Double>) {
    self.w = w
    self.vector = vector
  }

  /// From a rotation vector: its direction is the axis, its length the angle, radians.
  public init(_ rotation: SIMD3<Double>) {
    let angle = rotation.length
    guard angle > 1e-12 else {
      self.init(w: 1, vector: rotation / 2)
      return
    }
    self.init(w: cos(angle / 2), vector: rotation * (sin(angle / 2) / angle))
  }

  /// About the vertical, radians.
  public init(yaw: Double) { self.init(SIMD3(0, 0, yaw)) }

  /// `b`, then `a`.
  public static func * (a: Rotation, b: Rotation) -> Rotation {
    Rotation(
      w: a.w * b.w - a.vector.dot(b.vector), vector: a.w * b.vector + b.w * a.vector + a.vector.cross(b.vector))
  }

  /// `v` turned by `a`.
  public static func * (a: Rotation, v: SIMD3<Double>) -> SIMD3<Double> {
    let t = 2 * a.vector.cross(v)
    return v + a.w * t + a.vector.cross(t)
  }

  /// The rotation back.
  public var inverse: Rotation { Rotation(w: w, vector: -vector) }

  /// The rotation vector, at most half a turn long.
  public var logarithm: SIMD3<Double> {
    let sign: Double = w < 0 ? -1 : 1
    let length = vector.length
    guard length > 1e-12 else { return 2 * sign * vector }
    return vector * (2 * sign * atan2(length, sign * w) / length)
  }
}

/// A place, meters, and an orientation.
public struct Pose: Sendable, Equatable {
  /// Meters.
  public var position: SIMD3<Double>
  /// From the pose's own axes to those of the frame it is given in.
  public var rotation: Rotation

  /// The frame's own place.
  public static let identity = Pose(position: .zero, rotation: .identity)

  /// - Parameter position: meters.
  public init(position: SIMD3<Double>, rotation: Rotation) {
    self.position = position
    self.rotation = rotation
  }

  /// The pose in the world of this pose seen from `frame`.
  public func placed(in frame: Pose) -> Pose {
    Pose(position: frame.position + frame.rotation * position, rotation: frame.rotation * rotation)
  }

  /// This pose, given in the world, seen from `frame`.
  public func seen(from frame: Pose) -> Pose {
    Pose(position: frame.rotation.inverse * (position - frame.position), rotation: frame.rotation.inverse * rotation)
  }

  /// A share of the way to `other`: places on a straight line, rotations about one axis.
  public func moved(to other: Pose, share: Double) -> Pose {
    let turn = (other.rotation * rotation.inverse).logarithm
    return Pose(
      position: position + (other.position - position) * share, rotation: Rotation(turn * share) * rotation)
  }

  /// Rows of the 4x4 matrix, as MimicGen's files have poses.
  package var matrix: [Double] {
    let columns = [SIMD3<Double>(1, 0, 0), SIMD3(0, 1, 0), SIMD3(0, 0, 1)].map { rotation * $0 } + [position]
    return (0..<3).flatMap { row in columns.map { $0[row] } } + [0, 0, 0, 1]
  }

  /// Undoes `matrix`; of sixteen numbers.
  package init(matrix: [Double]) {
    let turn = AxisAngle.from(
      firstTwoRows: [matrix[0], matrix[1], matrix[2], matrix[4], matrix[5], matrix[6]])
    self.init(
      position: SIMD3(matrix[3], matrix[7], matrix[11]), rotation: Rotation(SIMD3(turn[0], turn[1], turn[2])))
  }
}
