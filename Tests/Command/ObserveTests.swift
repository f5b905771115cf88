#if Kitchenette
  import Demonstrations
  import Foundation
  import ImitationKit
  import Testing

  /// `imitate observe`: what another camera would have seen of recorded demonstrations.
  @Suite struct ObserveTests {
    /// Drawn again, blind recordings are what a recording with these cameras is, and all else of the file stays.
    @Test func statesAreSeenAsIfTheyHadBeenRecordedSo() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      let settings = [
        "--set", "evaluation.simulator.cameras=[robot0_eye_in_hand]", "--set", "evaluation.simulator.image_size=24",
        "--set", "evaluation.simulator.depth=true",
      ]
      let record = ["record", "--environment", "kitchenette:OpenDrawer", "--episodes", "3", "--output"]
      for (path, changes) in [("blind.hdf5", ["--set", "evaluation.simulator.cameras=[]"]), ("seen.hdf5", settings)] {
        let recorded = try runner.run(record + [path] + changes)
        #expect(recorded.status == 0, "\(recorded.errors)")
      }
      let made = try runner.run(
        ["observe", "blind.hdf5", "--environment", "kitchenette", "--output", "again.hdf5"] + settings)
      #expect(made.status == 0 && !made.errors.contains("note:"), "\(made.errors)")
      let (blind, seen, again) = try (
        HDF5File(forReading: runner.folder + "/blind.hdf5"), HDF5File(forReading: runner.folder + "/seen.hdf5"),
        HDF5File(forReading: runner.folder + "/again.hdf5")
      )
      // The very same bytes as of the recording that saw them.
      let parts = ["obs", "actions", "states", "rewards", "dones", "action_dict"]
      for path in (0..<3).flatMap({ demo in parts.map { "data/demo_\(demo)/\($0)" } }) + ["mask"] {
        #expect(try again.difference(path, from: seen, path) == nil, "\(path)")
      }
      for attribute in ["env_args", "action_schema", "observation_schema"] {
        #expect(try again.text(of: "data", attribute) == seen.text(of: "data", attribute), "\(attribute)")
      }
      for attribute in ["model_file", "ep_meta"] {
        #expect(try again.text(of: "data/demo_2", attribute) == blind.text(of: "data/demo_2", attribute))
      }
      #expect(!blind.exists("data/demo_0/obs/robot0_eye_in_hand_image"))
      #expect(try again.shape("data/demo_1/obs/robot0_eye_in_hand_depth").suffix(3) == [24, 24, 1])

      // Fewer of them, with the filter keys that are left.
      let fewer = ["observe", "blind.hdf5", "--environment", "kitchenette", "--output", "few.hdf5", "--demos", "2"]
      let first = try runner.run(fewer + settings)
      #expect(first.status == 0, "\(first.errors)")
      let few = try DemonstrationFile(path: runner.folder + "/few.hdf5")
      #expect(few.demos == ["demo_0", "demo_1"])
      for key in few.maskNames {
        let kept = try DemonstrationFile(path: blind.path).mask(key)!.filter { $0 != "demo_2" }
        #expect(try few.mask(key) == kept)
      }
      let twice = try runner.run(fewer + settings)
      #expect(twice.status == 1 && twice.complaint.contains("is there already; --replace"), "\(twice.errors)")
    }

    /// A world that is what a demonstration's model and metadata say, whatever the seed.
    private static let program = #"""
      #!/usr/bin/env python3
      import json, os, struct, sys

      def send(header, arrays=()):
          header["arrays"] = [{"name": n, "dtype": d, "shape": s, "bytes": len(b)} for n, d, s, b in arrays]
          text, body = json.dumps(header).encode(), b"".join(b for _, _, _, b in arrays)
          sys.stdout.buffer.write(b"IKE1" + struct.pack("<IQ", len(text), len(body)) + text + body)
          sys.stdout.buffer.flush()

      model, lamp, count = "", None, 0
      while start := sys.stdin.buffer.read(16):
          lengths = struct.unpack("<IQ", start[4:])
          header, body = json.loads(sys.stdin.buffer.read(lengths[0])), sys.stdin.buffer.read(lengths[1])
          arrays = {}
          for entry in header.get("arrays", []):
              arrays[entry["name"]], body = body[: entry["bytes"]], body[entry["bytes"] :]
          if header["call"] == "hello":
              send({"protocol": 1, "name": "small", "tasks": [{"name": "six", "horizon": 9}],
                    "action": {"dimensions": [{"name": "push"}]}, "capabilities": ["observe", "models"],
                    "observations": {"vectors": {"arm": {"width": 4, "unit": "m"}}}})
          elif header["call"] == "observe":
              if "model" in arrays:
                  model, lamp, count = arrays["model"].decode(), header["metadata"].get("lamp", -1), count + 1
              state = struct.unpack("<d", arrays["state"])[0]
              marker = os.path.join(os.path.dirname(os.path.abspath(__file__)), "die")
              if state == 2 and os.path.exists(marker):
                  os.remove(marker)
                  os._exit(9)
              if state == 99:
                  send({"error": "no such state", "kind": "simulator"})
              else:
                  arm = struct.pack("<4f", state, len(model), lamp, count)
                  send({"instruction": "count"}, [("obs/arm", "float32", [4], arm)])
          else:
              send({"error": "unable to " + header["call"], "kind": "simulator"})
      """#

    /// Two demonstrations of a world that nobody has a seed of.
    private func project(_ runner: CommandRunner, states: [[Double]] = [[0, 1, 2], [5, 6]]) throws {
      let store = try EpisodeStore(folder: runner.folder + "/parts", identity: "made")
      for (number, states) in states.enumerated() {
        let description = EpisodeDescription(
          metadata: "{\"lamp\": \(number + 7)}", model: String(repeating: "m", count: 10 + number))
        var episode = RecordedEpisode(actionWidth: 1, description: description)
        for (row, state) in states.enumerated() {
          let old = Observation(images: [:], vectors: ["old": [0]])
          episode.append(old, action: [Float(row)], state: [state], success: row == states.count - 1)
        }
        try store.write(episode, at: number)
      }
      try store.assemble(
        Array(states.indices), to: runner.folder + "/demos.hdf5", environmentArguments: "{\"env_name\": \"six\"}",
        seed: 1)
      try runner.write(ObserveTests.program, to: "small.py")
    }

    private func arms(_ runner: CommandRunner, _ path: String) throws -> [[Float]] {
      let file = try DemonstrationFile(path: runner.folder + "/" + path)
      return try file.demos.map { try file.hdf5.floats("data/\($0)/obs/arm") }
    }

    @Test func aSceneIsMadeOfADemonstrationsModel() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try project(runner)
      let observe = ["observe", "demos.hdf5", "--workers", "1", "--replace", "--output", "new.hdf5"]
      let expected: [[Float]] = [[0, 10, 7, 1, 1, 10, 7, 1, 2, 10, 7, 1], [5, 11, 8, 2, 6, 11, 8, 2]]
      let made = try runner.run(observe + ["--environment", "./small.py"])
      #expect(made.status == 0, "\(made.errors)")
      #expect(try arms(runner, "new.hdf5") == expected)
      let file = try DemonstrationFile(path: runner.folder + "/new.hdf5")
      #expect(try file.observationKeys("demo_0") == ["arm"])
      // Nobody knew what the actions mean, and who observes does not know it either.
      let actions = try file.actionSchema(of: "actions", width: 1)
      #expect(actions == .unknown(width: 1))
      #expect(try file.hdf5.text(of: "data", "action_schema") == "{\"actions\":null}")
      #expect(try file.hdf5.floats("data/demo_0/actions") == [0, 1, 2])
      #expect(try file.vectorSchemas()["arm"]?.unit == "m")

      // Behind a second wire it is the same.
      try runner.write("evaluation: {simulator: {kind: process, command: [./small.py]}}\n", to: "served.yaml")
      try runner.write(
        "#!/bin/bash\nexec '\(CommandRunner.executable)' serve-environment served.yaml\n", to: "serve.sh")
      let served = try runner.run(observe + ["--environment", "./serve.sh"])
      #expect(served.status == 0, "\(served.errors)")
      #expect(try arms(runner, "new.hdf5") == expected)

      // Ended in the middle of a demonstration, it is told again whose states these are.
      try runner.write("", to: "die")
      let killed = try runner.run(observe + ["--environment", "./small.py"])
      #expect(killed.status == 0, "\(killed.errors)")
      #expect(try arms(runner, "new.hdf5") == expected)
    }

    @Test func whatCannotBeObservedIsRefused() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try project(runner, states: [[0, 1], [5, 99]])
      let observe = ["observe", "demos.hdf5", "--workers", "1", "--output", "new.hdf5"]
      for (words, complaint) in [
        (
          ["--environment", "kitchenette:OpenDrawer"],
          "demos.hdf5: demo_0 has no 'seed', so nothing says what its scene is"
        ),
        (["--environment", "./small.py"], "demo_1: small: observe: no such state"),
        ([], "who observes is missing"),
        (["--environment", "./small.py", "--set", "seed=2"], "--set changes how it observes"),
        (["--environment", "./small.py:seven"], "no task 'seven'"),
      ] {
        let refused = try runner.run(observe + words)
        #expect(refused.status != 0 && refused.errors.contains(complaint), "\(words): \(refused.errors)")
        #expect(!FileManager.default.fileExists(atPath: runner.folder + "/new.hdf5"))
      }
      let other = try runner.run(
        "record", "--environment", "kitchenette:OpenDrawer", "--episodes", "1", "--output", "drawer.hdf5", "--set",
        "evaluation.simulator.cameras=[]")
      #expect(other.status == 0, "\(other.errors)")
      let closing = try runner.run(
        "observe", "drawer.hdf5", "--environment", "kitchenette:CloseDrawer", "--output", "new.hdf5")
      #expect(
        closing.complaint.contains(
          "its demonstrations are of OpenDrawer, not of CloseDrawer; leave out ':CloseDrawer'"),
        "\(closing.errors)")
      let itself = try runner.run(
        "observe", "demos.hdf5", "--output", "demos.hdf5", "--replace", "--environment", "./small.py")
      #expect(itself.status == 1 && itself.complaint.contains("is demos.hdf5 itself"), "\(itself.errors)")
      try project(runner, states: [[0, 1], [5, .nan]])
      let nan = try runner.run(observe + ["--environment", "./small.py", "--replace"])
      #expect(nan.status == 1 && nan.complaint.contains("demos.hdf5: demo_1: 'states' holds"), "\(nan.errors)")
      try project(runner, states: [[0, 1], []])
      let none = try runner.run(observe + ["--environment", "./small.py"])
      #expect(none.status == 1 && none.complaint.contains("demo_1 has no 'states' with one row for each action"))
    }
  }
#endif
