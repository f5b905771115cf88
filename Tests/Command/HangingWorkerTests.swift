#if Kitchenette
  import Evaluation
  import Foundation
  import Testing

  /// Worker processes that stand still: each is ended after the deadline, and nothing waits for it for ever.
  @Suite(.serialized) struct HangingWorkerTests {
    private static let deadline = ["--deadline", "10"]

    @Test func aHangingEpisodeFailsAndTheOthersAreTried() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject()
      #expect(try runner.run("train", "recipe.yaml", "--run", "run", "--set", "training.steps=4").status == 0)
      let arguments = ["evaluate", "run", "--episodes", "3", "--workers", "1"] + HangingWorkerTests.deadline
      let process = try runner.start(arguments, log: "evaluate")
      runner.stop(3, "serve-environment", of: process)
      process.waitUntilExit()
      let errors = String(decoding: try #require(runner.bytes("evaluate.err")), as: UTF8.self)
      #expect(process.terminationStatus == 0, "\(errors)")
      #expect(errors.contains("1 of 3 episodes crashed"), "\(errors)")
      let result = try EvaluationResult.read(runner.folder + "/run/evaluation.json")
      #expect(result.episodes.map(\.episode) == [0, 1, 2])
      #expect(result.rows.map(\.errors) == [1] && result.rows.map(\.episodes) == [3])
      #expect(result.episodes[0].error?.contains("no answer within 10 s") ?? false, "\(result.episodes)")
      #expect(!result.episodes[0].success && result.episodes.dropFirst().allSatisfy { $0.error == nil })

      // The same command tries it again, and only that one.
      let again = try runner.run(arguments)
      #expect(again.status == 0, "\(again.errors)")
      let whole = try EvaluationResult.read(runner.folder + "/run/evaluation.json")
      #expect(whole.episodes.allSatisfy { $0.error == nil })
      #expect(Array(whole.episodes.dropFirst()) == Array(result.episodes.dropFirst()))

      for refused in ["0", "-3"] {
        #expect(
          try runner.run("evaluate", "run", "--deadline=\(refused)").errors.contains("--deadline must be 1 or more"))
      }
    }

    /// An attempt whose worker was ended once is made again: nothing of the file tells.
    @Test func aRecordingEndsInTheSameBytes() throws {
      var files: [Data?] = []
      for stopped in [0, 1] {
        let runner = try CommandRunner()
        defer { runner.remove() }
        try runner.writeSmallProject(demos: 3)
        let path = "Datasets/small/files/OpenDrawer.hdf5"
        try FileManager.default.removeItem(atPath: runner.folder + "/" + path)
        let arguments = ["record", "recipe.yaml", "--workers", "2"] + HangingWorkerTests.deadline
        let process = try runner.start(arguments, log: "record")
        runner.stop(stopped, "worker", of: process)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        files.append(runner.bytes(path))
      }
      #expect(files[0] != nil && files[0] == files[1])
    }

    /// The evaluation of a grid's cell stands still itself.
    @Test func aGridGoesOn() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject()
      let arguments =
        ["ablate", "recipe.yaml", "--run", "grid", "--set", "training.steps=4"] + HangingWorkerTests.deadline
      let process = try runner.start(arguments, log: "ablate")
      runner.stop(1, "evaluate", of: process)
      process.waitUntilExit()
      let errors = String(decoding: try #require(runner.bytes("ablate.err")), as: UTF8.self)
      #expect(process.terminationStatus == 0, "\(errors)")
      #expect(errors.contains("has stood still for 10 s"), "\(errors)")
      #expect(runner.bytes("grid/report/report.json") != nil)
    }
  }
#endif
