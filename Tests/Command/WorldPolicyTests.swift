import Files
import Foundation
import Imitation
import Layers
import Testing

/// Policies on the features of world models, from the command line.
@Suite(.serialized) struct WorldPolicyTests {
  /// The world model stays as it is for ten steps and then learns, on rows of variants; stopped before, at and after that, training
  /// ends in the bits of a run that never stopped.
  @Test func learnsAfterFrozenStepsWithTheSameBits() throws {
    let runner = try WorldTests.project()
    defer { runner.remove() }
    #expect(try runner.run("world", "train", "world.yaml", "--run", "world").status == 0)
    func train(_ run: String, _ steps: Int, _ tune: String) throws {
      let result = try runner.run(
        "train", "recipe.yaml", "--run", run, "--set",
        "encoder={kind: gaussian-world, world: world, features: 8, pools: 2, variants: 3, \(tune)}", "--set",
        "training.steps=\(steps)")
      #expect(result.status == 0, "\(result.errors)")
      #expect(result.errors.contains("does not learn") == (steps <= 10 && tune.contains("after")))
    }
    func checkpoint(_ run: String, _ step: Int) -> String {
      runner.folder + "/\(run)/checkpoints/step-" + String(format: "%07d", step) + ".safetensors"
    }
    func weights(_ run: String, _ step: Int, _ group: String = "weights/") throws -> [String: [Float]] {
      try Safetensors.read(checkpoint(run, step)).tensors.filter { $0.key.hasPrefix(group) }.mapValues(\.scalars)
    }
    let tune = "fine_tune: {after: 10, rate: 0.5}"
    try train("whole", 24, tune)
    try train("frozen", 10, "fine_tune: false")
    for steps in [6, 10, 16, 24] {
      try train("parts", steps, tune)
      // Frozen, it is what a frozen one is.
      if steps == 10 { #expect(try weights("parts", 10) == weights("frozen", 10)) }
    }
    #expect(runner.bytes("whole/checkpoints/step-0000024.safetensors") != nil)
    #expect(
      runner.bytes("whole/checkpoints/step-0000024.safetensors")
        == runner.bytes("parts/checkpoints/step-0000024.safetensors"))
    for group in ["weights/", "average/"] {
      let (before, after) = (try weights("frozen", 10, group), try weights("whole", 24, group))
      let world = before.filter { $0.key.contains("encoder.world.dynamics") }
      #expect(!world.isEmpty && world.contains { after[$0.key] != $0.value })
    }
  }

  @Test func feedsAPolicy() throws {
    let runner = try WorldTests.project()
    defer { runner.remove() }
    #expect(try runner.run("world", "train", "world.yaml", "--run", "world").status == 0)
    let encoder = "encoder={kind: gaussian-world, world: world, features: 8, pools: 2}"
    func train(_ run: String, _ encoder: String) throws -> CommandRunner.Result {
      try runner.run("train", "recipe.yaml", "--run", run, "--set", encoder)
    }
    // What a process that is no more left half-written goes.
    let leftover = "cache/features/old.rows.999999.partial"
    try runner.write("half", to: leftover)
    let first = try train("one", encoder)
    #expect(first.status == 0, "\(first.errors)")
    #expect(runner.bytes(leftover) == nil)
    let kept = try FileManager.default.contentsOfDirectory(
      atPath: runner.folder + "/cache/features")
    #expect(kept.count == 1 && kept[0].hasSuffix(".rows"))
    // Kept rows are in 16 bits; a second run reads them and learns the same.
    #expect(try train("two", encoder).status == 0)
    let last = "checkpoints/step-0000024.safetensors"
    let weights = try ["one", "two"].map { try Safetensors.read("\(runner.folder)/\($0)/\(last)").tensors }
    #expect(Set(weights[0].keys) == Set(weights[1].keys))
    #expect(weights[0].allSatisfy { $1.scalars == weights[1][$0]!.scalars })
    #expect(try FileManager.default.contentsOfDirectory(atPath: runner.folder + "/cache/features") == kept)
    // Where two do not fit, the one unused for longest goes: 48 frames of 8 tokens of 16 numbers are 12 kB.
    #expect(
      try runner.run("world", "train", "world.yaml", "--run", "second", "--set", "seed=2").status == 0)
    let other = try train(
      "six", "encoder={kind: gaussian-world, world: second, features: 8, pools: 2, cache_gigabytes: 2.0e-5}")
    #expect(other.status == 0, "\(other.errors)")
    let left = try FileManager.default.contentsOfDirectory(atPath: runner.folder + "/cache/features")
    #expect(left.count == 1 && left != kept)
    // Without room nothing is kept, and it is said.
    let none = try train("three", "encoder={kind: gaussian-world, world: world, cache_gigabytes: 0}")
    #expect(none.status == 0 && none.errors.contains("computed as they are needed"))
    // Joined by image features; and exported, without the world model's own file.
    let both = try train(
      "four", "encoder={kind: gaussian-world, world: world, join: {kind: small, crop: 18, channels: 16}}")
    #expect(both.status == 0, "\(both.errors)")
    try FileManager.default.removeItem(atPath: runner.folder + "/world")
    let exported = try runner.run("export", "four")
    #expect(exported.status == 0, "\(exported.errors)")
    let verified = try runner.run("verify", "four/policy")
    #expect(verified.status == 0, "\(verified.errors)")
    let gone = try train("five", encoder)
    #expect(gone.status == 1 && gone.complaint.contains("world"))
  }
}
