#if Kitchenette
  import Demonstrations
  import Foundation
  import ImitationKit
  import Testing

  /// `imitate replay`: recorded actions solve their task again, and others do not.
  @Suite struct ReplayTests {
    private struct Report: Decodable {
      struct Demo: Decodable {
        var demo: String
        var start: String?
        var recorded, steps: Int
        var success: Bool
        var problem: String?
      }
      var task, environment: String
      var successes: Int
      var demos: [Demo]
    }

    private func report(_ runner: CommandRunner, _ arguments: String...) throws -> Report {
      let result = try runner.run(["replay"] + arguments + ["--format", "json"])
      #expect(result.status == 0, "\(result.errors)")
      return try JSONDecoder().decode(Report.self, from: Data(result.output.utf8))
    }

    /// The demonstrations of a file with other parts.
    private func rewrite(
      _ path: String, to other: String, schema: DemonstrationSchema, keepsState: Bool = true, keepsSeed: Bool = true,
      _ change: (Float) -> Float
    ) throws {
      let file = try DemonstrationFile(path: path)
      let store = try EpisodeStore(folder: other + ".parts", identity: "rewrite")
      for (number, demo) in file.demos.enumerated() {
        var episode = RecordedEpisode(
          actionWidth: 12, description: EpisodeDescription(metadata: "{\"lang\": \"open\"}", model: ""))
        let actions = try file.hdf5.floats("data/\(demo)/actions").map(change)
        let states = try file.hdf5.doubles("data/\(demo)/states")
        let (rows, width) = (actions.count / 12, states.count / (actions.count / 12))
        for row in 0..<rows {
          episode.append(
            Observation(images: [:], vectors: ["step": [Float(row)]]),
            action: Array(actions[row * 12..<(row + 1) * 12]),
            state: keepsState ? Array(states[row * width..<(row + 1) * width]) : [], success: row == rows - 1)
        }
        if keepsSeed { episode.seed = try UInt64(file.hdf5.integer(of: "data/\(demo)", "seed")) }
        try store.write(episode, at: number)
      }
      try store.assemble(
        Array(file.demos.indices), to: other, environmentArguments: file.hdf5.text(of: "data", "env_args"),
        schema: schema, seed: 1)
    }

    /// Demonstrations of the scripted expert, in demos.hdf5.
    private func record(_ count: Int, _ runner: CommandRunner) throws {
      let recorded = try runner.run(
        "record", "--environment", "kitchenette:OpenDrawer", "--output", "demos.hdf5", "--episodes", "\(count)",
        "--set",
        "evaluation.simulator.cameras=[]")
      #expect(recorded.status == 0, "\(recorded.errors)")
    }

    @Test func recordedActionsSucceedAgainAndOthersDoNot() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      let kitchen = "kitchenette:OpenDrawer"
      try record(3, runner)
      let own = try report(runner, "demos.hdf5", "--environment", "kitchenette")
      #expect(own.task == "OpenDrawer" && own.successes == 3 && own.environment == "kitchenette")
      #expect(own.demos.map(\.demo) == ["demo_0", "demo_1", "demo_2"])
      #expect(
        own.demos.allSatisfy { $0.start == "state" && $0.success && $0.steps <= $0.recorded && $0.problem == nil })
      let some = try runner.run("replay", "demos.hdf5", "--environment", kitchen, "--demos", "2", "--workers", "1")
      #expect(some.output.contains("2 of 2 succeed again in kitchenette (100 %"), "\(some.output)\(some.errors)")
      #expect(some.output.contains("demo_1") && !some.output.contains("demo_2"))

      let folder = runner.folder + "/"
      let known = DemonstrationSchema(actions: ["actions": .roboCasa])
      try rewrite(folder + "demos.hdf5", to: folder + "negated.hdf5", schema: known) { -$0 }
      let negated = try report(runner, "negated.hdf5", "--environment", "kitchenette")
      #expect(negated.successes == 0 && negated.demos.allSatisfy { $0.steps == $0.recorded && $0.problem == nil })
      try rewrite(folder + "demos.hdf5", to: folder + "seeds.hdf5", schema: known, keepsState: false) { $0 }
      let seeds = try report(runner, "seeds.hdf5", "--environment", "kitchenette")
      #expect(seeds.successes == 3 && seeds.demos.allSatisfy { $0.start == "seed" })
      // The same bits as when they were recorded: they succeed at the very same step.
      #expect(seeds.demos.allSatisfy { $0.steps == $0.recorded })
      try rewrite(
        folder + "demos.hdf5", to: folder + "neither.hdf5", schema: known, keepsState: false, keepsSeed: false
      ) { $0 }
      let neither = try report(runner, "neither.hdf5", "--environment", "kitchenette")
      #expect(neither.successes == 0)
      #expect(
        neither.demos.allSatisfy { $0.problem == "no seed is recorded, nor a state that kitchenette can restore" })

      // States alone may be of any scene.
      try rewrite(folder + "demos.hdf5", to: folder + "states.hdf5", schema: known, keepsSeed: false) { $0 }
      let states = try report(runner, "states.hdf5", "--environment", "kitchenette")
      #expect(states.successes == 0)
      #expect(
        states.demos.allSatisfy {
          $0.start == nil && $0.problem == "no 'seed' is recorded, so nothing says what scene its states are of"
        })

      // Goals of the hand are another array, for an environment that takes them.
      let steps = try runner.run(
        "replay", "demos.hdf5", "--environment", "kitchenette", "--actions", "actions_abs")
      #expect(steps.status == 1 && steps.complaint.contains("for the recording and "), "\(steps.errors)")
      try runner.write("evaluation: {simulator: {kind: kitchenette, control: absolute}}\n", to: "goals.yaml")
      let goals = try report(runner, "demos.hdf5", "--recipe", "goals.yaml", "--actions", "actions_abs")
      #expect(goals.successes >= 2)
    }

    /// A world of the task's own, which a state says all of.
    private static let program = #"""
      #!/usr/bin/env python3
      import json, struct, sys

      place = 0.0
      while start := sys.stdin.buffer.read(16):
          lengths = struct.unpack("<IQ", start[4:])
          header, body = json.loads(sys.stdin.buffer.read(lengths[0])), sys.stdin.buffer.read(lengths[1])
          answer, arrays = {}, []
          if header["call"] == "hello":
              answer = {"protocol": 1, "name": "small", "tasks": [{"name": "three", "horizon": 9}],
                        "action": {"dimensions": [{"name": "push"}]},
                        "capabilities": ["restore", "observe", "models"],
                        "observations": {"vectors": {"place": {"width": 1, "unit": "m"}}}}
          elif header["call"] in ("reset", "restore", "step"):
              given = header["call"] != "reset"
              value = struct.unpack("<d" if header["call"] == "restore" else "<f", body)[0] if given else 0.0
              place = place + value if header["call"] == "step" else value
              answer = {"instruction": "push", "reward": 0, "success": place >= 3}
              arrays = [struct.pack("<f", place)]
          answer["arrays"] = [{"name": "obs/place", "dtype": "float32", "shape": [1], "bytes": 4} for _ in arrays]
          text = json.dumps(answer).encode()
          sys.stdout.buffer.write(b"IKE1" + struct.pack("<IQ", len(text), sum(map(len, arrays))) + text + b"".join(arrays))
          sys.stdout.buffer.flush()
      """#

    /// Other people's files have a model in place of a seed, for simulators that read models.
    @Test func statesWithAModelNeedNoSeed() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      let store = try EpisodeStore(folder: runner.folder + "/parts", identity: "made")
      for (number, model) in ["<mujoco/>", ""].enumerated() {
        var episode = RecordedEpisode(actionWidth: 1, description: EpisodeDescription(metadata: "{}", model: model))
        for row in 0..<2 {
          let seen = Observation(images: [:], vectors: ["place": [Float(row + 1)]])
          episode.append(seen, action: [1], state: [Double(row + 1)], success: row == 1)
        }
        try store.write(episode, at: number)
      }
      try store.assemble(
        [0, 1], to: runner.folder + "/demos.hdf5", environmentArguments: "{\"env_name\": \"three\"}", seed: 1)
      try runner.write(ReplayTests.program, to: "small.py")
      let replayed = try report(runner, "demos.hdf5", "--environment", "./small.py", "--trust-actions")
      #expect(replayed.successes == 1 && replayed.demos[0].start == "state" && replayed.demos[0].steps == 2)
      #expect(
        replayed.demos[1].problem
          == "no 'model_file' or 'seed' is recorded, so nothing says what scene its states are of",
        "\(replayed.demos)")
    }

    /// A simulator that is ended before it has said hello costs no demonstration.
    @Test func aSimulatorThatDoesNotComeUpIsStartedAgain() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try record(2, runner)
      let arguments = [
        "replay", "demos.hdf5", "--environment", "kitchenette", "--workers", "1", "--format",
        "json",
      ]
      let whole = try runner.run(arguments)
      let process = try runner.start(arguments, log: "killed")
      runner.stop(1, "serve-environment", of: process, by: SIGKILL)
      process.waitUntilExit()
      #expect(process.terminationStatus == 0)
      let output = try String(contentsOfFile: runner.folder + "/killed.out", encoding: .utf8)
      #expect(output == whole.output && output.contains("\"successes\" : 2"))
    }

    /// Interrupted while its simulator is down, it ends: nothing is started again.
    @Test func interruptedItStartsNothing() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try record(2, runner)
      let process = try runner.start(
        ["replay", "demos.hdf5", "--environment", "kitchenette", "--workers", "1"],
        log: "stopped")
      runner.stop(1, "serve-environment", of: process)
      kill(process.processIdentifier, SIGINT)
      usleep(200_000)
      let children = runner.children(of: process.processIdentifier)
      for child in children { kill(child, SIGKILL) }
      process.waitUntilExit()
      #expect(process.terminationStatus == 1)
      let errors = try String(contentsOfFile: runner.folder + "/stopped.err", encoding: .utf8)
      #expect(children.count == 1 && errors.hasSuffix("imitate: stopped\n"), "\(errors)")
    }

    @Test func whatCannotBeReplayedIsRefused() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject(demos: 2)
      let file = "Datasets/small/files/OpenDrawer.hdf5"
      for (words, complaint) in [
        ([file], "where to replay is missing"),
        (["none.hdf5", "--environment", "kitchenette"], "none.hdf5"),
        ([file, "--environment", "none"], "unknown kind 'none'"),
        ([file, "--environment", "kitchenette:Juggle"], "no task 'Juggle'"),
        ([file, "--environment", "kitchenette", "--demos", "0"], "--demos must be 1 or more"),
        ([file, "--environment", "kitchenette", "--actions", "torques"], "torques"),
        (
          [file, "--environment", "metaworld", "--python", "/no/python"],
          "metaworld: /no/python: not started: No such file or directory; `imitate doctor --python /no/python` says more"
        ),
      ] {
        let refused = try runner.run(["replay"] + words)
        #expect(refused.status != 0 && refused.errors.contains(complaint), "\(words): \(refused.errors)")
        #expect(refused.output.isEmpty)
      }
      // States of another world: each is accounted for.
      let other = try report(runner, file, "--environment", "kitchenette")
      #expect(other.demos.count == 2 && other.demos.allSatisfy { !$0.success && $0.problem != nil })
      try runner.writeSmallProject(demos: 2, schema: .init())
      let unknown = try runner.run("replay", file, "--environment", "kitchenette")
      #expect(unknown.status == 1 && unknown.complaint.contains("act all the same with --trust-actions"))
      #expect(unknown.complaint.contains("nobody knows of the recording's actions"), "\(unknown.errors)")
    }
  }
#endif
