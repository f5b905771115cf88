#if Kitchenette
  import CMuJoCo
  import Imitation

  /// A running episode: the scene that the seed drew, its physics and its robot.
  final class World {
    let task: any KitchenTask
    let scene: Scene
    let mjcf: String
    let physics: Physics
    let robot: Robot
    private let drawers: [Int]
    private let knobs: [Int]
    private let burners: [Int]
    private let object: Int?
    private let objectGeom: Int?
    private let fingerGeoms: [Int]

    /// - Throws: `KitchenetteError` when MuJoCo refuses the scene.
    init(task: any KitchenTask, scene: Scene, imageSize: Int) throws {
      self.task = task
      self.scene = scene
      mjcf = Kitchen(scene: scene, imageSize: (imageSize, imageSize)).mjcf
      physics = try Physics(mjcf: mjcf)
      robot = Robot(physics: physics)
      let physics = physics
      drawers = Kitchen.drawerNames.map { physics.position(ofJoint: $0) }
      knobs = Kitchen.knobNames.map { physics.position(ofJoint: $0) }
      burners = Kitchen.burnerNames.map { physics.geom($0) }
      object = scene.object == nil ? nil : physics.body("obj")
      objectGeom = scene.object == nil ? nil : physics.geom("obj")
      fingerGeoms = RobotModel.fingerGeoms.map { physics.geom($0) }

      robot.place(base: scene.base, joints: scene.joints)
      for (index, fraction) in scene.drawers.enumerated() {
        physics.data.pointee.qpos[drawers[index]] = fraction * Kitchen.drawerTravel
      }
      if let object = scene.object {
        let positions = physics.data.pointee.qpos + physics.position(ofJoint: "obj")
        let yaw = Rotation(yaw: scene.objectYaw)
        let middle = scene.objectPlace + Vector(0, 0, object.halfHeight + 0.001)
        let values = [middle.x, middle.y, middle.z, yaw.w, yaw.vector.x, yaw.vector.y, yaw.vector.z]
        for (index, value) in values.enumerated() { positions[index] = value }
      }
      physics.update()
    }

    var isSuccessful: Bool { task.isSuccessful(in: self) }

    /// 1 when the task is solved, and less otherwise: up to 0.3 for a gripper where it can act, up to 0.6 for the progress of
    /// the task. Falls off with the distance as robosuite's rewards do, half as fast.
    var reward: Float {
      if isSuccessful { return 1 }
      let progress = min(max(task.progress(in: self), 0), 1)
      return Float(0.3 * (1 - tanh(5 * task.distance(in: self))) + 0.6 * progress)
    }

    /// 0 for left, 1 for right.
    var sideIndex: Int { scene.side == "left" ? 0 : 1 }

    /// How far the asked drawer is out, of 1.
    var drawerFraction: Double { physics.data.pointee.qpos[drawers[sideIndex]] / Kitchen.drawerTravel }

    /// The middle of the asked drawer's bar.
    var handle: Vector { closedHandle - Vector(physics.data.pointee.qpos[drawers[sideIndex]], 0, 0) }

    /// Where it is while the drawer is shut.
    var closedHandle: Vector {
      Vector(Kitchen.handle.x, scene.layout.center(of: .drawers) + scene.sign * Kitchen.drawerOffset, Kitchen.handle.z)
    }

    /// Radians; the asked knob.
    var knobAngle: Double { physics.data.pointee.qpos[knobs[sideIndex]] }

    /// Where the asked knob's axis meets its lever.
    var knob: Vector {
      let axis = Kitchen.knobAxis
      return Vector(axis.x, scene.layout.center(of: .stove) + scene.sign * Kitchen.knobOffset, axis.z)
    }

    /// The middle of the basin along y.
    var sinkCenter: Double { scene.layout.center(of: .sink) }

    /// The thing to pick up, when the task has one.
    var objectPose: Pose? { object.map { physics.pose(ofBody: $0) } }

    /// Both fingers touch the thing to pick up.
    var isHolding: Bool {
      guard let objectGeom else { return false }
      let contacts = UnsafeBufferPointer(start: physics.data.pointee.contact, count: Int(physics.data.pointee.ncon))
      let touching = Set(
        contacts.compactMap { contact -> Int? in
          let (first, second) = (Int(contact.geom1), Int(contact.geom2))
          return first == objectGeom ? second : second == objectGeom ? first : nil
        })
      return fingerGeoms.allSatisfy(touching.contains)
    }

    /// RoboCasa's 14 numbers of the thing that the task is about: place and orientation in the world, then seen from
    /// the gripper.
    var objectReading: [Float] {
      let pose = task.target(in: self)
      let relative = pose.seen(from: robot.gripper)
      return pose.position.floats + pose.rotation.xyzw + relative.position.floats + relative.rotation.xyzw
    }

    /// One of the robot's cameras, seen from its base, for square images of `size` pixels.
    func calibration(of camera: String, size: Int) -> CameraCalibration {
      let index = physics.camera(camera)
      let (position, axes) = physics.pose(ofCamera: index)
      let frame = robot.basePose
      let place = Pose(position: position, rotation: frame.rotation).seen(from: frame).position
      // The base only turns about the vertical: its axes are columns of its rotation.
      let base = [Vector(1, 0, 0), Vector(0, 1, 0), Vector(0, 0, 1)].map { frame.rotation * $0 }
      let angle = Float(physics.model.pointee.cam_fovy[index])
      var camera = CameraCalibration(fieldOfView: angle, size: .init(height: size, width: size))
      camera.rotation = base.map { row in
        SIMD3(Float(row.dot(axes[0])), Float(row.dot(axes[1])), Float(row.dot(axes[2])))
      }
      camera.position = SIMD3(Float(place.x), Float(place.y), Float(place.z))
      return camera
    }

    /// Lets the plates of turned knobs glow; for the eye only.
    func paint() {
      for (burner, knob) in zip(burners, knobs) {
        let on = physics.data.pointee.qpos[knob] >= TurnOnStove.onAngle
        let color: [Float] = on ? [1, 0.35, 0.12, 1] : [0.5, 0.5, 0.5, 1]  // the second means: as the material
        for channel in 0..<4 { physics.model.pointee.geom_rgba[burner * 4 + channel] = color[channel] }
      }
    }

    /// Puts the world into a state that `state` returned.
    /// - Throws: `KitchenetteError.stateSize`.
    func restore(_ state: [Double]) throws {
      let (positions, velocities) = (Int(physics.model.pointee.nq), Int(physics.model.pointee.nv))
      guard state.count == 1 + positions + velocities else {
        throw KitchenetteError.stateSize(expected: 1 + positions + velocities, found: state.count)
      }
      physics.data.pointee.time = state[0]
      for index in 0..<positions { physics.data.pointee.qpos[index] = state[1 + index] }
      for index in 0..<velocities { physics.data.pointee.qvel[index] = state[1 + positions + index] }
      robot.stand()
      physics.update()
    }

    /// Time, positions and velocities, one after the other.
    var state: [Double] {
      let data = physics.data.pointee
      return [data.time] + UnsafeBufferPointer(start: data.qpos, count: Int(physics.model.pointee.nq))
        + UnsafeBufferPointer(start: data.qvel, count: Int(physics.model.pointee.nv))
    }
  }
#endif
