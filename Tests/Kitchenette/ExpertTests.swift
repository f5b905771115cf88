#if Kitchenette
  import Imitation
  import Kitchenette
  import Tensors
  import Testing

  extension KitchenTests {
    @Suite struct Experts {
      @Test(arguments: kitchenTasks, ScenePool.allCases)
      func expertsSucceedAndThenHoldStill(task: SimulatedTask, pool: ScenePool) throws {
        let kitchen = try blindKitchen()
        for seed in 500..<508 as Range<UInt64> {
          var seen = try kitchen.reset(EpisodeSpec(task: task.name, seed: seed, pool: pool))
          let expert = try #require(kitchen.expert(seed: seed, noise: 1))
          var success = false
          var action: [Float] = []
          for _ in 0..<task.horizon {
            action = try expert.action(for: seen)
            #expect(action.count == 12 && action.allSatisfy { abs($0) <= 1 })
            let step = try kitchen.step(action)
            seen = step.observation
            success = success || step.success
          }
          #expect(success, "\(task.name), seed \(seed), \(pool)")
          #expect(action[0..<6].allSatisfy { $0 == 0 }, "still moving after \(task.horizon) steps")
        }
      }

      @Test func noiseAndItsSeedMakeThePathDiffer() throws {
        func path(seed: UInt64, noise: Double) throws -> [Float] {
          let kitchen = try blindKitchen()
          let seen = try kitchen.reset(EpisodeSpec(task: "OpenDrawer", seed: 4, pool: .training))
          let expert = try #require(kitchen.expert(seed: seed, noise: noise))
          return try expert.action(for: seen)
        }
        #expect(try path(seed: 1, noise: 1) == path(seed: 1, noise: 1))
        #expect(try path(seed: 1, noise: 1) != path(seed: 2, noise: 1))
        #expect(try path(seed: 1, noise: 0) == path(seed: 2, noise: 0))
      }

      @Test(arguments: kitchenTasks) func doingNothingOrAnythingDoesNotSucceed(task: SimulatedTask) throws {
        let kitchen = try blindKitchen()
        for seed in 0..<4 as Range<UInt64> {
          var random = Random(seed: seed)
          _ = try kitchen.reset(EpisodeSpec(task: task.name, seed: seed, pool: .evaluation))
          for _ in 0..<task.horizon {
            let action = (0..<12).map { _ in seed == 0 ? 0 : Float(random.uniform(-1...1)) }
            let success = try kitchen.step(action).success
            #expect(!success, "\(task.name), seed \(seed)")
          }
        }
      }
    }
  }
#endif
