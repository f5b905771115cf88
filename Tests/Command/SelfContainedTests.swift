import Export
import Files
import Foundation
import Layers
import Tensors
import Testing
import Training

/// A checkpoint or a package is all that is needed of a policy: what it was made from may be gone, and its recipe is its own.
@Suite(.serialized) struct SelfContainedTests {
  private func exportAndVerify(_ runner: CommandRunner, _ run: String, _ place: SourceLocation = #_sourceLocation)
    throws
  {
    let exported = try runner.run("export", run)
    #expect(exported.status == 0, "\(exported.errors)", sourceLocation: place)
    let verified = try runner.run("verify", run + "/policy")
    #expect(verified.status == 0, "\(verified.errors)", sourceLocation: place)
  }

  @Test func theInstructionTableIsInside() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try runner.writeSmallProject()
    // Every instruction that the simulator may give is not in it, but those of the demonstrations are.
    let rows = Dictionary(
      uniqueKeysWithValues: ["left", "right"].map { side in
        ("open the \(side) drawer", Tensor([1, side == "left" ? 0 : 1, 0.5, -1], shape: [4]))
      })
    try Safetensors.write(rows, to: runner.folder + "/table.safetensors")
    let encoder = "encoder={kind: small, crop: 18, channels: 16, instruction: {kind: table, file: table.safetensors}}"
    let arguments = ["train", "recipe.yaml", "--run", "run", "--set", encoder, "--set"]
    #expect(try runner.run(arguments + ["training.steps=4"]).status == 0)
    try FileManager.default.removeItem(atPath: runner.folder + "/table.safetensors")
    try exportAndVerify(runner, "run")
    // Its graphs look rows up that are there.
    let graphs = try runner.run("export", "run", "--onnx")
    #expect(graphs.status == 0, "\(graphs.errors)")
    let archive = try Safetensors.read(runner.folder + "/run/policy/golden.safetensors")
    let weights = try Safetensors.read(runner.folder + "/run/policy/weights.safetensors").tensors
    #expect(weights["attached/instructions/" + archive.metadata["instruction"]!] != nil)
    #if Kitchenette
      let evaluated = try runner.run("evaluate", "run")
      #expect(evaluated.status == 0 && !evaluated.errors.contains("crashed"), "\(evaluated.errors)")
    #endif
    // And it can be trained on.
    let more = try runner.run(arguments + ["training.steps=6"])
    #expect(more.status == 0, "\(more.errors)")
    // Far from everything it came from.
    let elsewhere = try CommandRunner()
    defer { elsewhere.remove() }
    try FileManager.default.copyItem(
      atPath: runner.folder + "/run/policy", toPath: elsewhere.folder + "/policy")
    #expect(try elsewhere.run("verify", "policy").status == 0)
  }

