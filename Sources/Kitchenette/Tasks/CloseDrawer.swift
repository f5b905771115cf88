#if Kitchenette
  import Imitation
  import Tensors

  /// Push the asked drawer, which stands open, shut.
  struct CloseDrawer: KitchenTask {
    let summary = SimulatedTask(name: "CloseDrawer", group: "drawers", horizon: 100)
    let fixture = Fixture.drawers
    /// Of the drawer's travel, as in RoboCasa.
    static let closedFraction = 0.05

    func stage(_ scene: inout Scene, pool: ScenePool, random: inout Random) {
      scene.side = random.choice(["left", "right"])
      scene.drawers[scene.side == "left" ? 0 : 1] = random.uniform(0.75...1)
      let center = scene.layout.center(of: fixture) + scene.sign * Kitchen.drawerOffset
      scene.stand(at: center, distance: 0.70, random: &random)
      scene.instruction = "close the \(scene.side) drawer"
    }

    func isSuccessful(in world: World) -> Bool { world.drawerFraction <= CloseDrawer.closedFraction }

    /// Of the way from where the drawer stood at first.
    func progress(in world: World) -> Double {
      let start = world.scene.drawers[world.sideIndex]
      return (start - world.drawerFraction) / (start - CloseDrawer.closedFraction)
    }

    func target(in world: World) -> Pose { Pose(position: world.handle, rotation: .identity) }

    /// To the bar wherever it is, then with it to where it is when the drawer is shut.
    var subtasks: [Subtask] { [Subtask(frame: "handle", until: "pushing"), Subtask(frame: "cabinet")] }

    func frames(in world: World) -> [String: Pose] {
      ["handle": target(in: world), "cabinet": Pose(position: world.closedHandle, rotation: .identity)]
    }

    func signals(in world: World) -> [String: Bool] {
      ["pushing": world.drawerFraction < world.scene.drawers[world.sideIndex] - 0.02]
    }

    /// Down in front of the bar, then forward against it.
    func waypoint(in world: World, deviation: Deviation) -> Waypoint {
      let tip = world.robot.gripper.position
      let bar = world.handle
      let pace = deviation.pace
      let aim = Vector(bar.x - 0.045, bar.y + deviation.offset.y * 2, bar.z - 0.022 + deviation.offset.z)
      if world.drawerFraction < 0.03 { return Waypoint(position: tip, speed: 0, gripper: .close, isFinished: true) }
      if tip.x < bar.x - 0.005, abs(tip.y - aim.y) < 0.07, tip.z < bar.z + 0.005 {
        return Waypoint(position: Vector(tip.x + 0.1, aim.y, aim.z), speed: 0.014 * pace, gripper: .close)
      }
      if tip.z < bar.z + 0.04, tip.x > bar.x - 0.02 {
        // Behind the bar or on it: up first.
        return Waypoint(position: Vector(tip.x, tip.y, bar.z + 0.08), speed: 0.014 * pace, gripper: .close)
      }
      if tip.x > bar.x - 0.03 {
        return Waypoint(
          position: Vector(aim.x - 0.01, aim.y, max(tip.z, bar.z + 0.05)), speed: 0.018 * pace, gripper: .close)
      }
      return Waypoint(position: aim, speed: 0.019 * pace, gripper: .close)
    }
  }
#endif
