#if Kitchenette
  import Imitation
  import Tensors

  /// Take the object from the counter and leave it in the basin of the sink.
  struct PnPCounterToSink: KitchenTask {
    let summary = SimulatedTask(name: "PnPCounterToSink", group: "pick-place", horizon: 160)
    let fixture = Fixture.sink
    /// The gripper must be so far away from the object, meters: nothing counts while it is held.
    static let clearance = 0.15

    func stage(_ scene: inout Scene, pool: ScenePool, random: inout Random) {
      let object = random.choice(pool == .training ? KitchenObject.training : KitchenObject.evaluation)
      let spot = Kitchen.counterSpot
      let center = scene.layout.center(of: fixture)
      scene.object = object
      scene.objectPlace = Vector(
        random.uniform(spot.x), center + random.uniform(spot.y), Layout.counterHeight)
      scene.objectYaw = random.uniform(-0.3...0.3)
      scene.stand(at: center + 0.19, distance: 0.38, random: &random)
      scene.instruction = "pick the \(object.phrase) from the counter and place it in the sink"
    }

    func isSuccessful(in world: World) -> Bool {
      guard let object = world.objectPose?.position else { return false }
      return isInBasin(object, of: world)
        && (world.robot.gripper.position - object).length > PnPCounterToSink.clearance
    }

    private func isInBasin(_ place: Vector, of world: World) -> Bool {
      let basin = Kitchen.basin
      return basin.x.contains(place.x) && basin.y.contains(place.y - world.sinkCenter)
        && place.z < Layout.counterHeight - 0.04
    }

    /// A quarter for the grasp, half for the way to above the basin, and a quarter for leaving the object there.
    func progress(in world: World) -> Double {
      let object = world.objectPose!.position
      if isInBasin(object, of: world) {
        return 0.75 + 0.25 * min((world.robot.gripper.position - object).length / PnPCounterToSink.clearance, 1)
      }
      // It fell to the floor.
      guard object.z > Layout.counterHeight - 0.05 else { return 0 }
      let start = distanceToBasin(world.scene.objectPlace, of: world)
      return (world.isHolding ? 0.25 : 0) + 0.5 * max(0, 1 - distanceToBasin(object, of: world) / start)
    }

    /// The gripper need not stay with what lies in the basin.
    func distance(in world: World) -> Double {
      let object = world.objectPose!.position
      return isInBasin(object, of: world) ? 0 : (object - world.robot.gripper.position).length
    }

    /// Meters, seen from above.
    private func distanceToBasin(_ place: Vector, of world: World) -> Double {
      let (x, y) = (Kitchen.basin.x, Kitchen.basin.y)
      let across = place.y - world.sinkCenter
      let inside = Vector(
        min(max(place.x, x.lowerBound), x.upperBound), min(max(across, y.lowerBound), y.upperBound), 0)
      return (inside - Vector(place.x, across, 0)).length
    }

    func target(in world: World) -> Pose { world.objectPose! }

    /// The object, until it is off the counter: from there a straight way leads anywhere.
    var subtasks: [Subtask] { [Subtask(frame: "obj", until: "lifted"), Subtask(frame: "sink")] }

    func frames(in world: World) -> [String: Pose] {
      [
        "obj": target(in: world),
        "sink": Pose(position: Vector(0, world.sinkCenter, Layout.counterHeight), rotation: .identity),
      ]
    }

    func signals(in world: World) -> [String: Bool] {
      let foot = world.objectPose!.position.z - world.scene.object!.halfHeight
      return ["lifted": world.isHolding && foot > Layout.counterHeight + 0.025]
    }

    /// Over the object, down, close, up, over the basin, open.
    func waypoint(in world: World, deviation: Deviation) -> Waypoint {
      let tip = world.robot.gripper.position
      let object = world.objectPose!.position
      let shape = world.scene.object!
      let pace = deviation.pace
      let release = Vector(0.25, world.sinkCenter + 0.02, Layout.counterHeight + 0.09) + deviation.offset
      let overBasin = (release - tip).horizontal.length < 0.07
      if isInBasin(object, of: world) {
        let up = Vector(tip.x, tip.y, Layout.counterHeight + 0.15)
        let finished = world.isSuccessful && tip.z > Layout.counterHeight + 0.06 && world.robot.opening > 0.08
        return Waypoint(
          position: finished ? tip : up, speed: finished ? 0 : 0.012 * pace, gripper: .open, isFinished: finished)
      }
      if object.z < Layout.counterHeight - 0.05 {
        // It fell to the floor: out of reach.
        return Waypoint(position: tip, speed: 0, gripper: .open, isFinished: true)
      }
      // Low on a tall thing, but never with the finger tips on the counter.
      let grasp = Vector(object.x, object.y, max(object.z + deviation.offset.z * 0.3, Layout.counterHeight + 0.018))
      let away = grasp - tip
      if world.isHolding && away.horizontal.length < 0.035 && abs(away.z) < 0.03 {
        if overBasin { return Waypoint(position: release, speed: 0.01, gripper: .open) }
        let high = Layout.counterHeight + 0.085
        if object.z - shape.halfHeight < Layout.counterHeight + 0.025 {
          return Waypoint(position: Vector(tip.x, tip.y, high), speed: 0.014 * pace, gripper: .close)
        }
        return Waypoint(position: release, speed: 0.019 * pace, gripper: .close)
      }
      if overBasin && object.z < tip.z - 0.05 {
        return Waypoint(position: release, speed: 0.01, gripper: .open)
      }
      if away.horizontal.length < 0.012, tip.z - grasp.z < 0.010 {
        return Waypoint(position: grasp, speed: 0.008, gripper: .close)
      }
      if away.horizontal.length < 0.02 {
        return Waypoint(position: grasp, speed: 0.013 * pace, gripper: .open)
      }
      let hover = object.z + shape.halfHeight + 0.045
      let height = tip.z < object.z + shape.halfHeight + 0.02 ? hover + 0.03 : hover
      return Waypoint(
        position: Vector(grasp.x, grasp.y, height) + deviation.offset.horizontal * 0.5, speed: 0.019 * pace,
        gripper: .open)
    }
  }
#endif
