#if Kitchenette
  import Foundation
  import Imitation
  import Tensors

  /// Turn the asked one of two knobs on the front of the stove, whose levers point up while they are off.
  struct TurnOnStove: KitchenTask {
    let summary = SimulatedTask(name: "TurnOnStove", group: "knobs", horizon: 100)
    let fixture = Fixture.stove
    /// From here on the burner is on, radians.
    static let onAngle = 0.7

    func stage(_ scene: inout Scene, pool: ScenePool, random: inout Random) {
      scene.side = random.choice(["left", "right"])
      scene.stand(at: scene.layout.center(of: fixture), distance: 0.58, random: &random)
      scene.instruction = "turn on the \(scene.side) burner of the stove"
    }

    func isSuccessful(in world: World) -> Bool { world.knobAngle >= TurnOnStove.onAngle }

    func progress(in world: World) -> Double { world.knobAngle / TurnOnStove.onAngle }

    func target(in world: World) -> Pose {
      Pose(position: world.knob, rotation: Rotation(Vector(world.knobAngle, 0, 0)))
    }

    var subtasks: [Subtask] { [Subtask(frame: "knob")] }

    func frames(in world: World) -> [String: Pose] { ["knob": Pose(position: world.knob, rotation: .identity)] }

    /// Down on the left of the lever, then to the right against it.
    func waypoint(in world: World, deviation: Deviation) -> Waypoint {
      let tip = world.robot.gripper.position
      let knob = world.knob
      let pace = deviation.pace
      let line = knob.x + deviation.offset.x * 0.6
      let depth = knob.z + 0.024 + deviation.offset.z * 0.6
      let hover = knob.z + 0.105
      let start = knob.y + 0.058 + deviation.offset.y
      // Where the lever is at the height of the tip.
      let lever = knob.y - (depth - knob.z) * tan(min(world.knobAngle, 1.2))
      if world.knobAngle > TurnOnStove.onAngle + 0.12 {
        return Waypoint(position: tip, speed: 0, gripper: .close, isFinished: true)
      }
      if tip.z < knob.z + 0.048, abs(tip.x - line) < 0.025, tip.y > lever, tip.y < knob.y + 0.12 {
        return Waypoint(position: Vector(line, tip.y - 0.1, depth), speed: 0.012 * pace, gripper: .close)
      }
      if abs(tip.x - line) < 0.016, tip.y > start - 0.018, tip.y < start + 0.04 {
        return Waypoint(position: Vector(line, start, depth - 0.01), speed: 0.013 * pace, gripper: .close)
      }
      if tip.z < knob.z + 0.085, abs(tip.y - start) > 0.03 {
        // Too low to pass over the lever.
        return Waypoint(position: Vector(min(tip.x, line), tip.y, hover + 0.02), speed: 0.014 * pace, gripper: .close)
      }
      return Waypoint(position: Vector(line, start + 0.004, hover), speed: 0.019 * pace, gripper: .close)
    }
  }
#endif
