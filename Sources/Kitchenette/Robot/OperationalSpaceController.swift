#if Kitchenette
  import CMuJoCo
  import Imitation

  /// Turns a wanted motion of the gripper into joint torques (Khatib, "A unified approach for motion and force control
  /// of robot manipulators: the operational space formulation", 1987).
  ///
  /// With the arm's mass matrix M, the gripper's Jacobian J and Lambda = (J M^-1 J^T)^-1, the torque is
  /// `J^T Lambda (kp e + kd e' - J n) + M n + bias`, where n is the acceleration that pulls the arm towards its posture; the
  /// term J n removes what the posture would do to the gripper. Gravity, Coriolis and centrifugal forces are MuJoCo's bias.
  final class OperationalSpaceController {
    /// 1/s^2, as RoboCasa's controller.
    static let stiffness = 150.0
    /// 1/s; critical.
    static let damping = 2 * stiffness.squareRoot()
    static let postureStiffness = 10.0
    static let postureDamping = 2 * postureStiffness.squareRoot()
    /// Keeps Lambda finite in a singular posture.
    static let regularization = 1e-3

    private static let joints = 7
    private let physics: Physics
    private let site: Int
    private let positions: [Int]
    private let velocities: [Int]
    private let actuators: [Int]
    // Work space, allocated once: this runs at every physics step.
    private let mass: UnsafeMutablePointer<Double>
    private let linear: UnsafeMutablePointer<Double>
    private let angular: UnsafeMutablePointer<Double>
    private var jacobian = [Double](repeating: 0, count: 6 * joints)
    private var armMass = [Double](repeating: 0, count: joints * joints)
    private var factor = [Double](repeating: 0, count: joints * joints)
    private var solved = [Double](repeating: 0, count: 6 * joints)
    private var inertia = [Double](repeating: 0, count: 36)

    init(physics: Physics) {
      self.physics = physics
      site = physics.site(RobotModel.gripSite)
      positions = RobotModel.armJoints.map { physics.position(ofJoint: $0) }
      velocities = RobotModel.armJoints.map { physics.velocity(ofJoint: $0) }
      actuators = RobotModel.armJoints.map { physics.actuator($0) }
      let count = Int(physics.model.pointee.nv)
      mass = .allocate(capacity: count * count)
      linear = .allocate(capacity: 3 * count)
      angular = .allocate(capacity: 3 * count)
    }

    deinit {
      mass.deallocate()
      linear.deallocate()
      angular.deallocate()
    }

    /// Writes the torques that take the gripper to `goal` (world), which itself moves with `velocity` (m/s) and `spin`
    /// (rad/s). Positions and velocities of this instant must be up to date.
    func act(goal: Pose, velocity: Vector, spin: Vector) {
      let n = Self.joints
      let count = Int(physics.model.pointee.nv)
      let data = physics.data
      mj_fullM(physics.model, mass, data.pointee.qM)
      mj_jacSite(physics.model, data, linear, angular, Int32(site))
      for j in 0..<n {
        for axis in 0..<3 {
          jacobian[axis * n + j] = linear[axis * count + velocities[j]]
          jacobian[(axis + 3) * n + j] = angular[axis * count + velocities[j]]
        }
        for k in 0..<n { armMass[j * n + k] = mass[velocities[j] * count + velocities[k]] }
      }

      var moving = [Double](repeating: 0, count: 6)
      var posture = [Double](repeating: 0, count: n)
      for j in 0..<n {
        let rate = data.pointee.qvel[velocities[j]]
        for row in 0..<6 { moving[row] += jacobian[row * n + j] * rate }
        posture[j] =
          Self.postureStiffness * (RobotModel.rest[j] - data.pointee.qpos[positions[j]]) - Self.postureDamping * rate
      }
      let now = physics.pose(ofSite: site)
      let offset = goal.position - now.position
      let turn = (goal.rotation * now.rotation.inverse).logarithm
      var wanted = [Double](repeating: 0, count: 6)
      for axis in 0..<3 {
        wanted[axis] = Self.stiffness * offset[axis] + Self.damping * (velocity[axis] - moving[axis])
        wanted[axis + 3] = Self.stiffness * turn[axis] + Self.damping * (spin[axis] - moving[axis + 3])
      }
      for row in 0..<6 { for j in 0..<n { wanted[row] -= jacobian[row * n + j] * posture[j] } }

      // solved: the rows of J times M^-1; inertia: J M^-1 J^T.
      factor = armMass
      Self.factorize(&factor, n)
      solved = jacobian
      for row in 0..<6 { Self.solve(factor, n, &solved, from: row * n) }
      for a in 0..<6 {
        for b in 0..<6 {
          var sum = a == b ? Self.regularization : 0
          for j in 0..<n { sum += jacobian[a * n + j] * solved[b * n + j] }
          inertia[a * 6 + b] = sum
        }
      }
      Self.factorize(&inertia, 6)
      Self.solve(inertia, 6, &wanted, from: 0)

      for j in 0..<n {
        var torque = data.pointee.qfrc_bias[velocities[j]]
        for row in 0..<6 { torque += jacobian[row * n + j] * wanted[row] }
        for k in 0..<n { torque += armMass[j * n + k] * posture[k] }
        let limit = RobotModel.torques[j]
        data.pointee.ctrl[actuators[j]] = min(max(torque, -limit), limit)
      }
    }

    /// Cholesky: the lower triangle L of a symmetric positive matrix, in place.
    private static func factorize(_ a: inout [Double], _ n: Int) {
      for i in 0..<n {
        for j in 0...i {
          var sum = a[i * n + j]
          for k in 0..<j { sum -= a[i * n + k] * a[j * n + k] }
          a[i * n + j] = i == j ? max(sum, 1e-12).squareRoot() : sum / a[j * n + j]
        }
      }
    }

    /// Solves `L L^T x = b` in place for the `n` numbers of `b` at `start`.
    private static func solve(_ a: [Double], _ n: Int, _ b: inout [Double], from start: Int) {
      for i in 0..<n {
        var sum = b[start + i]
        for k in 0..<i { sum -= a[i * n + k] * b[start + k] }
        b[start + i] = sum / a[i * n + i]
      }
      for i in (0..<n).reversed() {
        var sum = b[start + i]
        for k in i + 1..<n { sum -= a[k * n + i] * b[start + k] }
        b[start + i] = sum / a[i * n + i]
      }
    }
  }
#endif
