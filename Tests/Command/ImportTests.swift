import Foundation
import Layers
import Support
import Tensors
import Testing

/// Another toolkit's weights become a run that exports like any other.
@Suite struct ImportTests {
  static let recipe = """
    name: imported
    data: {registry: none, split: all, tasks: [Lift]}
    observations: {vectors: [eef_pos, gripper_qpos]}
    encoder: {kind: resnet18, instruction: {kind: none}}
    policy: {kind: bc-transformer, context: 4, horizon: 4, width: 24, layers: 2, heads: 4, modes: 3, causal: true, pred_future_actions: false}
    training: {steps: 5}
    evaluation: {simulator: {kind: none}}

    """

  func writeProject(_ runner: CommandRunner) throws {
    try runner.write(ImportTests.recipe, to: "recipe.yaml")
    let golden = try Golden("robomimic")
    let weights = golden.tensors.filter { !$0.key.hasPrefix("expected/") }
    let settings = #"{"policy.heads": "4", "policy.pred_future_actions": "false"}"#
    try Safetensors.write(
      weights, metadata: golden.metadata.merging(["settings": settings]) { $1 },
      to: runner.folder + "/weights.safetensors")
    try Safetensors.write(weights, metadata: golden.metadata, to: runner.folder + "/silent.safetensors")
  }

  @Test func robomimicsWeightsBecomeARun() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try writeProject(runner)
    let arguments = ["import", "weights.safetensors", "--recipe", "recipe.yaml", "--run", "run"]
    let imported = try runner.run(arguments)
    #expect(imported.status == 0, "\(imported.errors)")
    #expect(imported.output.contains("robomimic"))
    #expect(try runner.run("export", "run").status == 0)
    #expect(try runner.run("verify", "run/policy").status == 0)
    #expect(try runner.run(arguments).complaint.contains("has checkpoints already"))
    let nowhere = try runner.run(arguments.dropLast() + ["recipe.yaml/run"])
    #expect(nowhere.status != 0 && nowhere.complaint.contains("recipe.yaml/run: cannot be written to"))
  }

  @Test(arguments: [
    ("policy.width=48", "'policy.nets.embed_encoder.weight' has shape"),
    ("policy.layers=3", "is not in it"), ("policy.layers=1", "no place for"),
    ("encoder={kind: resnet18}", "'encoder.instruction"), ("observations.vectors=[eef_pos]", "the recipe sees eef_pos"),
    ("actions.rotations=[3]", "do not add up"), ("actions.execute=5", "predicts 1 action"),
    ("policy.heads=8", "the recipe needs 'policy.heads: 4'"),
    ("policy.pred_future_actions=true", "the recipe needs 'policy.pred_future_actions: false'"),
    ("policy.causal=false", "its attention is causal; the recipe needs 'policy.causal: true'"),
  ])
  func saysWhatDoesNotFit(_ change: String, _ complaint: String) throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try writeProject(runner)
    let refused = try runner.run(
      "import", "weights.safetensors", "--recipe", "recipe.yaml", "--run", "run", "--set", change)
    #expect(refused.status != 0 && refused.complaint.contains(complaint), "\(refused.errors)")
    #expect(!FileManager.default.fileExists(atPath: runner.folder + "/run"))
  }

  /// Of another head's weights nobody would know which action is the present one.
  @Test func weightsThatDoNotSayWhatTheyPredictAreRefused() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try writeProject(runner)
    let refused = try runner.run("import", "silent.safetensors", "--recipe", "recipe.yaml", "--run", "run")
    #expect(
      refused.status == 1 && refused.complaint.contains("does not tell which frames' actions its tokens predict"),
      "\(refused.errors)")
  }

  /// What people really give it: one line that says what it is and what to do, and nothing is written.
  @Test(
    arguments: [
      ([0x50, 0x4b, 0x03, 0x04, 0x00, 0x00, 0x08, 0x08, 0x00, 0x00], "docs/checkpoint_to_safetensors.py"),
      ([0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20], "docs/checkpoint_to_safetensors.py"),
      (Array("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n".utf8), "git lfs pull"),
      ([], "empty"), (Array("<!DOCTYPE html><html>Sign in</html>".utf8), "a web page"),
      ([0x89, 0x48, 0x44, 0x46], "HDF5"),
      ([9, 0, 0, 0, 0, 0, 0, 0, 0x7b], "truncated"),
    ] as [([UInt8], String)])
  func saysWhatTheFileIs(_ bytes: [UInt8], _ words: String) throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try writeProject(runner)
    try Data(bytes).write(to: URL(fileURLWithPath: runner.folder + "/model.pth"))
    let refused = try runner.run("import", "model.pth", "--recipe", "recipe.yaml", "--run", "run")
    #expect(refused.status == 1 && refused.complaint.hasPrefix("imitate: model.pth: "), "\(refused.errors)")
    #expect(refused.complaint.contains(words), "\(refused.errors)")
    #expect(refused.errors.split(separator: "\n").count == 1)
    #expect(!FileManager.default.fileExists(atPath: runner.folder + "/run"))
  }

  @Test func aFolderIsNoFile() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try writeProject(runner)
    let folder = try runner.run("import", "..", "--recipe", "recipe.yaml", "--run", "run")
    #expect(folder.status == 1 && folder.complaint.contains("..: a folder; name a file in it"), "\(folder.errors)")
    let nowhere = try runner.run("import", "nowhere.safetensors", "--recipe", "recipe.yaml", "--run", "run")
    #expect(nowhere.complaint.contains("nowhere.safetensors: no such file"))
  }

  /// Checkpoints and packages are files like others: what is in their place is named too.
  @Test func checkpointsAndPackagesSayWhatTheyAre() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try writeProject(runner)
    #expect(try runner.run("import", "weights.safetensors", "--recipe", "recipe.yaml", "--run", "run").status == 0)
    #expect(try runner.run("export", "run").status == 0)
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
    try runner.write(pointer, to: "run/policy/weights.safetensors")
    let package = try runner.run("verify", "run/policy")
    #expect(package.complaint.contains("run/policy/weights.safetensors: a Git LFS pointer"), "\(package.errors)")
    let checkpoint = "run/checkpoints/step-0000005.safetensors"
    let whole = try #require(runner.bytes(checkpoint))
    try whole.dropLast(1000).write(to: URL(fileURLWithPath: runner.folder + "/" + checkpoint))
    let cut = try runner.run("export", "run", "--output", "other")
    #expect(cut.complaint.contains("\(checkpoint): truncated or damaged") && cut.complaint.contains("fetch it again"))
    try runner.write(pointer, to: checkpoint)
    let left = try runner.run("export", "run", "--output", "other")
    #expect(left.complaint.contains("\(checkpoint): a Git LFS pointer"), "\(left.errors)")
  }
}
