#if Kitchenette
  import CMuJoCo
  import COffscreen
  import Imitation

  /// A compiled MuJoCo model with its state. Owns both; used from one thread.
  final class Physics {
    let model: UnsafeMutablePointer<mjModel>
    let data: UnsafeMutablePointer<mjData>

    /// - Throws: `KitchenetteError.compilation` with MuJoCo's reason.
    init(mjcf: String) throws {
      offscreen_catch_errors()
      var message = [CChar](repeating: 0, count: 512)
      let length = Int32(mjcf.utf8.count)
      guard let compiled = offscreen_compile(mjcf, length, &message, Int32(message.count)) else {
        throw KitchenetteError.compilation(String(untilZero: message))
      }
      model = compiled.assumingMemoryBound(to: mjModel.self)
      guard let state = mj_makeData(model) else {
        mj_deleteModel(model)
        throw KitchenetteError.compilation("out of memory")
      }
      data = state
    }

    deinit {
      mj_deleteData(data)
      mj_deleteModel(model)
    }

    /// Everything that follows from positions and velocities.
    func update() { mj_forward(model, data) }

    /// - Throws: `KitchenetteError.unstable` when MuJoCo had to repair the state or a position is not finite.
    func checkStability() throws {
      let positions = UnsafeBufferPointer(start: data.pointee.qpos, count: Int(model.pointee.nq))
      let warnings = data.pointee.warning
      // mjWARN_BADQPOS, mjWARN_BADQVEL and mjWARN_BADQACC.
      let repairs = warnings.4.number + warnings.5.number + warnings.6.number
      guard repairs == 0, positions.allSatisfy(\.isFinite) else {
        throw KitchenetteError.unstable(time: data.pointee.time)
      }
    }

    // A name that is not in the model is a mistake in this room, never a user's.
    private func index(_ kind: mjtObj, _ name: String) -> Int {
      let found = Int(mj_name2id(model, Int32(kind.rawValue), name))
      precondition(found >= 0, "the kitchen's model has no '\(name)'")
      return found
    }

    func body(_ name: String) -> Int { index(mjOBJ_BODY, name) }
    func site(_ name: String) -> Int { index(mjOBJ_SITE, name) }
    func geom(_ name: String) -> Int { index(mjOBJ_GEOM, name) }
    func camera(_ name: String) -> Int { index(mjOBJ_CAMERA, name) }
    func actuator(_ name: String) -> Int { index(mjOBJ_ACTUATOR, name) }
    /// Where the joint's position stands in `qpos`.
    func position(ofJoint name: String) -> Int { Int(model.pointee.jnt_qposadr[index(mjOBJ_JOINT, name)]) }
    /// Where the joint's velocity stands in `qvel`.
    func velocity(ofJoint name: String) -> Int { Int(model.pointee.jnt_dofadr[index(mjOBJ_JOINT, name)]) }

    func pose(ofBody index: Int) -> Pose {
      let q = data.pointee.xquat + 4 * index
      return Pose(
        position: Physics.vector(data.pointee.xpos + 3 * index),
        rotation: Rotation(w: q[0], vector: Vector(q[1], q[2], q[3])))
    }

    func pose(ofSite index: Int) -> Pose {
      var q: (Double, Double, Double, Double) = (0, 0, 0, 0)
      withUnsafeMutablePointer(to: &q) { pointer in
        pointer.withMemoryRebound(to: Double.self, capacity: 4) {
          mju_mat2Quat($0, data.pointee.site_xmat + 9 * index)
        }
      }
      return Pose(
        position: Physics.vector(data.pointee.site_xpos + 3 * index),
        rotation: Rotation(w: q.0, vector: Vector(q.1, q.2, q.3)))
    }

    /// Where the camera `index` stands, turned to OpenCV's axes: MuJoCo's cameras look along -z with y up.
    func pose(ofCamera index: Int) -> (position: Vector, axes: [Vector]) {
      let m = data.pointee.cam_xmat + 9 * index
      return (
        Physics.vector(data.pointee.cam_xpos + 3 * index),
        [Vector(m[0], m[3], m[6]), -Vector(m[1], m[4], m[7]), -Vector(m[2], m[5], m[8])]
      )
    }

    /// Depths of the renderer's buffer, 0 at the near plane and 1 at the far one, in meters along the viewing axis.
    func meters(_ depths: [Float]) -> [Float] {
      let extent = model.pointee.stat.extent
      let near = Double(model.pointee.vis.map.znear) * extent
      let far = Double(model.pointee.vis.map.zfar) * extent
      return depths.map { Float(near / (1 - Double($0) * (1 - near / far))) }
    }

    static func vector(_ p: UnsafeMutablePointer<Double>) -> Vector { Vector(p[0], p[1], p[2]) }
  }
#endif
