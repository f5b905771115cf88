#if Kitchenette
  import Foundation

  /// A position, a direction or a rotation vector in metres or radians.
  typealias Vector = SIMD3<Double>

  extension SIMD3<Double> {
    func dot(_ other: Vector) -> Double { x * other.x + y * other.y + z * other.z }
    func cross(_ other: Vector) -> Vector {
      Vector(y * other.z - z * other.y, z * other.x - x * other.z, x * other.y - y * other.x)
    }
    var length: Double { dot(self).squareRoot() }
    /// The same direction, no longer than `limit`.
    func limited(to limit: Double) -> Vector { length > limit ? self * (limit / length) : self }
    /// The part in the floor's plane.
    var horizontal: Vector { Vector(x, y, 0) }
  }

  /// A rotation as a unit quaternion.
  struct Rotation: Sendable {
    var w: Double
    var vector: Vector

    static let identity = Rotation(w: 1, vector: .zero)
    /// The gripper's orientation when it points down and its x axis points where the robot looks.
    static let down = Rotation(w: 0, vector: Vector(1, 0, 0))

    init(w: Double, vector: Vector) {
      self.w = w
      self.vector = vector
    }

    /// From a rotation vector: its direction is the axis, its length the angle.
    init(_ rotation: Vector) {
      let angle = rotation.length
      guard angle > 1e-12 else {
        self.init(w: 1, vector: rotation / 2)
        return
      }
      self.init(w: cos(angle / 2), vector: rotation * (sin(angle / 2) / angle))
    }

    /// About the vertical.
    init(yaw: Double) { self.init(Vector(0, 0, yaw)) }

    static func * (a: Rotation, b: Rotation) -> Rotation {
      Rotation(
        w: a.w * b.w - a.vector.dot(b.vector), vector: a.w * b.vector + b.w * a.vector + a.vector.cross(b.vector))
    }

    static func * (a: Rotation, v: Vector) -> Vector {
      let t = 2 * a.vector.cross(v)
      return v + a.w * t + a.vector.cross(t)
    }

    var inverse: Rotation { Rotation(w: w, vector: -vector) }

    /// The rotation vector, at most half a turn long.
    var logarithm: Vector {
      let sign: Double = w < 0 ? -1 : 1
      let length = vector.length
      guard length > 1e-12 else { return 2 * sign * vector }
      return vector * (2 * sign * atan2(length, sign * w) / length)
    }

    /// x, y, z, w as RoboCasa writes it, with the sign that makes the largest component positive: a gripper that points down
    /// has w near 0, and the usual choice (w not negative) would flip all four numbers at random.
    var xyzw: [Float] {
      let values = [vector.x, vector.y, vector.z, w]
      let largest = values.max { abs($0) < abs($1) } ?? 1
      return values.map { Float(largest < 0 ? -$0 : $0) }
    }
  }

  /// A place and an orientation.
  struct Pose: Sendable {
    var position: Vector
    var rotation: Rotation

    /// The pose in the world of this pose seen from `frame`.
    func placed(in frame: Pose) -> Pose {
      Pose(position: frame.position + frame.rotation * position, rotation: frame.rotation * rotation)
    }

    /// This pose, given in the world, seen from `frame`.
    func seen(from frame: Pose) -> Pose {
      Pose(
        position: frame.rotation.inverse * (position - frame.position), rotation: frame.rotation.inverse * rotation)
    }
  }
#endif
