#if Kitchenette
  import Demonstrations
  import Foundation
  import Layers
  import Tensors
  import Testing

  /// Killed at any moment, every file left opens, and the work that goes on ends in the bits of one never stopped.
  @Suite(.serialized) struct ResumeTests {
    /// Averaged weights, the noise of diffusion and moved windows included.
    @Test(arguments: [
      [],
      [
        "--set",
        "policy={kind: diffusion-unet, horizon: 4, context: 1, widths: [16, 32], step_width: 8, noise_draws: 2}",
      ],
      [
        "--set", "augmentation={translation: 0.02, rotation: 5}", "--set",
        "actions.active_dimensions=[0, 1, 2, 3, 4, 5, 6]",
      ],
    ]) func trainingEndsInTheSameBits(_ changes: [String]) throws {
      let arguments = ["train", "recipe.yaml", "--run", "run"] + changes
      let whole = try CommandRunner()
      let killed = try CommandRunner()
      defer {
        whole.remove()
        killed.remove()
      }
      try whole.writeSmallProject()
      try killed.writeSmallProject()
      #expect(try whole.run(arguments).status == 0)

      var random = Random(seed: 20)
      for attempt in 0..<CommandRunner.kills {
        let process = try killed.start(arguments, log: "kill-\(attempt)")
        Thread.sleep(forTimeInterval: random.uniform(0.02...0.25))
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        for name in (try? FileManager.default.contentsOfDirectory(atPath: killed.folder + "/run/checkpoints")) ?? []
        where name.hasSuffix(".safetensors") {
          _ = try Safetensors.read(killed.folder + "/run/checkpoints/" + name)
        }
      }
      #expect(try killed.run(arguments).status == 0)
      let last = "run/checkpoints/step-0000024.safetensors"
      let expected = try #require(whole.bytes(last))
      #expect(killed.bytes(last) == expected)
      #expect(
        !(try FileManager.default.contentsOfDirectory(atPath: killed.folder + "/run/checkpoints"))
          .contains { $0.hasSuffix(".partial") })
    }

    @Test func recordingEndsInTheSameBytes() throws {
      let whole = try CommandRunner()
      let killed = try CommandRunner()
      defer {
        whole.remove()
        killed.remove()
      }
      let arguments = ["record", "recipe.yaml", "--episodes", "12"]
      for runner in [whole, killed] {
        try runner.writeSmallProject(demos: 1)
        try FileManager.default.removeItem(atPath: runner.folder + "/Datasets/small/files/OpenDrawer.hdf5")
      }
      #expect(try whole.run(arguments).status == 0)
      var random = Random(seed: 21)
      for attempt in 0..<CommandRunner.kills {
        try killed.kill(arguments, attempt, after: random.uniform(0.02...0.6))
        let parts = killed.folder + "/Datasets/small/files/OpenDrawer.hdf5.parts"
        for name in (try? FileManager.default.contentsOfDirectory(atPath: parts)) ?? [] where name.hasSuffix(".hdf5") {
          _ = try HDF5File(forReading: parts + "/" + name).shape("episode/actions")
        }
      }
      #expect(try killed.run(arguments).status == 0)
      let expected = try #require(whole.bytes("Datasets/small/files/OpenDrawer.hdf5"))
      #expect(killed.bytes("Datasets/small/files/OpenDrawer.hdf5") == expected)
    }

    /// Record, train, evaluate, report, export and verify, small: every verb's happy path and its files.
    @Test func theWholePathRuns() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject(demos: 1)
      try FileManager.default.removeItem(atPath: runner.folder + "/Datasets/small/files/OpenDrawer.hdf5")
      #expect(try runner.run("record", "recipe.yaml", "--episodes", "3").status == 0)
      let changes = ["--set", "data.split=some", "--set", "training.steps=4"]
      try runner.write(
        (try String(contentsOfFile: runner.folder + "/Datasets/small.yaml", encoding: .utf8))
          .replacingOccurrences(of: "1_demos", with: "3_demos"), to: "Datasets/small.yaml")
      let trained = try runner.run(
        "train", "recipe.yaml", "--run", "run", changes[0], changes[1], changes[2], changes[3])
      #expect(trained.status == 0, "\(trained.errors)")
      let evaluated = try runner.run("evaluate", "run", "--with", "expert,random", "--format", "json")
      #expect(evaluated.status == 0, "\(evaluated.errors)")
      let data = try #require(runner.bytes("run/evaluation.json"))
      let json = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
      let rows = try #require(json["rows"] as? [[String: Any]])
      #expect(rows.map { $0["policy"] as? String } == ["bc-transformer", "expert", "random"])
      for key in ["task", "split", "episodes", "successes", "rate", "low", "high"] {
        #expect(rows[0][key] != nil, "\(key)")
      }
      #expect(rows[1]["successes"] as? Int == 1)
      #expect(try runner.run("report", "run").status == 0)
      let page = String(decoding: try #require(runner.bytes("run/report.html")), as: UTF8.self)
      #expect(page.contains("OpenDrawer") && page.contains("data:image/jpeg;base64,"))
      #expect(!page.contains("http://") && !page.contains("https://"))
      #expect(try runner.run("export", "run").status == 0)
      #expect(try runner.run("verify", "run/policy").status == 0)

      // Again: nothing is done twice.
      let again = try runner.run("train", "recipe.yaml", "--run", "run", changes[0], changes[1], changes[2], changes[3])
      #expect(again.status == 0 && again.errors.contains("trained"))

      // One byte of the weights.
      let weights = runner.folder + "/run/policy/weights.safetensors"
      var bytes = try #require(FileManager.default.contents(atPath: weights))
      bytes[bytes.count - 1] ^= 1
      try bytes.write(to: URL(fileURLWithPath: weights))
      let damaged = try runner.run("verify", "run/policy")
      #expect(damaged.status == 1 && damaged.complaint.contains("damaged"))
      try FileManager.default.removeItem(atPath: weights)
      #expect(try runner.run("verify", "run/policy").complaint.contains("missing"))
      #expect(try runner.run("verify", "run").complaint.contains("not a policy package"))
    }
  }
#endif
