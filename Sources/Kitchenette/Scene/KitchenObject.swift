#if Kitchenette
  /// A thing to pick up.
  struct KitchenObject: Sendable {
    let category: String
    let color: String
    let instance: String
    let shape: Shape
    let rgb: Vector

    /// What the instruction calls it.
    var phrase: String { "\(color) \(category)" }

    /// From its middle to its top, meters.
    var halfHeight: Double {
      switch shape {
      case .box(let half), .ellipsoid(let half): half.z
      case .sphere(let radius): radius
      case .cylinder(_, let half): half
      case .capsule(let radius, let half): half + radius
      }
    }

    private static let shades: [String: [UInt32]] = [
      "red": [0xd32f2f, 0xc62f45, 0xe0443a], "blue": [0x2f5fd0, 0x2a78c8, 0x3d4fc2],
      "green": [0x2e9b45, 0x4aa832, 0x1f8a5c],
      "yellow": [0xf2c21a, 0xeacb3a, 0xf5b400], "purple": [0x8139b5, 0x6f3aa8, 0x9646a8],
    ]

    private init(_ category: String, _ color: String, shade: Int, size: Double, holdOut: Bool) {
      self.category = category
      self.color = color
      rgb = Vector(hexadecimal: KitchenObject.shades[color]![shade])
      instance = "\(category)_\(color)_\(shade)\(holdOut ? "_b" : "_a")"
      shape =
        switch category {
        case "can": .cylinder(radius: 0.024 * size, half: 0.040 * size)
        case "box": .box(Vector(0.022, 0.022, 0.040) * size)
        case "cup": .cylinder(radius: 0.027 * size, half: 0.032 * size)
        default: .ellipsoid(Vector(0.029, 0.026, 0.023) * size)
        }
    }

    /// Instances for training. Each category and each color occurs, not each pair.
    static let training: [KitchenObject] = [
      KitchenObject("can", "red", shade: 0, size: 1.0, holdOut: false),
      KitchenObject("can", "blue", shade: 0, size: 1.05, holdOut: false),
      KitchenObject("can", "green", shade: 1, size: 0.95, holdOut: false),
      KitchenObject("box", "yellow", shade: 0, size: 1.0, holdOut: false),
      KitchenObject("box", "purple", shade: 0, size: 0.95, holdOut: false),
      KitchenObject("box", "blue", shade: 1, size: 1.05, holdOut: false),
      KitchenObject("cup", "green", shade: 0, size: 1.0, holdOut: false),
      KitchenObject("cup", "red", shade: 1, size: 1.05, holdOut: false),
      KitchenObject("cup", "yellow", shade: 1, size: 0.95, holdOut: false),
      KitchenObject("egg", "purple", shade: 1, size: 1.0, holdOut: false),
      KitchenObject("egg", "blue", shade: 0, size: 1.0, holdOut: false),
      KitchenObject("egg", "red", shade: 0, size: 0.97, holdOut: false),
    ]

    /// Instances for evaluation: other pairs, shades and sizes of the same words.
    static let evaluation: [KitchenObject] = [
      KitchenObject("can", "yellow", shade: 2, size: 1.02, holdOut: true),
      KitchenObject("can", "purple", shade: 2, size: 0.98, holdOut: true),
      KitchenObject("box", "red", shade: 2, size: 1.02, holdOut: true),
      KitchenObject("box", "green", shade: 2, size: 0.97, holdOut: true),
      KitchenObject("cup", "blue", shade: 2, size: 1.02, holdOut: true),
      KitchenObject("egg", "green", shade: 2, size: 1.03, holdOut: true),
    ]

    /// The free body at the origin; an episode puts it in its place.
    func write(to markup: inout Markup) {
      markup.element("body", ["name": "obj"]) { body in
        body.element("freejoint", ["name": "obj"])
        body.shape(shape, at: .zero, "object", .object, mass: 0.10, name: "obj")
        let top = halfHeight
        switch shape {
        case .cylinder(let radius, _) where category == "can":
          for z in [-top + 0.003, top - 0.002] {
            body.shape(.cylinder(radius: radius * 0.93, half: 0.0035), at: Vector(0, 0, z), "chrome", mass: 0)
          }
          body.shape(.cylinder(radius: radius * 1.01, half: top * 0.3), at: .zero, "paper", mass: 0)
        case .cylinder(let radius, _):
          body.shape(
            .cylinder(radius: radius * 0.86, half: 0.002), at: Vector(0, 0, top - 0.001), "paper", mass: 0)
        case .box(let half):
          body.shape(
            .box(Vector(half.x * 1.01, half.y * 1.01, half.z * 0.28)), at: Vector(0, 0, half.z * 0.2), "paper", mass: 0)
        default: break
        }
      }
    }
  }
#endif
