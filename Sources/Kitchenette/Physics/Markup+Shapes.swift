#if Kitchenette
  import Imitation

  /// How a shape takes part in collisions; the names are MJCF default classes.
  enum Surface: String {
    /// Seen, never touched.
    case decor
    /// Furniture: touched by the robot and by objects.
    case furniture
    /// Robot parts: they touch furniture and objects, not each other.
    case robot
    /// Things that lie about: they touch everything.
    case object
  }

  /// A primitive with its half extents in meters.
  enum Shape {
    case box(_ half: Vector)
    case ellipsoid(_ half: Vector)
    case sphere(_ radius: Double)
    /// Along the z axis of its frame.
    case cylinder(radius: Double, half: Double)
    case capsule(radius: Double, half: Double)

    var name: String {
      switch self {
      case .box: "box"
      case .ellipsoid: "ellipsoid"
      case .sphere: "sphere"
      case .cylinder: "cylinder"
      case .capsule: "capsule"
      }
    }

    var size: [Double] {
      switch self {
      case .box(let half), .ellipsoid(let half): [half.x, half.y, half.z]
      case .sphere(let radius): [radius]
      case .cylinder(let radius, let half), .capsule(let radius, let half): [radius, half]
      }
    }
  }

  extension Markup {
    /// A shape of `material`; `axis` is where its own z axis points.
    mutating func shape(
      _ shape: Shape, at position: Vector, _ material: String, _ surface: Surface = .decor,
      axis: Vector = Vector(0, 0, 1), mass: Double? = nil, name: String? = nil
    ) {
      let massText = mass.map { " mass=\"\($0.markup)\"" } ?? ""
      let nameText = name.map { "name=\"\($0)\" " } ?? ""
      line(
        "<geom \(nameText)class=\"\(surface.rawValue)\" type=\"\(shape.name)\" size=\"\(shape.size.markup)\""
          + " pos=\"\(position.markup)\" zaxis=\"\(axis.markup)\" material=\"\(material)\"\(massText)/>")
    }

    /// A box given by its two corners.
    mutating func block(
      from low: Vector, to high: Vector, _ material: String, _ surface: Surface = .decor, mass: Double? = nil,
      name: String? = nil
    ) {
      shape(.box((high - low) / 2), at: (low + high) / 2, material, surface, mass: mass, name: name)
    }

    /// A box that reaches `half` to both sides of `center` along y.
    mutating func slab(
      _ x: ClosedRange<Double>, _ center: Double, _ half: Double, _ z: ClosedRange<Double>, _ material: String,
      _ surface: Surface = .decor
    ) {
      block(
        from: Vector(x.lowerBound, center - half, z.lowerBound), to: Vector(x.upperBound, center + half, z.upperBound),
        material, surface)
    }

    /// A capsule between two points.
    mutating func capsule(
      from start: Vector, to end: Vector, radius: Double, _ material: String, _ surface: Surface = .decor,
      mass: Double? = nil
    ) {
      let axis = end - start
      shape(
        .capsule(radius: radius, half: axis.length / 2), at: (start + end) / 2, material, surface, axis: axis,
        mass: mass)
    }
  }
#endif
