#if Kitchenette
  import Foundation
  import Imitation
  import Kitchenette
  import Tensors
  import Testing

  extension KitchenTests {
    /// In which frame actions are is not assumed: the simulator does to moved windows what it did to those it recorded.
    @Suite struct MovedWindows {
      private static let position = "robot0_base_to_eef_pos"
      private static let quaternion = "robot0_base_to_eef_quat"

      private func pose(_ vectors: [String: [Float]]) -> Pose {
        let (p, q) = (vectors[Self.position]!.map(Double.init), vectors[Self.quaternion]!.map(Double.init))
        return Pose(position: SIMD3(p[0], p[1], p[2]), rotation: Rotation(w: q[3], vector: SIMD3(q[0], q[1], q[2])))
      }

      /// Where a step of RoboCasa's takes the gripper.
      private func stepped(_ pose: Pose, _ action: [Float]) -> Pose {
        let a = action.map(Double.init)
        return Pose(
          position: pose.position + SIMD3(a[0], a[1], a[2]) * 0.05,
          rotation: Rotation(SIMD3(a[3], a[4], a[5]) * 0.5) * pose.rotation)
      }

      private func distance(_ a: Pose, _ b: Pose) -> (meters: Double, radians: Double) {
        ((a.position - b.position).length, (a.rotation * b.rotation.inverse).logarithm.length)
      }

      private func jitter(_ kitchen: KitchenetteEnvironment, _ schema: ObservationSchema, _ actions: String) throws
        -> RigidJitter
      {
        let recorded = kitchen.spec.recorded
        return try RigidJitter(
          Augmentation(), RecordedSchema(actions: recorded.actions[actions]!, vectors: recorded.observations),
          observations: schema,
          layout: ActionLayout(learned: Array(0..<7), template: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1]))
      }

      /// One window of all that was seen and done.
      private func window(_ seen: [Observation], _ actions: [[Float]], _ schema: ObservationSchema) -> Batch {
        Batch(
          observations: Agent.batch([seen], schema: schema),
          actions: Tensor(actions.flatMap { $0[0..<7] }, shape: [1, actions.count, 7]), mask: .ones([1, actions.count]))
      }

      private func poses(_ batch: Batch) -> [Pose] {
        let (p, q) = (
          batch.observations.vectors[Self.position]!.scalars, batch.observations.vectors[Self.quaternion]!.scalars
        )
        return (0..<p.count / 3).map {
          pose([Self.position: Array(p[$0 * 3..<$0 * 3 + 3]), Self.quaternion: Array(q[$0 * 4..<$0 * 4 + 4])])
        }
      }

      private func actions(_ batch: Batch) -> [[Float]] {
        let values = batch.actions.scalars
        return (0..<values.count / 7).map { Array(values[$0 * 7..<$0 * 7 + 7]) }
      }

      /// A demonstration's steps lead along its path of the gripper; moved, along the moved path, and as exactly. Its goals are
      /// the same places. Without turning the actions, the path is left.
      @Test(arguments: ["OpenDrawer", "PnPCounterToSink"]) func aDemonstrationStaysOne(_ task: String) throws {
        let kitchen = try blindKitchen()
        let schema = ObservationSchema(images: [:], vectors: [Self.position: 3, Self.quaternion: 4])
        var seen = [try kitchen.reset(EpisodeSpec(task: task, seed: 5, pool: .training))]
        let expert = try #require(kitchen.expert(seed: 5, noise: 1))
        var (steps, goals): ([[Float]], [[Float]]) = ([], [])
        for _ in 0..<40 {
          steps.append(try expert.action(for: seen.last!))
          goals.append(try #require(kitchen.recorded(steps.last!).absolute))
          seen.append(try kitchen.step(steps.last!).observation)
        }
        let observed = Array(seen.dropLast())
        let motion = RigidJitter.Motion(yaw: 0.7, shift: SIMD3(0.3, -0.2, 0.1))
        let recorded = window(observed, steps, schema)
        let moved = try jitter(kitchen, schema, "actions")(recorded, by: [motion])
        let movedGoals = try jitter(kitchen, schema, "actions_abs")(window(observed, goals, schema), by: [motion])

        /// How far the path of the steps gets from the recorded one, and the largest error of a single step.
        func follow(_ path: [Pose], _ actions: [[Float]]) -> (end: Double, single: Double, turn: Double) {
          var (place, single, turn) = (path[0], 0.0, 0.0)
          for (now, next) in zip(path.indices, path.indices.dropFirst()) {
            place = stepped(place, actions[now])
            let error = distance(stepped(path[now], actions[now]), path[next])
            (single, turn) = (max(single, error.meters), max(turn, error.radians))
          }
          return (distance(place, path.last!).meters, single, turn)
        }
        let (before, after) = (follow(poses(recorded), steps), follow(poses(moved), actions(moved)))
        // The arm lags behind its steps.
        #expect(before.end < 0.04 && before.single < 0.012 && before.turn < 0.02, "\(before)")
        #expect(abs(after.end - before.end) < 1e-4 && abs(after.single - before.single) < 1e-4)
        #expect(abs(after.turn - before.turn) < 1e-3)
        let wrong = follow(poses(moved), steps)
        #expect(wrong.end > 0.1 && wrong.end > 5 * before.end, "\(wrong)")

        for (goal, (place, step)) in zip(actions(movedGoals), zip(poses(moved), actions(moved))) {
          let turn = Rotation(SIMD3(Double(goal[3]), Double(goal[4]), Double(goal[5])))
          let found = Pose(position: SIMD3(Double(goal[0]), Double(goal[1]), Double(goal[2])), rotation: turn)
          let error = distance(found, stepped(place, step))
          #expect(error.meters < 1e-4 && error.radians < 1e-3)
        }
      }

      /// The simulator itself carries turned steps out as turned motions.
      @Test(arguments: [[0.5, 0.2, 0.1, 0, 0, 0], [0, 0, 0, 0.2, 0.1, -0.1]]) func turnedStepsAreTurnedMotions(
        _ arm: [Float]
      ) throws {
        let kitchen = try blindKitchen()
        let schema = ObservationSchema(images: [:], vectors: [Self.position: 3, Self.quaternion: 4])
        let turn = Rotation(yaw: 0.6)
        func motion(_ action: [Float]) throws -> (shift: SIMD3<Double>, turn: SIMD3<Double>) {
          let start = pose(try kitchen.reset(EpisodeSpec(task: "OpenDrawer", seed: 8, pool: .training)).vectors)
          var end = start
          for _ in 0..<5 { end = pose(try kitchen.step(action + [-1, 0, 0, 0, 0, -1]).observation.vectors) }
          return (end.position - start.position, (end.rotation * start.rotation.inverse).logarithm)
        }
        let seen = try kitchen.reset(EpisodeSpec(task: "OpenDrawer", seed: 8, pool: .training))
        let turned = try jitter(kitchen, schema, "actions")(
          window([seen], [arm + [-1]], schema), by: [.init(yaw: 0.6, shift: .zero)]
        ).actions.scalars
        let (one, other) = (try motion(arm), try motion(Array(turned[0..<6])))
        #expect(one.shift.length + one.turn.length > 0.08)
        #expect((turn * one.shift - other.shift).length < 0.012, "\(turn * one.shift) \(other.shift)")
        #expect((turn * one.turn - other.turn).length < 0.03, "\(turn * one.turn) \(other.turn)")
        #expect((one.shift - other.shift).length + (one.turn - other.turn).length > 0.05)
      }

      /// The camera on the hand stays on the hand.
      @Test func theHandKeepsItsCamera() throws {
        let kitchen = try KitchenetteEnvironment(
          options: .init { ($0.cameras, $0.imageSize, $0.depth) = ([.hand], 16, true) })
        let key = CameraKeys("robot0_eye_in_hand").calibration
        let schema = ObservationSchema(images: [:], vectors: [Self.position: 3, Self.quaternion: 4, key: 16])
        let seen = try kitchen.reset(EpisodeSpec(task: "OpenDrawer", seed: 5, pool: .training))
        let recorded = window([seen], [Array(repeating: 0, count: 12)], schema)
        let moved = try jitter(kitchen, schema, "actions")(
          recorded, by: [.init(yaw: -0.4, shift: SIMD3(0.1, 0.2, 0.3))])
        let mounts = [recorded, moved].map { batch in
          let numbers = batch.observations.vectors[key]!.scalars.map(Double.init)
          return Pose(matrix: numbers[4...] + [0, 0, 0, 1]).seen(from: poses(batch)[0])
        }
        let error = distance(mounts[0], mounts[1])
        #expect(error.meters < 1e-5 && error.radians < 1e-3)
      }
    }
  }
#endif
