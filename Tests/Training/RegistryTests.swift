import Demonstrations
import Foundation
import Imitation
import Testing
import Training

@Suite struct RegistryTests {
  func registry(_ name: String) throws -> DatasetRegistry {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Datasets/\(name).yaml").standardizedFileURL.path
    var registry = try DatasetRegistry(SettingsFile.read(path).setting)
    registry.root = "/data"
    return registry
  }

  @Test func hasRoboCasasTasks() throws {
    let robocasa = try registry("robocasa")
    #expect(robocasa.tasks.count == 30)
    #expect(robocasa.tasks.count { $0.group != "composite" } == 25)
    let generated = try robocasa.tasks.filter { try robocasa.has(task: $0.name, split: "generated-3000") }
    #expect(generated.count == 24 && !generated.contains { $0.name == "NavigateKitchen" })
    // Every path is complete.
    for task in robocasa.tasks { _ = try robocasa.path(task: task.name, split: "human-50") }
    for task in generated { _ = try robocasa.path(task: task.name, split: "generated-300") }
    #expect(
      try robocasa.path(task: "PnPSinkToCounter", split: "human-50")
        == "/data/v0.1/single_stage/kitchen_pnp/PnPSinkToCounter/2024-04-26_2/demo_gentex_im128_randcams.hdf5")
    #expect(
      try robocasa.path(task: "PreSoakPan", split: "human")
        == "/data/v0.1/multi_stage/washing_dishes/PreSoakPan/2024-05-10/demo_im128.hdf5")
    #expect(try robocasa.entry("OpenDoubleDoor").horizon == 1000)
  }

  /// Every recipe that we ship reads, and names tasks and a split that its registry has.
  @Test func hasWhatTheRecipesName() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../../Recipes")
      .standardizedFileURL.path
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".yaml") }
    #expect(names.count >= 7)
    // World models have recipes of their own kind, and a protocol for operators is none.
    for name in names where !name.contains("-world") && name != "franka-pnp.yaml" {
      let recipe = try Recipe(path: "\(folder)/\(name)")
      #expect(name == recipe.name + ".yaml")
      let registry = try registry(recipe.data.registry)
      for task in recipe.data.tasks { _ = try registry.path(task: task, split: recipe.data.split) }
    }
  }

  @Test func anyFilterKeyIsASplit() throws {
    let robocasa = try registry("robocasa")
    #expect(try robocasa.split("generated-3000").key == "3000_demos")
    #expect(try robocasa.split("human-7").key == "7_demos")
    #expect(try robocasa.split("human").key == nil)
    let named = try robocasa.split("human-train")
    #expect(named.key == "train" && named.count == nil && named.source == "human")
    for wrong in ["robots-50", "human-", "human-0", "humans", ""] {
      #expect(throws: RegistryError.self) { try robocasa.split(wrong) }
    }
    #expect(throws: RegistryError.self) {
      try robocasa.path(task: "NavigateKitchen", split: "generated-3000")
    }
  }
}
