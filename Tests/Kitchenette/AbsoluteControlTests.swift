#if Kitchenette
  import Imitation
  import Kitchenette
  import Testing

  extension KitchenTests {
    /// A goal of the gripper instead of a step: the same motion.
    @Suite struct AbsoluteControl {
      func kitchen(_ control: KitchenetteEnvironment.Options.Control) throws -> KitchenetteEnvironment {
        try KitchenetteEnvironment(options: .init { ($0.cameras, $0.control) = ([], control) })
      }

      @Test(arguments: ["OpenDrawer", "TurnOnStove", "PnPCounterToSink"]) func expertsSolveTheirTasks(_ task: String)
        throws
      {
        let kitchen = try kitchen(.absolute)
        for seed in 1...3 as ClosedRange<UInt64> {
          var observation = try kitchen.reset(EpisodeSpec(task: task, seed: seed, pool: .training))
          let expert = try #require(kitchen.expert(seed: seed, noise: 1))
          var solved = false
          for _ in 0..<160 where !solved {
            let step = try kitchen.step(expert.action(for: observation))
            (observation, solved) = (step.observation, step.success)
          }
          #expect(solved, "\(task) \(seed)")
        }
      }

      /// What a recording holds as `actions_abs` does what its `actions` did.
      @Test func recordedGoalsRepeatTheMotion() throws {
        let (one, other) = (try kitchen(.relative), try kitchen(.absolute))
        var observation = try one.reset(EpisodeSpec(task: "OpenDrawer", seed: 5, pool: .training))
        _ = try other.reset(EpisodeSpec(task: "OpenDrawer", seed: 5, pool: .training))
        let expert = try #require(one.expert(seed: 5, noise: 1))
        var (mine, theirs) = (observation, observation)
        for _ in 0..<30 {
          let action = try expert.action(for: observation)
          let recorded = one.recorded(action)
          #expect(recorded.relative == action)
          let goal = try #require(recorded.absolute)
          #expect(Array(goal[6...]) == Array(action[6...]))
          // The other way round: the goal is the step it was made of.
          for (found, wanted) in zip(other.recorded(goal).relative, action) { #expect(abs(found - wanted) < 2e-3) }
          mine = try one.step(action).observation
          theirs = try other.step(goal).observation
          observation = mine
        }
        let key = "robot0_base_to_eef_pos"
        for (a, b) in zip(mine.vectors[key]!, theirs.vectors[key]!) { #expect(abs(a - b) < 1e-3) }
      }

      @Test func goalsOutOfReachMoveOneStep() throws {
        let kitchen = try kitchen(.absolute)
        #expect(kitchen.spec.actions.dimensions[0].unit == "m")
        let start = try kitchen.reset(EpisodeSpec(task: "OpenDrawer", seed: 5, pool: .training)).vectors[
          "robot0_base_to_eef_pos"]!
        var goal = kitchen.recorded(stillness).absolute ?? stillness
        goal = [start[0] + 10, start[1], start[2]] + [Float.pi, 0, 0, -1, 0, 0, 0, 0, -1]
        let after = try kitchen.step(goal).observation.vectors["robot0_base_to_eef_pos"]!
        #expect(after[0] - start[0] > 0.01 && after[0] - start[0] < 0.08)
      }
    }
  }
#endif
