#if Kitchenette
  import Imitation
  import Tensors

  /// Solves the running episode by looking at the simulator's state: goes to the task's waypoint for the present state.
  ///
  /// It remembers nothing but its noise, so it recovers when it is pushed off its path, and someone who sees the state
  /// can imitate it.
  final class ScriptedExpert: Behavior {
    private let kitchenette: KitchenetteEnvironment
    private let noise: Double
    private var random: Random
    private var deviation = Deviation(offset: .zero, pace: 1)
    private var wander = Vector.zero
    private var turning = Vector.zero

    init(kitchenette: KitchenetteEnvironment, seed: UInt64, noise: Double) {
      self.kitchenette = kitchenette
      self.noise = noise
      random = Random(seed: seed)
      begin(seed: seed)
    }

    func begin(seed: UInt64) {
      random = Random(seed: seed).split("expert")
      deviation = Deviation(offset: normal() * (0.005 * noise), pace: 1 + 0.12 * noise * random.uniform(-1...1))
      wander = .zero
      turning = .zero
    }

    private func normal() -> Vector { Vector(random.normal(), random.normal(), random.normal()).limited(to: 2.5) }

    func action(for observation: Observation) throws -> [Float] {
      let world = try kitchenette.running
      let waypoint = world.task.waypoint(in: world, deviation: deviation)
      // Ornstein and Uhlenbeck's process: noise with a memory of about a quarter of a second.
      wander = 0.8 * wander + 0.6 * normal()
      turning = 0.8 * turning + 0.6 * normal()
      guard !waypoint.isFinished else {
        return kitchenette.inOurForm([0, 0, 0, 0, 0, 0, Float(waypoint.gripper.rawValue), 0, 0, 0, 0, -1], world)
      }

      let gripper = world.robot.gripper
      let frame = world.robot.basePose.rotation.inverse
      var step = ((waypoint.position - gripper.position) * 0.35).limited(to: waypoint.speed)
      step += wander * (0.0012 * noise)
      // Always pointing down and straight at the furniture.
      var turn = ((Rotation.down * gripper.rotation.inverse).logarithm * 0.25).limited(to: 0.08)
      turn += turning * (0.004 * noise)
      let translation = frame * step / Robot.translation
      let rotation = frame * turn / Robot.turn
      let arm = (translation.floats + rotation.floats).map { min(max($0, -1), 1) }
      return kitchenette.inOurForm(arm + [Float(waypoint.gripper.rawValue), 0, 0, 0, 0, -1], world)
    }
  }
#endif
