#if Kitchenette
  import Imitation
  import Kitchenette
  import Testing

  extension KitchenTests {
    @Suite struct Episodes {
      @Test func tasksCarryRoboCasaNames() {
        #expect(kitchenTasks.map(\.name) == ["OpenDrawer", "CloseDrawer", "TurnOnStove", "PnPCounterToSink"])
        #expect(kitchenTasks.map(\.group) == ["drawers", "drawers", "knobs", "pick-place"])
      }

      @Test func anUnknownTaskIsRefusedWithTheKnownOnes() throws {
        let kitchen = try blindKitchen()
        #expect(throws: KitchenetteError.unknownTask("OpenFridge", known: kitchenTasks.map(\.name))) {
          try kitchen.reset(EpisodeSpec(task: "OpenFridge", seed: 0, pool: .training))
        }
        #expect(throws: KitchenetteError.self) { try kitchen.arguments(task: "OpenFridge") }
      }

      @Test func nothingRunsBeforeReset() throws {
        let kitchen = try blindKitchen()
        #expect(throws: KitchenetteError.notStarted) { try kitchen.step(stillness) }
        #expect(kitchen.state.isEmpty)
        #expect(kitchen.expert(seed: 0, noise: 0) == nil)
      }

      @Test func badActionsAreRefusedAndHarmless() throws {
        let kitchen = try blindKitchen()
        _ = try kitchen.reset(EpisodeSpec(task: "OpenDrawer", seed: 3, pool: .training))
        let before = kitchen.state
        var action = stillness
        action[4] = .nan
        #expect(throws: KitchenetteError.actionNotFinite(index: 4, name: "arm_ry")) { try kitchen.step(action) }
        action[4] = .infinity
        #expect(throws: KitchenetteError.self) { try kitchen.step(action) }
        #expect(throws: KitchenetteError.actionWidth(expected: 12, found: 7)) {
          try kitchen.step([Float](repeating: 0, count: 7))
        }
        #expect(kitchen.state == before)
      }

      @Test func valuesBeyondOneCountAsOne() throws {
        func state(_ scale: Float) throws -> [Double] {
          let kitchen = try blindKitchen()
          _ = try kitchen.reset(EpisodeSpec(task: "OpenDrawer", seed: 3, pool: .training))
          var action = stillness
          action[0] = scale
          _ = try kitchen.step(action)
          return kitchen.state
        }
        #expect(try state(1) == state(40))
        #expect(try state(1) != state(0.5))
      }

      @Test(arguments: kitchenTasks)
      func theSameSeedAndActionsGiveTheSameBits(task: SimulatedTask) throws {
        let actions: [[Float]] = (0..<6).map { step in (0..<12).map { Float(($0 * 7 + step * 5) % 11) / 5.5 - 1 } }
        func run(after others: [(String, UInt64)]) throws -> ([Observation], [Double], EpisodeDescription) {
          let kitchen = try KitchenetteEnvironment(options: .init { $0.imageSize = 48 })
          for (name, seed) in others {
            _ = try kitchen.reset(EpisodeSpec(task: name, seed: seed, pool: .evaluation))
            _ = try kitchen.step(actions[3])
          }
          var seen = [try kitchen.reset(EpisodeSpec(task: task.name, seed: 11, pool: .training))]
          for action in actions { seen.append(try kitchen.step(action).observation) }
          return (seen, kitchen.state, kitchen.description)
        }
        let alone = try run(after: [])
        let later = try run(after: [("PnPCounterToSink", 4), ("TurnOnStove", 9)])
        #expect(alone.0 == later.0)
        #expect(alone.1 == later.1)
        #expect(alone.2 == later.2)
      }

      @Test func anotherSeedOrPoolIsAnotherEpisode() throws {
        let kitchen = try blindKitchen()
        let first = try kitchen.reset(EpisodeSpec(task: "PnPCounterToSink", seed: 1, pool: .training))
        let second = try kitchen.reset(EpisodeSpec(task: "PnPCounterToSink", seed: 2, pool: .training))
        let third = try kitchen.reset(EpisodeSpec(task: "PnPCounterToSink", seed: 1, pool: .evaluation))
        #expect(first.vectors != second.vectors)
        #expect(first.vectors != third.vectors)
      }

      @Test func poolsShareNoStyleAndNoObjectButEveryWord() throws {
        let kitchen = try blindKitchen()
        var styles: [ScenePool: Set<String>] = [:]
        var objects: [ScenePool: Set<String>] = [:]
        var layouts: [ScenePool: Set<String>] = [:]
        var words: [ScenePool: Set<Substring>] = [:]
        for pool in ScenePool.allCases {
          for seed in 0..<120 as Range<UInt64> {
            let task = kitchenTasks[Int(seed % 4)].name
            let seen = try kitchen.reset(EpisodeSpec(task: task, seed: seed, pool: pool))
            words[pool, default: []].formUnion(seen.instruction.split(separator: " "))
            let metadata = kitchen.description.metadata.split(separator: "\n").map(String.init)
            for line in metadata {
              if line.contains("\"style_id\"") { styles[pool, default: []].insert(line) }
              if line.contains("\"layout_id\"") { layouts[pool, default: []].insert(line) }
              if line.contains("\"instance\"") { objects[pool, default: []].insert(line) }
            }
          }
        }
        #expect(styles[.training]!.count == 12 && styles[.evaluation]!.count == 4)
        #expect(objects[.training]!.count > 8 && objects[.evaluation]!.count == 6)
        #expect(styles[.training]!.isDisjoint(with: styles[.evaluation]!))
        #expect(objects[.training]!.isDisjoint(with: objects[.evaluation]!))
        #expect(layouts[.training]! == layouts[.evaluation]!)
        #expect(words[.evaluation]!.isSubset(of: words[.training]!))
        #expect(words[.training]!.count <= 40)
      }
    }
  }
#endif