  /// Graphs are part of the package: checked like its other files, told of in them, rounded on demand.
  @Test func graphsAreInThePackage() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try runner.writeSmallProject()
    let trained = try runner.run("train", "recipe.yaml", "--run", "run", "--set", "training.steps=4")
    #expect(trained.status == 0, "\(trained.errors)")
    #expect(try runner.run("export", "run", "--onnx").status == 0)
    // A name of one character, in the folder that one is in, twice.
    for _ in 0..<2 { #expect(try runner.run("export", "run", "--output", "p").output == "p\n") }
    #expect(try runner.run("verify", "run/policy").status == 0)
    let path = runner.folder + "/run/policy/head.onnx"
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    let model = try ONNXModelProto(serializedBytes: bytes)
    let metadata = Dictionary(uniqueKeysWithValues: model.metadataProps.map { ($0.key, $0.value) })
    let recipe = try Data(contentsOf: URL(fileURLWithPath: runner.folder + "/run/recipe.yaml"))
    #expect(metadata["recipe_sha256"] == SHA256.hash(recipe).hexadecimal)
    #expect(metadata["graph"] == "head" && metadata["color_order"] == "RGB" && metadata["toolkit"]!.hasPrefix("Imit"))
    #expect(metadata["images"]!.contains("robot0_agentview_left_image") && metadata["sampling"]!.contains("mixture"))
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: URL(fileURLWithPath: path))
    let damaged = try runner.run("verify", "run/policy")
    #expect(damaged.status == 1 && damaged.complaint.contains("head.onnx: damaged"), "\(damaged.errors)")
    let rounded = try runner.run("export", "run", "--precision", "int8")
    #expect(rounded.status == 0 && rounded.output.contains("int8: actions change by at most"), "\(rounded.errors)")
    #expect(rounded.output.contains("recorded observations"))
    // Whoever runs the graphs is asked: here somebody who says what ONNX Runtime would, and then refuses.
    let python = runner.folder + "/python"
    for (answer, expected) in [
      ("grep -q onnxruntime \"$2\" && echo whole, and gives the golden actions", ""), ("exit 0", "does not say"),
      ("echo 'ValueError: other actions' >&2; exit 1", "other actions"),
    ] {
      let script = "#!/bin/sh\nif [ \"$1\" = -c ]; then echo 1.99; exit; fi\ntest -d \"$3\" || exit 9\n\(answer)\n"
      try script.write(toFile: python, atomically: true, encoding: .utf8)
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: python)
      let verified = try runner.run("verify", "run/policy", "--python", python)
      #expect(verified.status == (expected.isEmpty ? 0 : 1), "\(verified.errors)")
      #expect(
        expected.isEmpty
          ? verified.output.contains("so do its graphs in ONNX Runtime 1.99") : verified.complaint.contains(expected))
    }
    let nobody = try runner.run("verify", "run/policy", "--python", "/bin/false")
    #expect(nobody.status == 1 && nobody.complaint == "imitate: /bin/false ended (exit code 1)", "\(nobody.errors)")
    try "#!/bin/sh\necho \"ModuleNotFoundError: No module named 'onnxruntime'\" >&2; exit 1\n".write(
      toFile: python, atomically: false, encoding: .utf8)
    let without = try runner.run("verify", "run/policy", "--python", python)
    #expect(
      without.status == 1 && without.complaint.contains("-m pip install onnxruntime numpy"), "\(without.errors)")
    let absent = try runner.run("verify", "run/policy", "--python", "/none")
    #expect(absent.status == 1 && absent.complaint == "imitate: /none: not started: No such file or directory")
    let program = runner.folder + "/run/policy/run_policy.py"
    #expect(FileManager.default.fileExists(atPath: program))
    // Without a graph in it, an export removes those of before.
    #expect(try runner.run("export", "run").status == 0)
    #expect(!FileManager.default.fileExists(atPath: path) && !FileManager.default.fileExists(atPath: program))
    let none = try runner.run("verify", "run/policy", "--python", python)
    #expect(none.status == 1 && none.complaint.contains("no graphs"), "\(none.errors)")
  }

  /// A recipe whose policy attends to tokens is trained, resumed, exported and evaluated.
  @Test func aPolicyMayAttendToTokens() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try runner.writeSmallProject()
    for steps in [4, 6] {
      let trained = try runner.run(
        "train", "recipe.yaml", "--run", "run", "--set", "policy.observe=tokens", "--set", "training.steps=\(steps)")
      #expect(trained.status == 0, "\(trained.errors)")
    }
    try exportAndVerify(runner, "run")
    #if Kitchenette
      let evaluated = try runner.run("evaluate", "run")
      #expect(evaluated.status == 0 && !evaluated.errors.contains("crashed"), "\(evaluated.errors)")
    #endif
  }

  @Test func theWorldModelIsInside() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try runner.writeSmallProject(size: 24)
    try runner.write(WorldTests.recipe, to: "world.yaml")
    #expect(try runner.run("world", "train", "world.yaml", "--run", "world").status == 0)
    let encoder = "encoder={kind: gaussian-world, world: world, features: 8, pools: 2}"
    let arguments = ["train", "recipe.yaml", "--run", "run", "--set", encoder, "--set", "training.steps=4"]
    let trained = try runner.run(arguments + ["--set", "evaluation.simulator={kind: kitchenette, image_size: 24}"])
    #expect(trained.status == 0, "\(trained.errors)")
    let tokens = try runner.run(
      arguments.map { $0 == "run" ? "tokens" : $0 } + ["--set", "policy.observe=tokens"])
    #expect(tokens.status == 0, "\(tokens.errors)")
    try FileManager.default.removeItem(atPath: runner.folder + "/world")
    try FileManager.default.removeItem(atPath: runner.folder + "/Datasets")
    try exportAndVerify(runner, "run")
    try exportAndVerify(runner, "tokens")
    #if Kitchenette
      let evaluated = try runner.run("evaluate", "run")
      #expect(evaluated.status == 0, "\(evaluated.errors)")
    #endif
  }

  /// Depths and calibrations reach an encoder from the file, from the simulator and from a package.
  @Test func policiesSeeWherePixelsAre() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try runner.writeSmallProject(geometry: true)
    let keys = "robot0_agentview_left_depth, robot0_agentview_left_calibration"
    for encoder in ["kind: point-map, crop: 18, channels: 16, color: late", "kind: points, count: 32"] {
      let run = encoder.contains("map") ? "map" : "points"
      let trained = try runner.run(
        "train", "recipe.yaml", "--run", run, "--set", "training.steps=4", "--set", "encoder={\(encoder)}", "--set",
        "observations.vectors=[robot0_base_to_eef_pos, \(keys)]", "--set",
        "evaluation.simulator={kind: kitchenette, image_size: 20, depth: true, cameras: [robot0_agentview_left]}")
      #expect(trained.status == 0, "\(trained.errors)")
      let probed = try runner.run("probe", run, "--targets", "robot0_base_to_eef_pos")
      #expect(probed.status == 0, "\(probed.errors)")
      try exportAndVerify(runner, run)
      #if Kitchenette
        let evaluated = try runner.run("evaluate", run)
        #expect(evaluated.status == 0 && !evaluated.errors.contains("crashed"), "\(evaluated.errors)")
      #endif
      let without = try runner.run("train", "recipe.yaml", "--run", "other", "--set", "encoder={\(encoder)}")
      #expect(without.status == 1 && without.complaint.contains("needs 'robot0_agentview_left_depth'"))
    }
  }

  /// An edited recipe.yaml is reported; the policy is built as it was trained. How it is judged may change.
  @Test func theRecipeInTheCheckpointCounts() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try runner.writeSmallProject()
    #expect(try runner.run("train", "recipe.yaml", "--run", "run", "--set", "training.steps=4").status == 0)
    try exportAndVerify(runner, "run")
    let text = String(decoding: try #require(runner.bytes("run/recipe.yaml")), as: UTF8.self)
    let edited = text.replacingOccurrences(of: "kind: small", with: "kind: resnet18")
      .replacingOccurrences(of: ", channels: 16", with: "").replacingOccurrences(of: "channels: 16, ", with: "")
    #expect(edited.contains("resnet18"))
    try runner.write(edited, to: "run/recipe.yaml")
    let exported = try runner.run("export", "run")
    #expect(exported.status == 0, "\(exported.errors)")
    #expect(exported.errors.components(separatedBy: "not what the policy was trained with").count == 2)
    let data = try #require(runner.bytes("run/policy/policy.json"))
    let json = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect(json["encoder"] as? String == "small" && (json["recipe"] as? String)?.contains("resnet18") == false)
    #if Kitchenette
      let evaluated = try runner.run("evaluate", "run")
      #expect(evaluated.status == 0 && evaluated.errors.contains("not what the policy was trained with"))
      // Without any recipe beside it.
      try FileManager.default.removeItem(atPath: runner.folder + "/run/recipe.yaml")
      let alone = try runner.run("evaluate", "run", "--episodes", "2")
      #expect(alone.status == 0 && !alone.errors.contains("not what the policy"), "\(alone.errors)")
      // Judged otherwise: that is taken from it, and nothing is reported.
      try runner.write(text.replacingOccurrences(of: "episodes: 1", with: "episodes: 3"), to: "run/recipe.yaml")
      let otherwise = try runner.run("evaluate", "run")
      #expect(otherwise.output.contains("/3") && !otherwise.errors.contains("not what the policy"), "\(otherwise)")
    #endif
  }

  /// A finished run goes on for more steps, and ends in the bits of one that was to have them from the start.
  @Test func moreStepsEndInTheSameBits() throws {
    let (whole, longer) = (try CommandRunner(), try CommandRunner())
    defer {
      whole.remove()
      longer.remove()
    }
    try whole.writeSmallProject()
    try longer.writeSmallProject()
    func train(_ runner: CommandRunner, _ steps: Int, _ more: String...) throws -> CommandRunner.Result {
      try runner.run(
        ["train", "recipe.yaml", "--run", "run", "--set", "training.steps=\(steps)"] + more.flatMap { ["--set", $0] })
    }
    #expect(try train(whole, 24).status == 0)
    #expect(try train(longer, 10).status == 0)
    let more = try train(longer, 24)
    #expect(more.status == 0 && more.errors.contains("24 steps instead of 10, from step 10 on"), "\(more.errors)")
    #expect(!more.errors.contains("cosine"))
    let last = "run/checkpoints/step-0000024.safetensors"
    let expected = try #require(whole.bytes(last))
    #expect(longer.bytes(last) == expected)
    #expect(longer.bytes("run/recipe.yaml") == whole.bytes("run/recipe.yaml"))
    // Fewer are done already, and the run stays what it is.
    let fewer = try train(longer, 6)
    #expect(fewer.status == 0 && fewer.errors.contains("trained, 24 steps"), "\(fewer.errors)")
    #expect(longer.bytes("run/recipe.yaml") == whole.bytes("run/recipe.yaml"))
    // Anything else is another recipe.
    #expect(try train(longer, 30, "training.batch=5").complaint.contains("belongs to another recipe"))
  }

  @Test func aStretchedCosineIsTold() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try runner.writeSmallProject()
    let arguments = ["train", "recipe.yaml", "--run", "run", "--set", "training.schedule=cosine", "--set"]
    #expect(try runner.run(arguments + ["training.steps=4"]).status == 0)
    let more = try runner.run(arguments + ["training.steps=6"])
    #expect(more.status == 0 && more.errors.contains("the cosine schedule is stretched"), "\(more.errors)")
  }

  /// The last stage of a world model; the ones before it have others built on them.
  @Test func worldModelsGoOnForMoreSteps() throws {
    let (whole, longer) = (try CommandRunner(), try CommandRunner())
    defer {
      whole.remove()
      longer.remove()
    }
    func train(_ runner: CommandRunner, _ change: String) throws -> CommandRunner.Result {
      try runner.run("world", "train", "world.yaml", "--run", "run", "--set", change)
    }
    for runner in [whole, longer] {
      try runner.writeSmallProject(size: 24)
      try runner.write(WorldTests.recipe, to: "world.yaml")
    }
    #expect(try train(whole, "training.dynamics.steps=10").status == 0)
    #expect(try train(longer, "training.dynamics.steps=6").status == 0)
    let more = try train(longer, "training.dynamics.steps=10")
    #expect(more.status == 0 && more.errors.contains("dynamics: 10 steps instead of 6"), "\(more.errors)")
    let expected = try #require(whole.bytes("run/world.safetensors"))
    #expect(longer.bytes("run/world.safetensors") == expected)
    #expect(try train(longer, "training.dynamics.steps=4").errors.contains("run: trained"))
    #expect(try train(longer, "training.vae.steps=8").complaint.contains("belongs to another recipe"))
    // Its parts are in the log.
    let rows = MetricsLog.read(folder: longer.folder + "/run/dynamics")
    #expect(rows.contains { $0.parts?["dynamics"] != nil && $0.parts?["reward"] != nil })
    #expect(rows.contains { $0.validationParts?["dynamics"] != nil })
  }
}
