#if Kitchenette
  extension Kitchen {
    static let knobNames = ["knob_left", "knob_right"]
    /// From the middle of the stove to a knob's axis.
    static let knobOffset = 0.16
    /// The axis of a knob, at the middle of its lever: before the panel, meters.
    static let knobAxis = Vector(-0.045, 0, 0.85)
    /// How far a knob turns, radians.
    static let knobTravel = 1.5
    /// The plate that glows when the knob is turned.
    static let burnerNames = ["burner_left", "burner_right"]

    func writeStove(at center: Double, to world: inout Markup) {
      let half = Fixture.stove.width / 2
      let top = Layout.counterHeight
      world.slab(0.06...Layout.depth, center, half, 0...0.08, "kick")
      world.slab(0.025...Layout.depth, center, half, 0.08...top - 0.015, "appliance_edge", .furniture)
      // The oven's door with its window and bar, and the panel of the knobs.
      world.slab(0...0.025, center, half - 0.005, 0.14...0.765, "appliance", .furniture)
      world.slab(-0.002...0.001, center, half - 0.10, 0.28...0.62, "glass")
      world.capsule(
        from: Vector(-0.035, center - 0.28, 0.70), to: Vector(-0.035, center + 0.28, 0.70), radius: 0.01, "chrome")
      world.slab(0...0.025, center, half - 0.005, 0.775...top - 0.015, "appliance", .furniture)
      world.slab(-0.002...0.001, center, 0.055, 0.83...0.875, "glass")
      // The hob.
      world.slab(0.02...Layout.depth - 0.02, center, half, top - 0.015...top, "glass", .furniture)
      for (index, sign) in [1.0, -1.0].enumerated() {
        for (row, x) in [0.17, 0.45].enumerated() {
          let place = Vector(x, center + sign * 0.19, top + 0.003)
          world.shape(.cylinder(radius: row == 0 ? 0.10 : 0.08, half: 0.003), at: place, "ring")
          world.shape(
            .cylinder(radius: row == 0 ? 0.085 : 0.065, half: 0.003), at: place + Vector(0, 0, 0.001), "burner",
            name: row == 0 ? Kitchen.burnerNames[index] : nil)
        }
        writeKnob(Kitchen.knobNames[index], at: center + sign * Kitchen.knobOffset, to: &world)
      }
      // A pot at the back and the hood above.
      world.shape(
        .cylinder(radius: 0.075, half: 0.05), at: Vector(0.46, center + 0.19, top + 0.06), "chrome", .furniture)
      world.shape(.cylinder(radius: 0.078, half: 0.006), at: Vector(0.46, center + 0.19, top + 0.115), "appliance_edge")
      world.shape(.sphere(0.014), at: Vector(0.46, center + 0.19, top + 0.133), "knob")
      world.slab(0.22...Layout.depth, center, half - 0.04, 1.62...1.70, "appliance", .furniture)
      world.slab(0.40...Layout.depth, center, 0.13, 1.70...2.4, "appliance_edge")
    }

    private func writeKnob(_ name: String, at center: Double, to world: inout Markup) {
      let axis = Kitchen.knobAxis
      world.element("body", ["name": name, "pos": Vector(axis.x, center, axis.z)]) { knob in
        knob.element(
          "joint",
          [
            "name": name, "type": "hinge", "axis": "1 0 0", "limited": "true", "range": [0, Kitchen.knobTravel],
            "damping": 0.03, "frictionloss": 0.06, "armature": 0.002,
          ])
        knob.shape(
          .cylinder(radius: 0.034, half: 0.012), at: Vector(0.032, 0, 0), "knob", .furniture, axis: Vector(1, 0, 0),
          mass: 0.05)
        knob.block(
          from: Vector(-0.022, -0.009, -0.02), to: Vector(0.022, 0.009, 0.07), "accent", .furniture, mass: 0.05)
        knob.block(from: Vector(-0.024, -0.0095, 0.05), to: Vector(0.0225, 0.0095, 0.0705), "paper", mass: 0.001)
      }
    }
  }
#endif
