#if Kitchenette
  import Imitation

  /// A position, a direction or a rotation vector in meters or radians.
  typealias Vector = SIMD3<Double>

  extension SIMD3<Double> {
    /// Red, green and blue in 0...1 of a color written as on web pages.
    init(hexadecimal value: UInt32) {
      self = Vector(Double(value >> 16 & 255), Double(value >> 8 & 255), Double(value & 255)) / 255
    }

    /// The part in the floor's plane.
    var horizontal: Vector { Vector(x, y, 0) }
  }

  extension Rotation {
    /// The gripper's orientation when it points down and its x axis points where the robot looks.
    static let down = Rotation(w: 0, vector: Vector(1, 0, 0))

    /// x, y, z, w as RoboCasa writes it, with the sign that makes the largest component positive: a gripper that points down
    /// has w near 0, and the usual choice (w not negative) would flip all four numbers at random.
    var xyzw: [Float] {
      let values = [vector.x, vector.y, vector.z, w]
      let largest = values.max { abs($0) < abs($1) } ?? 1
      return values.map { Float(largest < 0 ? -$0 : $0) }
    }
  }
#endif
