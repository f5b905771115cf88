#if Kitchenette
  import Imitation
  import Kitchenette
  import Tensors
  import Testing

  extension KitchenTests {
    @Suite struct Rewards {
      /// The rewards of an expert's episode, and of which steps solve it.
      private func episode(_ task: SimulatedTask, _ seed: UInt64) throws -> (rewards: [Float], solved: [Bool]) {
        let kitchen = try blindKitchen()
        var seen = try kitchen.reset(EpisodeSpec(task: task.name, seed: seed, pool: .training))
        let expert = try #require(kitchen.expert(seed: seed, noise: 1))
        var (rewards, solved): ([Float], [Bool]) = ([], [])
        for _ in 0..<task.horizon {
          let step = try kitchen.step(expert.action(for: seen))
          #expect(!step.terminated && !step.truncated)
          seen = step.observation
          rewards.append(step.reward)
          solved.append(step.success)
        }
        return (rewards, solved)
      }

      @Test(arguments: kitchenTasks) func itRisesToOneAlongAnExpertsEpisode(_ task: SimulatedTask) throws {
        for seed in 700..<706 as Range<UInt64> {
          let (rewards, solved) = try episode(task, seed)
          #expect(rewards.allSatisfy { 0...1 ~= $0 })
          #expect(zip(rewards, solved).allSatisfy { ($0 == 1) == $1 })
          let end = try #require(solved.firstIndex(of: true))
          let parts = (0..<4).map { part in
            let steps = rewards[end * part / 4..<end * (part + 1) / 4]
            return steps.reduce(0, +) / Float(steps.count)
          }
          #expect(parts[0] < 0.35 && parts == parts.sorted(), "\(task.name) \(seed): \(parts)")
          // Step by step it may fall, on a way around or where a grasp ends, but not far.
          let falls = zip(rewards[..<end], rewards[1...end]).map { $0 - $1 }
          #expect(falls.max()! < 0.2, "\(task.name) \(seed): \(falls.max()!)")
        }
      }

      @Test(arguments: kitchenTasks) func theSameEpisodeHasTheSameRewards(_ task: SimulatedTask) throws {
        #expect(try episode(task, 3).rewards == episode(task, 3).rewards)
        #expect(try episode(task, 3).rewards != episode(task, 4).rewards)
      }

      @Test(arguments: kitchenTasks) func whoeverDoesNotSolveItGetsLess(_ task: SimulatedTask) throws {
        let kitchen = try blindKitchen()
        var random = Random(seed: 9)
        _ = try kitchen.reset(EpisodeSpec(task: task.name, seed: 9, pool: .evaluation))
        for _ in 0..<task.horizon {
          let step = try kitchen.step((0..<12).map { _ in Float(random.uniform(-1...1)) })
          #expect(!step.success && step.reward >= 0 && step.reward < 0.91)
        }
      }
    }

    @Suite struct States {
      @Test func aStateIsRestoredWhateverRanBefore() throws {
        let (one, other) = (try blindKitchen(), try blindKitchen())
        let spec = EpisodeSpec(task: "OpenDrawer", seed: 21, pool: .evaluation)
        var seen = try one.reset(spec)
        let expert = try #require(one.expert(seed: 21, noise: 0))
        for _ in 0..<50 { seen = try one.step(expert.action(for: seen)).observation }
        _ = try other.reset(EpisodeSpec(task: "PnPCounterToSink", seed: 2, pool: .training))
        let restored = try other.restore(one.state, of: spec)
        #expect(restored == seen && other.state == one.state && other.description == one.description)
        // It goes on from there: the expert, who remembers nothing, solves it.
        let successor = try #require(other.expert(seed: 21, noise: 0))
        var (now, solved) = (restored, false)
        for _ in 0..<70 where !solved {
          let step = try other.step(successor.action(for: now))
          (now, solved) = (step.observation, step.success)
        }
        #expect(solved)
        // And back.
        #expect(try other.restore(one.state, of: spec) == seen)
      }

      @Test func aStateOfAnotherEpisodeIsRefused() throws {
        let kitchen = try blindKitchen()
        let spec = EpisodeSpec(task: "OpenDrawer", seed: 21, pool: .evaluation)
        _ = try kitchen.reset(spec)
        let state = kitchen.state
        #expect(throws: KitchenetteError.stateSize(expected: state.count, found: 3)) {
          try kitchen.restore([0, 0, 0], of: spec)
        }
        #expect(throws: KitchenetteError.self) {
          try kitchen.restore(state, of: EpisodeSpec(task: "PnPCounterToSink", seed: 21, pool: .evaluation))
        }
      }
    }
  }
#endif
