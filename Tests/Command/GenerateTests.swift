#if Kitchenette
  import Demonstrations
  import Foundation
  import ImitationKit
  import Testing

  @Suite(.serialized) struct GenerateTests {
    private static let registry = """
      name: small
      about: for tests
      sources:
        some: {path: "files/{task}.hdf5", about: recorded}
        generated: {path: "generated/{task}.hdf5", about: generated}
      splits: [some-3, generated-4]
      tasks:
        - {name: OpenDrawer, group: drawers, horizon: 120}
        - {name: PnPCounterToSink, group: pick-place, horizon: 160}

      """
    private static let generate = ["generate", "recipe.yaml", "--source", "some-3", "--split", "generated-4"]

    private func project(_ task: String) throws -> CommandRunner {
      let runner = try CommandRunner()
      try runner.write(GenerateTests.registry, to: "Datasets/small.yaml")
      try runner.write(
        CommandRunner.recipe.replacingOccurrences(of: "split: some", with: "split: some-3")
          .replacingOccurrences(of: "tasks: [OpenDrawer]", with: "tasks: [\(task)]"), to: "recipe.yaml")
      let recorded = try runner.run("record", "recipe.yaml")
      #expect(recorded.status == 0, "\(recorded.errors)")
      return runner
    }

    private func kitchen(size: Int = 20) throws -> any Environment {
      try Catalog.standard.makeSimulator(
        Choice(kind: "kitchenette", options: Setting(json: "{\"image_size\": \(size)}")))
    }

    /// Its own actions in its own scene, one after the other, solve the task; what was drawn is what is there to see.
    @Test(arguments: ["OpenDrawer", "PnPCounterToSink"]) func generatedDemonstrationsReplayToSuccess(task: String)
      throws
    {
      let runner = try project(task)
      defer { runner.remove() }
      let made = try runner.run(GenerateTests.generate + ["--format", "json"])
      #expect(made.status == 0, "\(made.errors)")
      let yields = try #require(JSONSerialization.jsonObject(with: Data(made.output.utf8)) as? [[String: Any]])
      #expect(yields[0]["demonstrations"] as? Int == 4 && (yields[0]["attempts"] as? Int ?? 0) >= 4)

      let file = try DemonstrationFile(path: runner.folder + "/Datasets/small/generated/\(task).hdf5")
      #expect(file.demos.count == 4 && file.task == task)
      let kitchen = try kitchen()
      for demo in file.demos {
        let seed = try file.hdf5.integer(of: "data/\(demo)", "seed")
        var seen = try kitchen.reset(EpisodeSpec(task: task, seed: UInt64(seed), pool: .training))
        let instruction = try file.instruction(demo)
        #expect(seen.instruction == instruction)
        let actions = try file.hdf5.floats("data/\(demo)/actions")
        let images = try file.hdf5.frames("data/\(demo)/obs/robot0_agentview_left_image")
        let grips = try file.hdf5.floats("data/\(demo)/obs/robot0_base_to_eef_pos")
        let (rows, frame) = (actions.count / 12, 20 * 20 * 3)
        var solved = false
        for row in 0..<rows {
          #expect(!solved, "rows after the one that solves it")
          let image = try #require(seen.images["robot0_agentview_left_image"])
          #expect(image.pixels == Array(images[row * frame..<(row + 1) * frame]), "row \(row) of \(demo)")
          #expect(seen.vectors["robot0_base_to_eef_pos"] == Array(grips[row * 3..<row * 3 + 3]))
          let step = try kitchen.step(Array(actions[row * 12..<row * 12 + 12]))
          (seen, solved) = (step.observation, step.success)
        }
        #expect(solved, "\(demo)")
        let sources = try file.hdf5.strings("data/\(demo)/src_demos")
        #expect(sources.count == (task == "OpenDrawer" ? 1 : 2) && sources.allSatisfy { $0.hasPrefix("demo_") })
      }

      // Nothing is done twice; another size is drawn from the same states.
      #expect(try runner.run(GenerateTests.generate).status == 0)
      let larger = GenerateTests.generate + ["--set", "evaluation.simulator.image_size=28"]
      #expect(try runner.run(larger).complaint.contains("--draw-again"))
      // What the states came from is not needed for that.
      try FileManager.default.moveItem(
        atPath: runner.folder + "/Datasets/small/files", toPath: runner.folder + "/elsewhere")
      // How they were made is in them, and has to be what is asked for.
      let drawn = try #require(runner.bytes("Datasets/small/generated/\(task).hdf5"))
      for other in [["--noise", "0.1"], ["--selection", "random"], ["--set", "seed=2"]] {
        let refused = try runner.run(larger + ["--draw-again"] + other)
        #expect(
          refused.status == 1 && refused.complaint.contains("generated otherwise (seed ")
            && refused.complaint.contains(
              ", horizon \(task == "OpenDrawer" ? 120 : 160), --noise 0.05, --selection nearest); "),
          "\(other): \(refused.errors)")
        #expect(runner.bytes("Datasets/small/generated/\(task).hdf5") == drawn)
      }
      #expect(try runner.run(larger + ["--draw-again"]).status == 0)
      try FileManager.default.moveItem(
        atPath: runner.folder + "/elsewhere", toPath: runner.folder + "/Datasets/small/files")

      let again = try DemonstrationFile(path: file.path)
      #expect(try again.hdf5.shape("data/demo_0/obs/robot0_agentview_left_image")[1] == 28)
      #expect(try again.hdf5.floats("data/demo_3/actions") == file.hdf5.floats("data/demo_3/actions"))
      let states = try DemonstrationFile(path: runner.folder + "/Datasets/small/generated/\(task).states.hdf5")
      for key in states.maskNames {
        #expect(try again.mask(key) == states.mask(key))
      }
    }

    /// Attempts that failed for want of steps are made anew when there are more.
    @Test func theHorizonDecidesWhatIsKept() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      let recipe = CommandRunner.recipe.replacingOccurrences(of: "split: some", with: "split: some-3")
      try runner.write(recipe, to: "recipe.yaml")
      func allow(_ steps: Int) throws {
        try runner.write(
          GenerateTests.registry.replacingOccurrences(of: "horizon: 120", with: "horizon: \(steps)"),
          to: "Datasets/small.yaml")
      }
      try allow(4)
      #expect(try runner.run("record", "recipe.yaml").complaint.contains("giving up"))
      try allow(120)
      let mixed = try runner.run("record", "recipe.yaml")
      #expect(mixed.status == 1 && mixed.complaint.contains("unfinished work of other settings"), "\(mixed.errors)")
      let recorded = try runner.run("record", "recipe.yaml", "--replace")
      #expect(recorded.status == 0, "\(recorded.errors)")

      let states = GenerateTests.generate + ["--states-only"]
      #expect(try runner.run(states).status == 0)
      try allow(119)
      let other = try runner.run(states)
      #expect(other.status == 1 && other.complaint.contains("another seed, horizon or settings"), "\(other.errors)")
      #expect(try runner.run(states + ["--replace"]).status == 0)
      let path = runner.folder + "/Datasets/small/generated/OpenDrawer.states.hdf5"
      let origin = try HDF5File(forReading: path).text(of: "data", "generation")
      #expect(try object(origin)["horizon"] as? Int == 119)

      // A file from before it was written may have any.
      try allow(118)
      try GenerateTests.rewrite(path) { file in
        var older = try object(origin)
        older["horizon"] = nil
        let text = try JSONSerialization.data(withJSONObject: older)
        try file.setText(String(decoding: text, as: UTF8.self), of: "data", "generation")
      }
      #expect(try runner.run(states).status == 0)
    }

    private func object(_ text: String) throws -> [String: Any] {
      try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    /// Writes a file's demonstrations and filter keys again, with other attributes.
    private static func rewrite(_ path: String, _ attributes: (HDF5File) throws -> Void) throws {
      let old = try HDF5File(forReading: path)
      try HDF5File.atomically(path) { file in
        try file.copy("data", from: old, as: "data")
        try file.copy("mask", from: old, as: "mask")
        try attributes(file)
      }
    }

    /// Other settings never mix with what is there, finished or not.
    @Test func nothingIsMixedOrReplacedUnasked() throws {
      let runner = try project("OpenDrawer")
      defer { runner.remove() }
      let noisy = GenerateTests.generate + ["--noise", "0.1", "--states-only"]
      let parts = runner.folder + "/Datasets/small/generated/OpenDrawer.states.hdf5.parts"
      let process = try runner.start(GenerateTests.generate, log: "stopped")
      while !FileManager.default.fileExists(atPath: parts + "/identity"), process.isRunning { usleep(2000) }
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
      if FileManager.default.fileExists(atPath: parts) {
        #expect(try runner.run(noisy).complaint.contains("unfinished work of other settings"))
      }
      #expect(try runner.run(GenerateTests.generate).status == 0)
      let states = try #require(runner.bytes("Datasets/small/generated/OpenDrawer.states.hdf5"))
      for other in [noisy, GenerateTests.generate + ["--set", "seed=2"]] {
        #expect(try runner.run(other).complaint.contains("--replace"))
      }
      #expect(try runner.run(GenerateTests.generate + ["--episodes", "3"]).complaint.contains("no split of 3"))
      #expect(runner.bytes("Datasets/small/generated/OpenDrawer.states.hdf5") == states)
      // Replaced when asked for; then the images are of other states.
      #expect(try runner.run(noisy + ["--replace"]).status == 0)
      let others = try #require(runner.bytes("Datasets/small/generated/OpenDrawer.states.hdf5"))
      #expect(others != states)
      #expect(try runner.run(Array(noisy.dropLast())).complaint.contains("--draw-again"))
      // States that are as they are asked for stay; their images replace the others.
      let date = try runner.changed("Datasets/small/generated/OpenDrawer.states.hdf5")
      #expect(try runner.run(noisy.dropLast() + ["--replace"]).status == 0)
      #expect(try runner.changed("Datasets/small/generated/OpenDrawer.states.hdf5") == date)
      #expect(try runner.run(Array(noisy.dropLast())).status == 0)
    }

    /// Recorded demonstrations neither.
    @Test func recordingsAreNotReplacedUnasked() throws {
      let runner = try project("OpenDrawer")
      defer { runner.remove() }
      let path = "Datasets/small/files/OpenDrawer.hdf5"
      let whole = try #require(runner.bytes(path))
      let fewer = ["record", "recipe.yaml", "--episodes", "2"]
      #expect(try runner.run(fewer).complaint.contains("no split of 2, only: 3_demos, train, valid; --replace"))
      #expect(runner.bytes(path) == whole)
      let resized = try runner.run("record", "recipe.yaml", "--set", "evaluation.simulator.image_size=24")
      #expect(resized.status == 0 && resized.errors.contains("other simulator settings"))
      #expect(runner.bytes(path) == whole)
      let larger = try runner.run("record", "recipe.yaml", "--set", "evaluation.simulator.image_size=24", "--replace")
      #expect(larger.status == 0)
      let drawn = try DemonstrationFile(path: runner.folder + "/" + path)
      #expect(try drawn.hdf5.shape("data/demo_0/obs/robot0_agentview_left_image")[1] == 24)
      #expect(try runner.run(fewer + ["--replace"]).status == 0)
      #expect(try DemonstrationFile(path: runner.folder + "/" + path).demos.count == 2)
      try runner.write("no demonstrations", to: path)
      #expect(try runner.run(fewer).complaint.contains("--replace"))
      #expect(runner.bytes(path) == Data("no demonstrations".utf8))
    }

    /// Killed again and again at any moment, it ends in the bytes of one that was never stopped.
    @Test func generatingEndsInTheSameBytes() throws {
      let whole = try project("OpenDrawer")
      let killed = try project("OpenDrawer")
      defer {
        whole.remove()
        killed.remove()
      }
      #expect(try whole.run(GenerateTests.generate).status == 0)
      var random = Random(seed: 22)
      for attempt in 0..<CommandRunner.kills {
        try killed.kill(GenerateTests.generate, attempt, after: random.uniform(0.02...0.5))
      }
      #expect(try killed.run(GenerateTests.generate).status == 0)
      for name in ["OpenDrawer.states.hdf5", "OpenDrawer.hdf5"] {
        let expected = try #require(whole.bytes("Datasets/small/generated/\(name)"))
        #expect(killed.bytes("Datasets/small/generated/\(name)") == expected, "\(name)")
      }
    }

    /// Without room for the whole file it stops with one line, keeps the parts, and goes on when there is room.
    @Test func aFullDiskCostsNothing() throws {
      let runner = try project("OpenDrawer")
      defer { runner.remove() }
      let path = "Datasets/small/files/OpenDrawer.hdf5"
      let whole = try #require(runner.bytes(path))
      try FileManager.default.removeItem(atPath: runner.folder + "/" + path)
      // Where the disk is full for a part, which nobody foresees, and for the whole, which is foreseen.
      for (kilobytes, parts) in [(whole.count / 8192, 0), (whole.count / 2048, 3)] {
        let limited = "trap '' XFSZ; ulimit -f \(kilobytes); exec \"$0\" \"$@\""
        let stopped = try runner.run(
          "-c", limited, CommandRunner.executable, "record", "recipe.yaml", executable: "/bin/bash")
        #expect(
          stopped.status == 1 && stopped.complaint.contains("not written"), "\(stopped.status) \(stopped.errors)")
        let left = try FileManager.default.subpathsOfDirectory(atPath: runner.folder + "/Datasets")
        #expect(!left.contains { $0.hasSuffix(".partial") })
        #expect(left.count { $0.contains(".parts/episode-") } == parts, "\(left)")
      }
      #expect(try runner.run("record", "recipe.yaml").status == 0)
      #expect(runner.bytes(path) == whole)
    }

    @Test func whatCannotBeGeneratedFromIsSaid() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      // Demonstrations of another maker, without datagen_info.
      try runner.writeSmallProject(demos: 3)
      try runner.write(GenerateTests.registry, to: "Datasets/small.yaml")
      let refused = try runner.run(GenerateTests.generate)
      #expect(refused.status == 1 && refused.complaint.contains("no datagen_info"), "\(refused.errors)")
      let itself = try runner.run("generate", "recipe.yaml", "--source", "some-3", "--split", "some-2")
      #expect(itself.status == 1 && itself.complaint.contains("generated from itself"))
      #expect(try runner.run(GenerateTests.generate + ["--tasks", "pots"]).complaint.contains("not a task or a group"))
      // What is given on the command line stands on no line of the file; what stands in the file does.
      let given = try runner.run(GenerateTests.generate + ["--set", "training.steps=many"])
      #expect(given.complaint.contains("recipe.yaml, 'training.steps' must be"), "\(given.complaint)")
      for (change, words) in [
        ("trainning.steps=5", "unknown key 'trainning'"), ("encoder={kind: small", "--set 'encoder="),
      ] {
        let complaint = try runner.run(GenerateTests.generate + ["--set", change]).complaint
        #expect(complaint.contains(words) && !complaint.contains("line"), "\(complaint)")
      }
      try runner.write(
        "\n\n" + CommandRunner.recipe.replacingOccurrences(of: "steps: 24", with: "steps: x"), to: "odd.yaml")
      let written = try runner.run("generate", "odd.yaml", "--split", "generated-4")
      #expect(written.complaint.contains("line 17: 'training.steps' must be"), "\(written.complaint)")
    }
  }
#endif
