#if Kitchenette
  import Imitation
  import Tensors

  /// Everything that the seed decides about an episode, before any physics.
  struct Scene: Sendable {
    let layoutIdentifier: Int
    let styleIdentifier: Int
    let layout: Layout
    /// Which of two drawers or knobs, or "".
    var side = ""
    /// 1 for left, -1 for right: the sign of y.
    var sign: Double { side == "left" ? 1 : -1 }
    var instruction = ""
    var object: KitchenObject?
    /// Where the object starts: the middle of its foot on the counter, and its yaw.
    var objectPlace = Vector.zero
    var objectYaw = 0.0
    /// How far the drawers are pulled out, of 1, left and right.
    var drawers: [Double] = [0, 0]
    /// Where the robot starts: x, y, yaw.
    var base = Vector.zero
    var joints: [Double]

    /// Draws what all tasks share.
    init(pool: ScenePool, random: inout Random) {
      layoutIdentifier = random.choice(Layout.identifiers)
      styleIdentifier = random.choice(pool == .training ? Style.training : Style.evaluation)
      layout = Layout(layoutIdentifier)
      joints = RobotModel.rest.map { $0 + 0.02 * random.normal() }
    }

    /// Stands the robot `distance` in front of the counter at `y`, a little off.
    mutating func stand(at y: Double, distance: Double, random: inout Random) {
      base = Vector(
        -distance + random.uniform(-0.025...0.025), y + random.uniform(-0.04...0.04), random.uniform(-0.05...0.05))
    }
  }
#endif
