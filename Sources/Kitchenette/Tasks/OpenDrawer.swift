#if Kitchenette
  import Imitation
  import Tensors

  /// Open the asked one of two drawers that stand side by side.
  struct OpenDrawer: KitchenTask {
    let summary = SimulatedTask(name: "OpenDrawer", group: "drawers", horizon: 120)
    let fixture = Fixture.drawers
    /// Of the drawer's travel, as in RoboCasa.
    static let openFraction = 0.95

    func stage(_ scene: inout Scene, pool: ScenePool, random: inout Random) {
      scene.side = random.choice(["left", "right"])
      let center = scene.layout.center(of: fixture) + scene.sign * Kitchen.drawerOffset
      scene.stand(at: center, distance: 0.68, random: &random)
      scene.instruction = "open the \(scene.side) drawer"
    }

    func isSuccessful(in world: World) -> Bool { world.drawerFraction >= OpenDrawer.openFraction }

    func progress(in world: World) -> Double { world.drawerFraction / OpenDrawer.openFraction }

    func target(in world: World) -> Pose { Pose(position: world.handle, rotation: .identity) }

    var subtasks: [Subtask] { [Subtask(frame: "handle")] }

    func frames(in world: World) -> [String: Pose] { ["handle": target(in: world)] }

    /// Over the bar, down behind it, back with it.
    func waypoint(in world: World, deviation: Deviation) -> Waypoint {
      let tip = world.robot.gripper.position
      let bar = world.handle
      let pace = deviation.pace
      let gap = bar + Vector(0.040 + deviation.offset.x * 0.6, deviation.offset.y * 2, 0)
      let depth = bar.z - 0.024 + deviation.offset.z * 0.5
      let hover = bar.z + 0.05
      let away = gap - tip
      if world.drawerFraction > 0.975 { return Waypoint(position: tip, speed: 0, gripper: .close, isFinished: true) }
      if tip.z < bar.z - 0.012, tip.x > bar.x + 0.008, abs(away.y) < 0.08 {
        return Waypoint(position: Vector(tip.x - 0.1, gap.y, depth), speed: 0.013 * pace, gripper: .close)
      }
      if abs(away.x) < 0.018, abs(away.y) < 0.05 {
        return Waypoint(position: Vector(gap.x, gap.y, depth - 0.01), speed: 0.011 * pace, gripper: .close)
      }
      if tip.z < bar.z + 0.022, tip.x < bar.x + 0.03 {
        // Too low to cross the bar: up and a little back.
        return Waypoint(
          position: Vector(min(tip.x, bar.x - 0.03), tip.y, hover + 0.02), speed: 0.014 * pace, gripper: .close)
      }
      return Waypoint(position: Vector(gap.x, gap.y, hover), speed: 0.019 * pace, gripper: .close)
    }
  }
#endif
