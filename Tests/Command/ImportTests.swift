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
    policy: {kind: bc-transformer, context: 4, horizon: 4, width: 24, layers: 2, heads: 4, modes: 3, causal: true}
    training: {steps: 5}
    evaluation: {simulator: {kind: none}}

    """

  func writeProject(_ runner: CommandRunner) throws {
    try runner.write(ImportTests.recipe, to: "recipe.yaml")
    let golden = try Golden("robomimic")
    let weights = golden.tensors.filter { !$0.key.hasPrefix("expected/") }
    try Safetensors.write(weights, metadata: golden.metadata, to: runner.folder + "/weights.safetensors")
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
    ("actions.rotations=[3]", "do not add up"), ("actions.execute=5", "predicts 4 actions"),
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
}
