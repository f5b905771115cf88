#if Kitchenette
  extension Kitchen {
    /// The basin seen from the middle of the sink cabinet: inside x and y, and its floor's height.
    static let basin = (x: 0.08...0.46, y: -0.22...0.22, floor: 0.77)
    /// Where objects may start, seen from the middle of the sink cabinet: the counter left of the basin.
    static let counterSpot = (x: 0.12...0.26, y: 0.31...0.45)

    func writeSink(at center: Double, to world: inout Markup) {
      let width = Fixture.sink.width
      let (x, y, floor) = Kitchen.basin
      let top = Layout.counterHeight
      let low = center - width / 2
      let high = center + width / 2
      // The counter around the hole; its edges stand a little back behind the basin's sides.
      let edge = 0.006
      let (front, back) = (x.lowerBound - edge, x.upperBound + edge)
      let (right, left) = (center + y.lowerBound - edge, center + y.upperBound + edge)
      for (start, end) in [
        (Vector(0.025, low, top - 0.04), Vector(Layout.depth, right, top)),
        (Vector(0.025, left, top - 0.04), Vector(Layout.depth, high, top)),
        (Vector(0.025, right, top - 0.04), Vector(front, left, top)),
        (Vector(back, right, top - 0.04), Vector(Layout.depth, left, top)),
      ] {
        world.block(from: start, to: end, "wood", .furniture)
      }
      // The basin: a floor, four sides, a rim and a drain.
      world.block(
        from: Vector(x.lowerBound, center + y.lowerBound, floor - 0.02),
        to: Vector(x.upperBound, center + y.upperBound, floor), "sink_floor", .furniture)
      for side in [x.lowerBound - 0.012, x.upperBound] {
        world.block(
          from: Vector(side, center + y.lowerBound - 0.012, floor - 0.02),
          to: Vector(side + 0.012, center + y.upperBound + 0.012, top + 0.003), "sink", .furniture)
      }
      for side in [y.lowerBound - 0.012, y.upperBound] {
        world.block(
          from: Vector(x.lowerBound, center + side, floor - 0.02),
          to: Vector(x.upperBound, center + side + 0.012, top + 0.003), "sink", .furniture)
      }
      world.shape(.cylinder(radius: 0.03, half: 0.002), at: Vector(0.27, center, floor + 0.001), "glass")
      // The tap.
      world.shape(.cylinder(radius: 0.022, half: 0.012), at: Vector(0.54, center, top + 0.012), "chrome", .furniture)
      world.capsule(
        from: Vector(0.54, center, top), to: Vector(0.54, center, top + 0.24), radius: 0.012, "chrome", .furniture)
      world.capsule(
        from: Vector(0.54, center, top + 0.24), to: Vector(0.42, center, top + 0.25), radius: 0.011, "chrome",
        .furniture)
      world.capsule(
        from: Vector(0.42, center, top + 0.25), to: Vector(0.42, center, top + 0.22), radius: 0.011, "chrome",
        .furniture)
      world.capsule(
        from: Vector(0.54, center - 0.07, top + 0.03), to: Vector(0.54, center - 0.07, top + 0.07), radius: 0.009,
        "accent")
      // The cabinet below, with two doors.
      world.block(from: Vector(0.06, low, 0), to: Vector(Layout.depth, high, 0.1), "kick")
      world.block(from: Vector(0.025, low, 0.1), to: Vector(Layout.depth, high, floor - 0.02), "cabinet", .furniture)
      world.block(from: Vector(0.025, low, floor - 0.02), to: Vector(0.06, high, top - 0.04), "cabinet", .furniture)
      for sign in [1.0, -1.0] {
        writeDoor(at: center + sign * width / 4, width: width / 2, bottom: 0.12, top: 0.85, handleAt: -sign, to: &world)
      }
      // A window above and a bottle of soap.
      world.slab(0.585...0.60, center, 0.42, 1.52...2.2, "pane")
      for offset in [-0.43, 0, 0.43] {
        world.slab(0.575...0.605, center + offset, 0.02, 1.5...2.22, "paper")
      }
      for height in [1.5, 2.2] {
        world.slab(0.57...0.605, center, 0.45, height - 0.02...height + 0.02, "paper")
      }
      world.shape(.cylinder(radius: 0.025, half: 0.06), at: Vector(0.54, center - 0.2, top + 0.06), "leaf", .furniture)
      world.shape(.cylinder(radius: 0.009, half: 0.02), at: Vector(0.54, center - 0.2, top + 0.135), "paper")
    }
  }
#endif
