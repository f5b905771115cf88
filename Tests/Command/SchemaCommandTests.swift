#if Kitchenette
  import Demonstrations
  import Evaluation
  import Foundation
  import Imitation
  import Layers
  import Testing
  import Training

  /// What nobody knows of a policy's actions is said, and nothing acts on it unasked.
  @Suite(.serialized) struct SchemaCommandTests {
    static let steps = ["--set", "training.steps=2"]

    func train(_ runner: CommandRunner, _ changes: String..., run: String = "run") throws -> CommandRunner.Result {
      try runner.run(["train", "recipe.yaml", "--run", run] + Self.steps + changes.flatMap { ["--set", $0] })
    }

    func description(_ runner: CommandRunner) throws -> [String: Any] {
      let data = try #require(runner.bytes("run/policy/policy.json"))
      return try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    /// Of twelve actions one moves: that is told once, when training begins, and not where the others are left out.
    @Test func actionsThatNeverChangeAreTold() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject()
      let told = "never change in these demonstrations; actions.active_dimensions: [0] leaves them out"
      let trained = try train(runner)
      #expect(trained.status == 0 && trained.errors.contains("note: actions 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 " + told))
      let continued = try train(runner, "training.steps=3")
      #expect(continued.status == 0 && !continued.errors.contains(told), "\(continued.errors)")
      let left = try train(runner, "actions.active_dimensions=[0]", run: "left")
      #expect(left.status == 0 && !left.errors.contains(told), "\(left.errors)")
    }

    /// A real robot's file, absolute meters, and no simulator: no unit, no range, no rate in the package.
    @Test func unknownActionsAreExportedAsUnknown() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject(schema: .init())
      let trained = try train(runner, "evaluation.simulator={kind: none}")
      #expect(trained.status == 0, "\(trained.errors)")
      let exported = try runner.run("export", "run")
      #expect(
        exported.status == 0 && exported.errors.contains("unknown: the rate; the control; the name of actions 0 to 11"))
      let action = try #require(try description(runner)["action"] as? [String: Any])
      let dimensions = try #require(action["dimensions"] as? [[String: Any]])
      #expect(dimensions.count == 12 && dimensions.allSatisfy { $0["unit"] is NSNull && $0["low"] is NSNull })
      #expect(action["control_hertz"] is NSNull)
      let observation = try #require(try description(runner)["observation"] as? [String: Any])
      #expect((observation["vectors"] as? [[String: Any]])?.first?["unit"] is NSNull)
      let card = String(decoding: try #require(runner.bytes("run/policy/README.md")), as: UTF8.self)
      #expect(card.contains("unit unknown") && card.contains("rate unknown") && !card.contains("0.05 m"))
      let verified = try runner.run("verify", "run/policy")
      #expect(verified.status == 0 && verified.output.contains("reproduces its golden output"), "\(verified.errors)")
      let notes = verified.errors.split(separator: "\n").filter { $0.contains("note: ") }
      #expect(notes.count == 1 && notes[0].contains("the unit of actions 0 to 11") && notes[0].contains("the rate"))
    }

    /// Known ones are those of the demonstrations, whatever simulator the recipe names.
    @Test func knownActionsAreThoseOfTheDemonstrations() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject(
        schema: .init(
          actions: ["actions": .roboCasa],
          observations: ["robot0_base_to_eef_pos": .init(unit: "mm", frame: "robot base")]))
      #expect(try train(runner, "evaluation.simulator={kind: none}").status == 0)
      let exported = try runner.run("export", "run")
      #expect(exported.status == 0 && !exported.errors.contains("unknown"), "\(exported.errors)")
      let action = try #require(try description(runner)["action"] as? [String: Any])
      #expect((action["dimensions"] as? [[String: Any]])?.first?["unit"] as? String == "0.05 m")
      #expect(action["control"] as? String == ActionSchema.roboCasa.control)
      let verified = try runner.run("verify", "run/policy")
      #expect(verified.status == 0 && !verified.errors.contains("note:"))
      let card = String(decoding: try #require(runner.bytes("run/policy/README.md")), as: UTF8.self)
      #expect(card.contains("3 numbers, mm, in the frame of the robot base"))
    }

    @Test func unknownActionsActOnTrustOnly() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject(schema: .init())
      let trained = try train(runner)
      #expect(trained.status == 0 && trained.errors.contains("will need --trust-actions"), "\(trained.errors)")
      let refused = try runner.run("evaluate", "run")
      #expect(refused.status == 1 && refused.complaint.contains("--trust-actions"), "\(refused.errors)")
      #expect(refused.complaint.contains("the unit of actions 0 to 11") && refused.complaint.contains("kitchenette"))
      #expect(runner.bytes("run/evaluation.json") == nil && runner.bytes("run/episodes.jsonl") == nil)
      #expect(try runner.run("evaluate", "run", "--trust-actions").status == 0)
      let result = try EvaluationResult.read(runner.folder + "/run/evaluation.json")
      #expect(result.trustedActions?.contains("the rate") == true && result.episodes.count == 1)
      #expect(try runner.run("report", "run").status == 0)
      let page = String(decoding: try #require(runner.bytes("run/report.md")), as: UTF8.self)
      #expect(page.contains("taken on trust"))
      // What is tried already can be looked at; acting again needs the flag again.
      #expect(try runner.run("evaluate", "run").status == 0)
      #expect(try runner.run("evaluate", "run", "--replay", "OpenDrawer/0").complaint.contains("--trust-actions"))
      #expect(try runner.run("evaluate", "run", "--replay", "OpenDrawer/0", "--trust-actions").status == 0)
    }

    /// Both sides are named, and no flag helps.
    @Test(arguments: [
      ("evaluation.simulator={kind: kitchenette, image_size: 20, control: absolute}", "the control", "step", "goal"),
      ("actions.schema={rate: 10}", "the rate", "10 a second", "20 a second"),
      ("actions.learned=[0]", "", "", ""),
    ]) func contradictionsAreRefused(_ change: String, _ what: String, _ mine: String, _ theirs: String) throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      var schema = ActionSchema.roboCasa
      if change.contains("rate") { schema.controlHertz = nil }
      try runner.writeSmallProject(schema: .init(actions: ["actions": schema]))
      let trained = try train(runner, change)
      #expect(trained.status == 0, "\(trained.errors)")
      let result = try runner.run("evaluate", "run", "--trust-actions")
      guard !what.isEmpty else {
        // Learning fewer of the same numbers contradicts nothing.
        #expect(result.status == 0, "\(result.errors)")
        return
      }
      #expect(trained.errors.contains("`imitate evaluate` will refuse"))
      for words in [what, mine, theirs, "for kitchenette"] {
        #expect(result.complaint.contains(words), "\(result.complaint)")
      }
      #expect(result.status == 1 && runner.bytes("run/evaluation.json") == nil)
    }

    /// A checkpoint of before schemas were kept says nothing, and its run finds the flag named.
    @Test func olderCheckpointsAreUnknown() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject()
      #expect(try train(runner).status == 0)
      let path = runner.folder + "/run/checkpoints/step-0000002.safetensors"
      var (tensors, metadata) = try Safetensors.read(path)
      var blueprint = try #require(
        JSONSerialization.jsonObject(with: Data(metadata["blueprint"]!.utf8)) as? [String: Any])
      #expect(blueprint.removeValue(forKey: "actionSchema") != nil)
      #expect(blueprint.removeValue(forKey: "vectorSchemas") != nil)
      metadata["blueprint"] = String(decoding: try JSONSerialization.data(withJSONObject: blueprint), as: UTF8.self)
      tensors = tensors.filter { !$0.key.hasPrefix("attached/") }
      try Safetensors.write(tensors, metadata: metadata, to: path)
      let refused = try runner.run("evaluate", "run")
      #expect(refused.status == 1 && refused.complaint.contains("--trust-actions"), "\(refused.errors)")
      #expect(try runner.run("export", "run").status == 0)
      #expect(try runner.run("verify", "run/policy").errors.contains("the unit of actions 0 to 11"))
      // Trained on, it learns from the same demonstrations what they mean.
      #expect(try runner.run("train", "recipe.yaml", "--run", "run", "--set", "training.steps=4").status == 0)
      #expect(try runner.run("evaluate", "run").status == 0)
    }

    /// A recipe may say what a file does not; against the file it is refused.
    @Test func recipesFillInWhatFilesDoNotSay() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      var half = ActionSchema.roboCasa
      for place in 6..<12 { half.dimensions[place] = .init() }
      half.controlHertz = nil
      try runner.writeSmallProject(schema: .init(actions: ["actions": half]))
      let rest = ActionSchema.roboCasa.dimensions
      func list(_ value: (ActionSchema.Dimension) -> String) -> String {
        "[" + (0..<12).map { $0 < 6 ? "null" : value(rest[$0]) }.joined(separator: ", ") + "]"
      }
      let said =
        "actions.schema={rate: 20, names: \(list { $0.name! }), units: \(list { "\"\($0.unit!)\"" }), "
        + "low: \(list { "\($0.low!)" }), high: \(list { "\($0.high!)" })}"
      let trained = try train(runner, said)
      let notes = trained.errors.components(separatedBy: "note:").dropFirst()
      #expect(trained.status == 0 && notes.count == 1 && notes[1].contains("never change"), "\(trained.errors)")
      #expect(try runner.run("evaluate", "run").status == 0)
      let checkpoint = try RunFolder(runner.folder + "/run").lastCheckpoint()
      #expect(checkpoint.blueprint.actionSchema == .roboCasa)
      for (change, words) in [
        ("actions.schema={control: joint torques}", "the control is 'joint torques', in the demonstrations it is"),
        ("actions.schema={units: [m, m]}", "describes 2 numbers, the recorded actions have 12"),
        ("actions.schema={units: [m], low: [0, 1]}", "have 1 and 2 entries"),
        ("actions.schema={rate: 0}", "must be above 0"), ("actions.schema={unit: m}", "unknown key"),
      ] {
        let refused = try train(runner, change, run: "other")
        #expect(refused.status == 1 && refused.complaint.contains(words), "\(refused.errors)")
      }
    }

    /// Two files that mean different things by the same numbers; and one whose numbers are not what it says.
    @Test func filesMustAgreeWithEachOtherAndWithThemselves() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      var other = ActionSchema.roboCasa
      other.controlHertz = 10
      try runner.writeSmallProject(schema: .init(actions: ["actions": other]))
      let files = runner.folder + "/Datasets/small/files"
      let source = try HDF5File(forReading: files + "/OpenDrawer.hdf5")
      try HDF5File.atomically(files + "/CloseDrawer.hdf5") { file in
        try file.createGroup("data")
        for demo in try source.children("data") { try file.copy("data/\(demo)", from: source, as: "data/\(demo)") }
        try file.copy("mask", from: source, as: "mask")
        try file.setText("{\"env_name\": \"CloseDrawer\"}", of: "data", "env_args")
        let text = String(decoding: try JSONEncoder().encode(["actions": ActionSchema.roboCasa]), as: UTF8.self)
        try file.setText(text, of: "data", "action_schema")
      }
      let registry = String(decoding: try #require(runner.bytes("Datasets/small.yaml")), as: UTF8.self)
      try runner.write(
        registry + "  - {name: CloseDrawer, group: drawers, horizon: 120}\n", to: "Datasets/small.yaml")
      let both = try train(runner, "data.tasks=[OpenDrawer, CloseDrawer]")
      #expect(both.status == 1 && both.complaint.contains("CloseDrawer.hdf5: the rate is 20 a second, in "))
      #expect(both.complaint.contains("OpenDrawer.hdf5 it is 10 a second"), "\(both.errors)")

      try runner.writeSmallProject { episode, _ in episode.actions[0] = 2.5 }
      let beyond = try train(runner, "actions.normalization=limits", run: "beyond")
      #expect(beyond.status == 0 && beyond.errors.contains("beyond the -1.0 to 1.0"), "\(beyond.errors)")
      #expect(try runner.run("evaluate", "beyond").complaint.contains("--trust-actions"))
    }

    /// `imitate record` writes what it records.
    @Test func recordingsSayWhatTheyHold() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject(demos: 1)
      let path = runner.folder + "/Datasets/small/files/OpenDrawer.hdf5"
      try FileManager.default.removeItem(atPath: path)
      #expect(try runner.run("record", "recipe.yaml", "--episodes", "1").status == 0)
      let file = try DemonstrationFile(path: path)
      let (steps, goals) = (
        try file.actionSchema(of: "actions", width: 12), try file.actionSchema(of: "actions_abs", width: 12)
      )
      #expect(steps == .roboCasa && goals == .roboCasaAbsolute)
      let seen = try file.vectorSchemas()
      for key in try file.observationKeys("demo_0") where !key.hasSuffix("_image") {
        #expect(seen[key]?.unit != nil, "\(key)")
      }
    }
  }
#endif
