import Demonstrations
import Foundation
import Testing

/// What people really hand in: each is refused with one line and a non-zero exit.
@Suite struct BadInputTests {
  func complaint(
    _ arguments: [String] = ["train", "recipe.yaml", "--run", "run"], _ spoil: (CommandRunner) throws -> Void
  ) throws -> String {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try runner.writeSmallProject()
    try spoil(runner)
    let process = try runner.start(arguments, log: "log")
    process.waitUntilExit()
    let errors = String(decoding: try #require(runner.bytes("log.err")), as: UTF8.self)
    #expect(process.terminationStatus != 0)
    let lines = errors.split(separator: "\n").filter { $0.hasPrefix("imitate: ") }
    #expect(lines.count == 1, "\(errors)")
    return lines.first.map(String.init) ?? errors
  }

  static let file = "Datasets/small/files/OpenDrawer.hdf5"

  func change(_ runner: CommandRunner, _ old: String, _ new: String) throws {
    let text = try String(contentsOfFile: runner.folder + "/recipe.yaml", encoding: .utf8)
    try #require(text.contains(old))
    try runner.write(text.replacingOccurrences(of: old, with: new), to: "recipe.yaml")
  }

  @Test func truncatedFile() throws {
    let line = try complaint { runner in
      let bytes = try #require(runner.bytes(Self.file))
      try bytes.prefix(bytes.count / 2).write(to: URL(fileURLWithPath: runner.folder + "/" + Self.file))
    }
    #expect(line.contains("truncated"))
  }

  @Test func webPageSavedAsHDF5() throws {
    let line = try complaint { try $0.write("<!DOCTYPE html><html>Sign in</html>", to: Self.file) }
    #expect(line.contains("web page"))
  }

  @Test func missingFile() throws {
    let line = try complaint { try FileManager.default.removeItem(atPath: $0.folder + "/" + Self.file) }
    #expect(line.contains("no such file"))
  }

  /// Diffusion Policy clips at 1: what lies beyond would be cut off without a word.
  @Test func actionsThatThePolicyCannotReach() throws {
    let small = "policy={kind: diffusion-unet, horizon: 4, context: 1, widths: [16, 32], step_width: 8}"
    let arguments = ["train", "recipe.yaml", "--run", "run", "--set", small]
    let line = try complaint(arguments + ["--set", "actions.normalization=gaussian"]) { _ in }
    #expect(line.contains("normalized, action") && line.contains("limits"))
    let tooMany = try complaint(arguments + ["--set", "actions.execute=5"]) { _ in }
    #expect(tooMany.contains("predicts 4 actions"))
  }

  @Test func missingFilterKey() throws {
    let line = try complaint { try change($0, "split: some-4", "split: some-3000") }
    #expect(line.contains("3000_demos") && line.contains("4_demos"))
  }

  @Test func emptyFilterKey() throws {
    let line = try complaint { runner in
      let path = runner.folder + "/" + Self.file
      let old = try HDF5File(forReading: path)
      try HDF5File.atomically(path) { file in
        try file.copy("data", from: old, as: "data")
        try file.createGroup("mask")
        try file.write([String](), to: "mask/4_demos")
      }
    }
    #expect(line.contains("names no demos"))
  }

  @Test func wrongCameraName() throws {
    let line = try complaint { try change($0, "images: [robot0_agentview_left_image]", "images: [robot0_front_image]") }
    #expect(line.contains("robot0_front_image") && line.contains("robot0_agentview_left_image"))
  }

  @Test func notANumberInActions() throws {
    let line = try complaint { runner in
      try runner.writeSmallProject { episode, demo in if demo == 2 { episode.actions[5 * 12 + 3] = .nan } }
    }
    #expect(line.contains("demo_2") && line.contains("row 5, column 3"))
  }

  @Test func wrongWidth() throws {
    let line = try complaint { runner in
      try runner.writeSmallProject { episode, demo in
        guard demo == 1 else { return }
        episode.vectors["robot0_base_to_eef_pos"] = .init(width: 2, values: Array(repeating: 0, count: 24))
      }
    }
    #expect(line.contains("demo_1") && line.contains("2 wide"))
  }

  @Test func unknownRecipeKey() throws {
    let line = try complaint { try change($0, "  batch: 4", "  bacth: 4") }
    #expect(line.contains("recipe.yaml, line") && line.contains("bacth") && line.contains("batch"))
  }

  @Test func unknownPlugin() throws {
    let line = try complaint { try change($0, "kind: small, crop", "kind: smal, crop") }
    #expect(line.contains("smal") && line.contains("resnet18"))
  }

  @Test func pluginOptionOutOfRange() throws {
    let line = try complaint { try change($0, "heads: 2", "heads: 3") }
    #expect(line.contains("policy.heads") && line.contains("line"))
  }

  /// Whatever can be reported without the demonstrations is reported before they are opened: here there are none.
  @Test(arguments: [
    ("policy.kind=bc-transfromer", "'policy.kind': unknown kind 'bc-transfromer'; known: bc-transformer"),
    ("policy.wdith=64", "unknown key 'policy.wdith'; allowed here: causal"),
    ("policy.modes=0", "'policy.modes': must be from 1 to 100"),
    ("encoder.keypoints=many", "'encoder.keypoints' must be a whole number"),
    ("encoder={kind: gaussian-world, world: nowhere}", "nowhere"),
    (
      "encoder={kind: gaussian-world, world: recipe.yaml, join: {kind: smal}}",
      "'encoder.join.kind': unknown kind 'smal'"
    ),
  ])
  func refusedBeforeDataIsOpened(_ change: String, _ complaint: String) throws {
    let line = try self.complaint(["train", "recipe.yaml", "--run", "run", "--set", change]) {
      try FileManager.default.removeItem(atPath: $0.folder + "/Datasets/small/files")
    }
    #expect(line.contains("recipe.yaml") && line.contains(complaint), "\(line)")
  }

  /// The other verbs that begin with a recipe do the same.
  @Test(arguments: [
    (
      ["ablate", "recipe.yaml", "--policy", "{kind: bc-transformer, modes: 0}"], "'policy.modes': must be from 1 to 100"
    ),
    (["import", "nowhere.safetensors", "--recipe", "recipe.yaml", "--set", "policy.kind=bc"], "unknown kind 'bc'"),
    (["world", "train", "world.yaml", "--set", "world.lift.kind=splat"], "'world.lift.kind': unknown kind 'splat'"),
    (["world", "train", "world.yaml", "--set", "world.lift.far=0"], "'world.lift.far': must be above 0"),
  ])
  func otherVerbsRefuseBeforeDataIsOpened(_ arguments: [String], _ complaint: String) throws {
    let line = try self.complaint(arguments) {
      try $0.write(WorldTests.recipe, to: "world.yaml")
      try FileManager.default.removeItem(atPath: $0.folder + "/Datasets/small/files")
    }
    #expect(line.contains(complaint), "\(line)")
  }

  @Test func cropThatDoesNotFit() throws {
    let line = try complaint { try change($0, "crop: 18", "crop: 21") }
    #expect(line.contains("21") && line.contains("20x20"))
  }

  @Test func unknownTask() throws {
    let line = try complaint { try change($0, "tasks: [OpenDrawer]", "tasks: [FryEgg]") }
    #expect(line.contains("FryEgg") && line.contains("OpenDrawer"))
  }

  @Test func otherTaskInTheFile() throws {
    let line = try complaint { runner in
      let path = runner.folder + "/" + Self.file
      let old = try HDF5File(forReading: path)
      try HDF5File.atomically(path) { file in
        try file.createGroup("data")
        for demo in 0..<4 { try file.copy("data/demo_\(demo)", from: old, as: "data/demo_\(demo)") }
        try file.setText("{\"env_name\": \"MG_PnPMicrowaveToCounter\"}", of: "data", "env_args")
        try file.copy("mask", from: old, as: "mask")
      }
    }
    #expect(line.contains("'PnPMicrowaveToCounter'") && line.contains("'OpenDrawer'"))
  }

  /// The device that is always full, where the checkpoint should go.
  @Test func noSpace() throws {
    let line = try complaint { runner in
      try FileManager.default.createDirectory(
        atPath: runner.folder + "/run/checkpoints", withIntermediateDirectories: true)
      try FileManager.default.createSymbolicLink(
        atPath: runner.folder + "/run/metrics.jsonl.partial", withDestinationPath: "/dev/full")
    }
    #expect(line.contains("No space left"))
  }

  @Test func evaluatingWhatIsNoRun() throws {
    #expect(try complaint(["evaluate", "nowhere"]) { _ in }.contains("not a run folder"))
  }

  @Test func inspectingATextFile() throws {
    #expect(try complaint(["inspect", "recipe.yaml"]) { _ in }.contains("not an HDF5 file"))
  }

  @Test func inspectFindsProblems() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try runner.writeSmallProject { episode, demo in
      if demo == 1 { episode.actions[12] = .nan }
      if demo == 2 { episode.actions[0] = 1.5 }
      if demo == 3 {
        episode.cameras["robot0_agentview_left_image"]!.pixels.withUnsafeMutableBufferPointer {
          $0.update(repeating: 0)
        }
      }
    }
    let result = try runner.run("inspect", Self.file, "--sheet", "sheet.png")
    #expect(result.status == 0)
    for words in [
      "demo_1: actions: NaN or infinity in row 1", "demo_2: actions: 1.5", "demo_3: 'robot0_agentview_left_image'",
    ] {
      #expect(result.output.contains(words), "\(words)")
    }
    #expect(try #require(runner.bytes("sheet.png")).starts(with: [0x89, 0x50, 0x4e, 0x47]))
  }
}
