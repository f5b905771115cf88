#if Kitchenette
  import Imitation
  import Kitchenette
  import Testing

  extension KitchenTests {
    @Suite struct Robots {
      /// Steps with one action; the proprioception under `key` before and after the last step.
      private func proprioception(
        _ key: String, _ action: [Float], steps: Int, in kitchen: KitchenetteEnvironment
      ) throws -> (before: [Float], after: [Float]) {
        var before: [Float] = []
        var after: [Float] = []
        for _ in 0..<steps {
          before = after
          after = try kitchen.step(action).observation.vectors[key]!
        }
        return (before, after)
      }

      @Test(arguments: 0..<3) func anArmStepIsFiveCentimetersInTheFrameOfTheBase(axis: Int) throws {
        let kitchen = try blindKitchen()
        _ = try kitchen.reset(EpisodeSpec(task: "OpenDrawer", seed: 8, pool: .training))
        // Turn the base first, so that its frame is not the world's.
        var turning = stillness
        turning[9] = -1
        turning[11] = 1
        _ = try proprioception("robot0_base_quat", turning, steps: 12, in: kitchen)
        _ = try proprioception("robot0_base_quat", stillness, steps: 4, in: kitchen)
        var action = stillness
        action[axis] = 1
        let (before, after) = try proprioception("robot0_base_to_eef_pos", action, steps: 4, in: kitchen)
        for other in 0..<3 {
          let moved = after[other] - before[other]
          #expect(abs(moved - (other == axis ? 0.05 : 0)) < 0.008, "axis \(other) moved \(moved) m")
        }
      }

      @Test func aTurnIsHalfARadian() throws {
        let kitchen = try blindKitchen()
        _ = try kitchen.reset(EpisodeSpec(task: "OpenDrawer", seed: 8, pool: .training))
        var action = stillness
        action[5] = 0.2
        let (before, after) = try proprioception("robot0_base_to_eef_quat", action, steps: 5, in: kitchen)
        let overlap = zip(before, after).reduce(0) { $0 + $1.0 * $1.1 }
        // Half the turn's cosine: the sine keeps precision at small angles.
        let turned = 2 * (1 - min(abs(overlap), 1) * min(abs(overlap), 1)).squareRoot()
        #expect(abs(turned - 0.1) < 0.02, "turned \(turned) rad")
      }

      @Test func stillnessKeepsTheArmWhereItIs() throws {
        let kitchen = try blindKitchen()
        let start = try kitchen.reset(EpisodeSpec(task: "OpenDrawer", seed: 8, pool: .training)).vectors[
          "robot0_eef_pos"]!
        let (_, end) = try proprioception("robot0_eef_pos", stillness, steps: 40, in: kitchen)
        for axis in 0..<3 { #expect(abs(end[axis] - start[axis]) < 0.004) }
      }

      @Test func inBaseModeTheBaseMovesAndTheArmHolds() throws {
        let kitchen = try blindKitchen()
        let start = try kitchen.reset(EpisodeSpec(task: "OpenDrawer", seed: 8, pool: .training))
        var action = stillness
        action[0] = 1
        action[7] = -1
        action[8] = 0.5
        action[11] = 1
        var seen = start
        for _ in 0..<16 { seen = try kitchen.step(action).observation }
        let base = seen.vectors["robot0_base_pos"]!
        let first = start.vectors["robot0_base_pos"]!
        #expect(base[0] < first[0] - 0.1 && base[1] > first[1] + 0.04)
        let held = seen.vectors["robot0_base_to_eef_pos"]!
        for axis in 0..<3 { #expect(abs(held[axis] - start.vectors["robot0_base_to_eef_pos"]![axis]) < 0.02) }
      }

      @Test func inArmModeTheBaseHolds() throws {
        let kitchen = try blindKitchen()
        let start = try kitchen.reset(EpisodeSpec(task: "OpenDrawer", seed: 8, pool: .training)).vectors[
          "robot0_base_pos"]!
        var action = stillness
        action[1] = 0.5
        action[7] = 1
        action[9] = 1
        let (_, end) = try proprioception("robot0_base_pos", action, steps: 8, in: kitchen)
        for axis in 0..<3 { #expect(abs(end[axis] - start[axis]) < 0.003) }
      }

      @Test func theTorsoLiftsTheGripper() throws {
        let kitchen = try blindKitchen()
        let start = try kitchen.reset(EpisodeSpec(task: "OpenDrawer", seed: 8, pool: .training)).vectors[
          "robot0_eef_pos"]!
        var action = stillness
        action[10] = 1
        action[11] = 1
        let (_, end) = try proprioception("robot0_eef_pos", action, steps: 20, in: kitchen)
        #expect(end[2] > start[2] + 0.06)
      }

      @Test func theGripperClosesAndOpens() throws {
        let kitchen = try blindKitchen()
        _ = try kitchen.reset(EpisodeSpec(task: "OpenDrawer", seed: 8, pool: .training))
        var action = stillness
        action[6] = 1
        let (_, closed) = try proprioception("robot0_gripper_qpos", action, steps: 10, in: kitchen)
        #expect(abs(closed[0]) < 0.004 && abs(closed[1]) < 0.004)
        let (_, open) = try proprioception("robot0_gripper_qpos", stillness, steps: 10, in: kitchen)
        #expect(open[0] > 0.045 && open[1] < -0.045)
      }
    }
  }
#endif
