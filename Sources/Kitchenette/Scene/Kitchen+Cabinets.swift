#if Kitchenette
  extension Kitchen {
    /// How far a drawer comes out, meters.
    static let drawerTravel = 0.20
    /// Where a drawer's handle is when it is closed: the middle of the bar.
    static let handle = Vector(-0.085, 0, 0.735)
    /// From the middle of the cabinet to the middle of a drawer.
    static let drawerOffset = 0.235
    static let drawerNames = ["drawer_left", "drawer_right"]

    /// A counter top of `width` with its wooden slab set back from the fronts, so that a gripper can reach down before it.
    func writeCounter(at center: Double, width: Double, to world: inout Markup) {
      world.slab(
        0.025...Layout.depth, center, width / 2, Layout.counterHeight - 0.04...Layout.counterHeight, "wood", .furniture)
    }

    /// A toe kick and a carcass from `bottom` to `top`.
    func writeCarcass(at center: Double, width: Double, bottom: Double = 0.1, top: Double, to world: inout Markup) {
      world.slab(0.06...Layout.depth, center, width / 2, 0...0.1, "kick")
      world.slab(0.025...Layout.depth, center, width / 2, bottom...top, "cabinet", .furniture)
    }

    /// A shaker door with a vertical bar, only to look at.
    func writeDoor(
      at center: Double, width: Double, bottom: Double, top: Double, front: Double = 0, handleAt side: Double,
      handleHigh: Bool = true, to world: inout Markup
    ) {
      let half = width / 2 - 0.006
      world.slab(front...front + 0.02, center, half, bottom...top, "panel", .furniture)
      world.slab(front - 0.001...front + 0.002, center, half - 0.055, bottom + 0.055...top - 0.055, "inset")
      let y = center + side * (half - 0.03)
      let z = handleHigh ? top - 0.11 : bottom + 0.11
      world.capsule(
        from: Vector(front - 0.03, y, z - 0.05), to: Vector(front - 0.03, y, z + 0.05), radius: 0.006, "handle")
    }

    func writeCupboard(at center: Double, to world: inout Markup) {
      let width = Fixture.cupboard.width
      writeCounter(at: center, width: width, to: &world)
      writeCarcass(at: center, width: width, top: Layout.counterHeight - 0.04, to: &world)
      writeDoor(at: center, width: width, bottom: 0.12, top: 0.85, handleAt: 1, to: &world)
      writeUpper(at: center, width: width, to: &world)
      // A plant.
      world.shape(.cylinder(radius: 0.05, half: 0.05), at: Vector(0.47, center, 0.97), "clay", .furniture)
      world.shape(.ellipsoid(Vector(0.09, 0.09, 0.10)), at: Vector(0.47, center, 1.10), "leaf")
    }

    /// Wall cabinets.
    func writeUpper(at center: Double, width: Double, to world: inout Markup) {
      world.slab(0.30...Layout.depth, center, width / 2, 1.51...2.15, "cabinet", .furniture)
      let doors = width > 0.6 ? 2 : 1
      for door in 0..<doors {
        let each = width / Double(doors)
        writeDoor(
          at: center - width / 2 + each * (Double(door) + 0.5), width: each, bottom: 1.53, top: 2.13, front: 0.28,
          handleAt: door == 0 ? 1 : -1, handleHigh: false, to: &world)
      }
    }

    func writeFridge(at center: Double, to world: inout Markup) {
      let half = Fixture.fridge.width / 2 - 0.01
      world.slab(0.04...Layout.depth, center, half, 0.04...1.95, "appliance_edge", .furniture)
      world.slab(-0.01...0.04, center, half, 0.06...0.70, "appliance", .furniture)
      world.slab(-0.01...0.04, center, half, 0.72...1.94, "appliance", .furniture)
      for (low, high) in [(0.42, 0.66), (0.80, 1.25)] {
        world.capsule(
          from: Vector(-0.045, center + half - 0.06, low), to: Vector(-0.045, center + half - 0.06, high), radius: 0.01,
          "chrome")
      }
      world.block(from: Vector(-0.012, center - 0.14, 1.42), to: Vector(-0.009, center + 0.02, 1.62), "paper")
      world.block(from: Vector(-0.013, center - 0.08, 1.60), to: Vector(-0.009, center - 0.04, 1.63), "accent")
    }

    func writeDrawers(at center: Double, to world: inout Markup) {
      let width = Fixture.drawers.width
      writeCounter(at: center, width: width, to: &world)
      // The frame around the drawers: doors below, a rail above, posts between.
      writeCarcass(at: center, width: width, top: 0.58, to: &world)
      world.slab(0.025...Layout.depth, center, width / 2, 0.785...0.88, "cabinet", .furniture)
      for offset in [-width / 2 + 0.008, 0, width / 2 - 0.008] {
        world.slab(0.025...Layout.depth, center + offset, 0.008, 0.58...0.785, "cabinet")
      }
      for (index, sign) in [1.0, -1.0].enumerated() {
        let y = center + sign * Kitchen.drawerOffset
        writeDoor(at: y, width: 0.47, bottom: 0.12, top: 0.56, handleAt: -sign, to: &world)
        writeDrawer(Kitchen.drawerNames[index], at: y, to: &world)
      }
      writeUpper(at: center, width: width, to: &world)
      // A bread bin and a jar at the wall.
      world.block(
        from: Vector(0.38, center + 0.10, 0.92), to: Vector(0.58, center + 0.40, 1.08), "appliance", .furniture)
      world.block(from: Vector(0.376, center + 0.13, 0.95), to: Vector(0.381, center + 0.37, 1.05), "appliance_edge")
      world.shape(.cylinder(radius: 0.045, half: 0.07), at: Vector(0.5, center - 0.2, 0.99), "paper", .furniture)
      world.shape(.cylinder(radius: 0.047, half: 0.012), at: Vector(0.5, center - 0.2, 1.07), "handle")
    }

    private func writeDrawer(_ name: String, at center: Double, to world: inout Markup) {
      world.element("body", ["name": name, "pos": Vector(0, center, 0)]) { drawer in
        drawer.element(
          "joint",
          [
            "name": name, "type": "slide", "axis": "-1 0 0", "limited": "true", "range": [0, Kitchen.drawerTravel],
            "damping": 12, "frictionloss": 1.5,
          ])
        drawer.block(
          from: Vector(0, -0.222, 0.595), to: Vector(0.02, 0.222, 0.77), "panel", .furniture, mass: 0.8)
        drawer.block(from: Vector(-0.001, -0.18, 0.63), to: Vector(0.002, 0.18, 0.70), "inset", mass: 0)
        drawer.block(from: Vector(0.02, -0.205, 0.605), to: Vector(0.45, 0.205, 0.615), "inside", .furniture, mass: 0.8)
        for side in [-0.205, 0.195] {
          drawer.block(
            from: Vector(0.02, side, 0.605), to: Vector(0.45, side + 0.01, 0.72), "inset", .furniture, mass: 0.2)
        }
        drawer.block(from: Vector(0.44, -0.205, 0.605), to: Vector(0.45, 0.205, 0.72), "inset", .furniture, mass: 0.2)
        let bar = Kitchen.handle
        drawer.capsule(
          from: bar + Vector(0, -0.095, 0), to: bar + Vector(0, 0.095, 0), radius: 0.010, "handle", .furniture,
          mass: 0.1)
        for y in [-0.09, 0.09] {
          drawer.capsule(
            from: Vector(0, y, bar.z), to: Vector(bar.x, y, bar.z), radius: 0.007, "handle", .furniture, mass: 0.02)
        }
      }
    }
  }
#endif
