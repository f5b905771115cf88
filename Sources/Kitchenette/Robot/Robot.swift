#if Kitchenette
  import CMuJoCo
  import Imitation

  /// The robot in a running episode: carries out RoboCasa's 12 numbers and reports what its sensors read.
  final class Robot {
    /// Seconds; 20 Hz.
    static let controlPeriod = 0.05
    /// Meters and radians per control step at full scale.
    static let translation = 0.05
    static let turn = 0.5
    /// The base at full scale, meters and radians per second.
    static let baseSpeed = 0.25
    static let baseTurnSpeed = 0.4
    /// The torso at full scale, meters per second.
    static let torsoSpeed = 0.1
    /// How far a finger's goal moves in one step, meters: opening or closing takes five.
    static let fingerStep = 0.01

    private let physics: Physics
    private let controller: OperationalSpaceController
    private let steps: Int
    private let site: Int
    private let base: Int
    private let foot: Int
    private let basePositions: [Int]
    private let baseActuators: [Int]
    private let torso: (position: Int, actuator: Int)
    private let fingers: [(position: Int, velocity: Int, actuator: Int)]
    private let arm: [(position: Int, velocity: Int)]
    /// Where the base, the torso and the fingers are meant to be.
    private var baseGoal = Vector.zero
    private var torsoGoal = 0.0
    private var fingerGoal = RobotModel.fingerTravel
    /// Where the arm holds the gripper, seen from the arm's foot, while the base moves.
    private var held: Pose?

    init(physics: Physics) {
      self.physics = physics
      controller = OperationalSpaceController(physics: physics)
      steps = Int((Robot.controlPeriod / physics.model.pointee.opt.timestep).rounded())
      site = physics.site(RobotModel.gripSite)
      base = physics.body(RobotModel.baseBody)
      foot = physics.body(RobotModel.footBody)
      basePositions = RobotModel.baseJoints.map { physics.position(ofJoint: $0) }
      baseActuators = RobotModel.baseJoints.map { physics.actuator($0) }
      torso = (physics.position(ofJoint: RobotModel.torsoJoint), physics.actuator(RobotModel.torsoJoint))
      fingers = RobotModel.fingerJoints.map {
        (physics.position(ofJoint: $0), physics.velocity(ofJoint: $0), physics.actuator($0))
      }
      arm = RobotModel.armJoints.map { (physics.position(ofJoint: $0), physics.velocity(ofJoint: $0)) }
    }

    /// Puts the robot at a base pose (x, y, yaw) with the arm at `joints` and the gripper open.
    func place(base: Vector, joints: [Double]) {
      baseGoal = base
      torsoGoal = 0
      fingerGoal = RobotModel.fingerTravel
      held = nil
      let positions = physics.data.pointee.qpos!
      for axis in 0..<3 { positions[basePositions[axis]] = base[axis] }
      for (index, joint) in arm.enumerated() { positions[joint.position] = joints[index] }
      positions[fingers[0].position] = fingerGoal
      positions[fingers[1].position] = -fingerGoal
    }

    /// Takes where its parts are for where they are meant to be.
    func stand() {
      let positions = physics.data.pointee.qpos!
      baseGoal = Vector(positions[basePositions[0]], positions[basePositions[1]], positions[basePositions[2]])
      torsoGoal = positions[torso.position]
      fingerGoal = min(max(positions[fingers[0].position], 0), RobotModel.fingerTravel)
      held = nil
    }

    /// Moves the world on by one control period. `action` has been checked and clamped.
    func carryOut(_ action: [Double]) {
      let moving = action[11] > 0
      let frame = basePose
      var goal = physics.pose(ofSite: site)
      var velocity = Vector.zero
      var spin = Vector.zero
      if moving {
        held = held ?? goal.seen(from: physics.pose(ofBody: foot))
      } else {
        held = nil
        // The step is given in the base's frame, from where the gripper is now, as robosuite takes it.
        velocity =
          frame.rotation * (Vector(action[0], action[1], action[2]) * (Robot.translation / Robot.controlPeriod))
        spin = frame.rotation * (Vector(action[3], action[4], action[5]) * (Robot.turn / Robot.controlPeriod))
      }
      // Robosuite's gripper takes the sign only: it is closing or it is opening.
      let closing = action[6] > 0 ? 1.0 : action[6] < 0 ? -1.0 : 0.0
      fingerGoal = min(max(fingerGoal - closing * Robot.fingerStep, 0), RobotModel.fingerTravel)
      let start = goal
      for step in 1...steps {
        let elapsed = Double(step) * physics.model.pointee.opt.timestep
        mj_step1(physics.model, physics.data)
        if moving {
          moveBase(action, seconds: physics.model.pointee.opt.timestep)
          goal = held!.placed(in: physics.pose(ofBody: foot))
        } else {
          // The goal runs to its end at constant speed, so that the gripper covers the step it was given.
          goal = Pose(
            position: start.position + velocity * elapsed, rotation: Rotation(spin * elapsed) * start.rotation)
        }
        controller.act(goal: goal, velocity: velocity, spin: spin)
        servo()
        mj_step2(physics.model, physics.data)
      }
      physics.update()
    }

    /// The same action with the arm's step as a goal of the gripper seen from the base, meters and an axis times radians:
    /// RoboCasa's `actions_abs`. The numbers behind the arm's stay.
    func absolute(_ action: [Double]) -> [Double] {
      let (now, frame) = (gripper, basePose)
      let goal = Pose(
        position: now.position + frame.rotation * (Vector(action[0], action[1], action[2]) * Robot.translation),
        rotation: Rotation(frame.rotation * (Vector(action[3], action[4], action[5]) * Robot.turn)) * now.rotation
      ).seen(from: frame)
      return goal.numbers + action[6...]
    }

    /// The step that takes the gripper to a goal of `absolute`, as far as one step goes.
    func relative(_ action: [Double]) -> [Double] {
      let (now, frame) = (gripper, basePose)
      let goal = Pose(numbers: action).placed(in: frame)
      let back = frame.rotation.inverse
      let step = back * (goal.position - now.position) / Robot.translation
      let turn = back * (goal.rotation * now.rotation.inverse).logarithm / Robot.turn
      return [step.x, step.y, step.z, turn.x, turn.y, turn.z].map { min(max($0, -1), 1) } + action[6...]
    }

    private func moveBase(_ action: [Double], seconds: Double) {
      let yaw = Rotation(yaw: baseGoal.z)
      let speed = yaw * Vector(action[7] * Robot.baseSpeed, action[8] * Robot.baseSpeed, 0)
      baseGoal += Vector(speed.x, speed.y, action[9] * Robot.baseTurnSpeed) * seconds
      torsoGoal = min(max(torsoGoal + action[10] * Robot.torsoSpeed * seconds, 0), 0.3)
    }

    private func servo() {
      let control = physics.data.pointee.ctrl!
      for axis in 0..<3 { control[baseActuators[axis]] = baseGoal[axis] }
      control[torso.actuator] = torsoGoal
      control[fingers[0].actuator] = fingerGoal
      control[fingers[1].actuator] = -fingerGoal
    }

    /// The mobile base: the frame of an action.
    var basePose: Pose { physics.pose(ofBody: base) }
    var gripper: Pose { physics.pose(ofSite: site) }
    /// Between the finger pads, meters.
    var opening: Double {
      physics.data.pointee.qpos[fingers[0].position] - physics.data.pointee.qpos[fingers[1].position]
    }

    /// The names and widths of what `proprioception` returns.
    static let widths: [String: Int] = [
      "robot0_joint_pos": 7, "robot0_joint_pos_cos": 7, "robot0_joint_pos_sin": 7, "robot0_joint_vel": 7,
      "robot0_eef_pos": 3, "robot0_eef_quat": 4, "robot0_gripper_qpos": 2, "robot0_gripper_qvel": 2,
      "robot0_base_pos": 3, "robot0_base_quat": 4, "robot0_base_to_eef_pos": 3, "robot0_base_to_eef_quat": 4,
    ]

    /// What they mean; `object` is a position, a rotation, and both again as the gripper sees them.
    static let meanings: [String: VectorSchema] = [
      "robot0_joint_pos": VectorSchema(unit: "rad"), "robot0_joint_pos_cos": VectorSchema(unit: "1"),
      "robot0_joint_pos_sin": VectorSchema(unit: "1"), "robot0_joint_vel": VectorSchema(unit: "rad/s"),
      "robot0_eef_pos": VectorSchema(unit: "m", frame: "world"),
      "robot0_eef_quat": VectorSchema(unit: "1", frame: "world", quaternion: "xyzw"),
      "robot0_gripper_qpos": VectorSchema(unit: "m"), "robot0_gripper_qvel": VectorSchema(unit: "m/s"),
      "robot0_base_pos": VectorSchema(unit: "m", frame: "world"),
      "robot0_base_quat": VectorSchema(unit: "1", frame: "world", quaternion: "xyzw"),
      "robot0_base_to_eef_pos": VectorSchema(unit: "m", frame: "robot base"),
      "robot0_base_to_eef_quat": VectorSchema(unit: "1", frame: "robot base", quaternion: "xyzw"),
      "object": VectorSchema(unit: "m and quaternions", frame: "world, then gripper", quaternion: "xyzw"),
    ]

    /// RoboCasa's proprioception: meters, radians, quaternions as x, y, z, w.
    var proprioception: [String: [Float]] {
      let angles = arm.map { physics.data.pointee.qpos[$0.position] }
      let frame = basePose
      let grip = gripper
      let relative = grip.seen(from: frame)
      return [
        "robot0_joint_pos": angles.map { Float($0) },
        "robot0_joint_pos_cos": angles.map { Float(cos($0)) },
        "robot0_joint_pos_sin": angles.map { Float(sin($0)) },
        "robot0_joint_vel": arm.map { Float(physics.data.pointee.qvel[$0.velocity]) },
        "robot0_eef_pos": grip.position.floats, "robot0_eef_quat": grip.rotation.xyzw,
        "robot0_gripper_qpos": fingers.map { Float(physics.data.pointee.qpos[$0.position]) },
        "robot0_gripper_qvel": fingers.map { Float(physics.data.pointee.qvel[$0.velocity]) },
        "robot0_base_pos": frame.position.floats, "robot0_base_quat": frame.rotation.xyzw,
        "robot0_base_to_eef_pos": relative.position.floats, "robot0_base_to_eef_quat": relative.rotation.xyzw,
      ]
    }
  }

  extension Pose {
    /// A position in meters and an axis times radians; what stands behind those six numbers is passed over.
    init(numbers: [Double]) {
      self.init(
        position: Vector(numbers[0], numbers[1], numbers[2]),
        rotation: Rotation(Vector(numbers[3], numbers[4], numbers[5])))
    }

    var numbers: [Double] {
      let turn = rotation.logarithm
      return [position.x, position.y, position.z, turn.x, turn.y, turn.z]
    }
  }

  extension SIMD3<Double> {
    var floats: [Float] { [Float(x), Float(y), Float(z)] }
  }
#endif
