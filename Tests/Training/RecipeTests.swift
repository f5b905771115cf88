import Foundation
import Imitation
import Testing
import Training

/// A recipe that is right; tests change one line of it.
let rightRecipe = """
  name: trial
  data:
    registry: kitchenette
    split: expert-50
    tasks: [OpenDrawer]
  observations:
    images: [robot0_agentview_left_image]
    vectors: [robot0_base_to_eef_pos]
  encoder: {kind: small}
  policy: {kind: bc-transformer}
  training:
    steps: 100
  evaluation:
    simulator: {kind: kitchenette}

  """

@Suite struct RecipeTests {
  func recipe(_ text: String, changes: [String] = []) throws -> Recipe {
    let path = FileManager.default.temporaryDirectory.path + "/recipe-\(UUID().uuidString).yaml"
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(atPath: path) }
    do {
      return try Recipe(path: path, changes: changes)
    } catch SettingError.inFile(_, let error) {
      throw error
    }
  }

  @Test func readsWeightsPaddingAndActions() throws {
    let recipe = try recipe(
      rightRecipe,
      changes: [
        "data.tasks=[A, B]", "data.weights={tasks: {B: 2.5}, by_size: true}", "data.padding={end: false}",
        "actions={learned: [0, 1], constants: [0.5], from: [action_dict/rel_pos]}",
      ])
    let weights = try #require(recipe.data.weights)
    #expect(weights.bySize && weights.weight(of: "B") == 2.5 && weights.weight(of: "A") == 1)
    #expect(recipe.data.padding.start && recipe.data.padding.endRows == 0)
    #expect(recipe.actions.activeDimensions == [0, 1] && recipe.actions.constants == [0.5])
    #expect(recipe.actions.from == ["action_dict/rel_pos"])
  }

  /// 010 is 8 in YAML 1.1, and 1:10 is 70.
  @Test func numbersThatNobodyMeansAreRefused() throws {
    for text in ["010", "1:10", "-007", "08", "1:10.5"] {
      #expect { try recipe(rightRecipe, changes: ["training.steps=\(text)"]) } throws: {
        "\($0)".contains("--set 'training.steps=\(text)': '\(text)' would be")
      }
      #expect { try SettingsFile.parse("a: 1\nb: \(text)") } throws: {
        "\($0)".hasPrefix("line 2: '\(text)' would be")
      }
    }
    #expect(try recipe(rightRecipe, changes: ["training.steps=10"]).training.steps == 10)
    #expect(try SettingsFile.parse("a: 0\nb: '010'\nc: 0.5").json == #"{"a":0,"b":"010","c":0.5}"#)
  }

  /// Two that share a column would be read past the end; what is one number is no image, whatever it is called.
  @Test func overlappingRotationsAreRefusedAndNumbersAreNoDepths() throws {
    for (rotations, holds) in [("[3, 6]", true), ("[6, 3]", true), ("[3, 4, 5]", false), ("[0, 2]", false)] {
      let changed = { try recipe(rightRecipe, changes: ["actions={rotations: \(rotations)}"]) }
      if holds {
        #expect(try changed().actions.rotations.count == 2)
      } else {
        #expect { try changed() } throws: { "\($0)".contains("overlap") }
      }
    }
    let depths = try recipe(
      rightRecipe,
      changes: ["observations.vectors=[peg_depth, left_depth]", "observations.normalization=gaussian"])
    #expect(depths.observations.normalization(of: "peg_depth", width: 1) == .gaussian)
    #expect(depths.observations.normalization(of: "left_depth", width: 64) == .none)
  }

  @Test func readsRulesOfNormalizationAndActions() throws {
    let recipe = try recipe(
      rightRecipe,
      changes: [
        "observations.vectors=[a, b]", "observations.normalization={others: limits, b: none}", "data.padding={end: 7}",
        "actions={rotations: [3], ensemble: 0.01, execute: 8}", "training.encoder_weight_decay=1e-6",
      ])
    #expect(recipe.observations.normalization(of: "a", width: 3) == .limits)
    #expect(recipe.observations.normalization(of: "b", width: 3) == .none)
    #expect(recipe.data.padding.endRows == 7 && recipe.data.padding.start)
    #expect(recipe.actions.rotations == [3] && recipe.actions.ensemble == 0.01)
    #expect(recipe.training.encoderWeightDecay == 1e-6 && recipe.training.weightDecay == 0.01)
    // Diffusion Policy's windows: horizon 16, 2 frames, 8 executed. The last one begins 8 before the end.
    let window = Window(observations: -1...0, actions: -1...14)
    let steps = recipe.data.padding.indices([(number: 0, length: 20)], window: window).map(\.step)
    #expect(steps == Array(0...12))
  }

  @Test(arguments: [
    "data.weights={tasks: {Other: 1}}", "data.weights={tasks: {OpenDrawer: -1}}",
    "data.weights={tasks: {OpenDrawer: 0}}",
    "actions={learned: [1, 1]}", "actions={learned: []}", "actions={constants: [1]}", "actions={from: []}",
    "data.padding={front: true}", "data.padding={end: -1}", "observations.normalization={x: none}",
    "observations.normalization=best", "actions={rotations: [3, 3]}", "training.encoder_weight_decay=-1",
  ]) func refusesWeightsAndActionsThatMakeNoSense(_ change: String) {
    #expect(throws: SettingError.self) { try recipe(rightRecipe, changes: [change]) }
  }

  /// Eight aliases of eight aliases, thirteen times over: 8 to the 13th values in 600 bytes.
  /// As values, and as the keys of a mapping.
  @Test(arguments: ["recipe-alias-bomb", "recipe-alias-keys"]) func refusesAliasesWithoutEnd(_ name: String) throws {
    let bomb = try Data(
      contentsOf: URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../Fuzz/Corpus/\(name)")
    ).dropFirst()
    #expect(throws: SettingError.self) { try recipe(String(decoding: bomb, as: UTF8.self)) }
  }

  @Test func followsAFewAliases() throws {
    #expect(try SettingsFile.parse("a: &x [1, 2]\nb: *x\nc: \"2 * 3 *\"\n")["b"]?.json == "[1,2]")
  }

  @Test func readsWithDefaults() throws {
    let recipe = try recipe(rightRecipe)
    #expect(recipe.seed == 1)
    #expect(recipe.training.batch == 16 && recipe.training.clip == 100)
    #expect(recipe.encoder.kind == "small")
    #expect(recipe.text == rightRecipe)
  }

  @Test func refusesAnUnknownKeyWithItsLine() {
    let text = rightRecipe.replacingOccurrences(of: "  steps: 100\n", with: "  steps: 100\n  stepz: 3\n")
    #expect {
      try recipe(text)
    } throws: { error in
      guard case .unknownKey(let path, let line, let allowed) = error as? SettingError else { return false }
      return path == "training.stepz" && line == 13 && allowed.contains("steps")
    }
  }

  @Test(arguments: [
    ("steps: 100", "steps: 0", "training.steps", 12), ("steps: 100", "steps: 10\n  warmup: 11", "training.warmup", 13),
    ("tasks: [OpenDrawer]", "tasks: []", "data.tasks", 5), ("name: trial", "name: ../trial", "name", 1),
    ("steps: 100", "steps: 10\n  betas: [0.9]", "training.betas", 13),
    ("steps: 100", "steps: 10\n  average_power: 2", "training.average_power", 13),
  ])
  func refusesAValueOutOfRangeWithItsLine(_ old: String, _ new: String, _ path: String, _ line: Int) {
    #expect {
      try recipe(rightRecipe.replacingOccurrences(of: old, with: new))
    } throws: { error in
      guard case .invalid(let found, let at, _) = error as? SettingError else { return false }
      return found == path && at == line
    }
  }

  @Test func refusesAWrongTypeWithItsLine() {
    #expect(
      throws: SettingError.wrongType(
        path: "training.steps", line: 12, wanted: "a whole number", found: "the text \"many\"")
    ) { try recipe(rightRecipe.replacingOccurrences(of: "100", with: "many")) }
  }

  @Test func refusesWhatIsNotYAML() {
    #expect {
      try recipe("name: [")
    } throws: { error in
      guard case .syntax = error as? SettingError else { return false }
      return true
    }
  }

  @Test func appliesChangesBeforeItChecks() throws {
    let changed = try recipe(rightRecipe, changes: ["training.steps=7", "encoder={kind: resnet18, crop: 76}"])
    #expect(changed.training.steps == 7)
    #expect(changed.encoder.kind == "resnet18")
    #expect(changed.text.contains("76"))
    #expect(throws: SettingError.self) { try recipe(rightRecipe, changes: ["training.stepz=7"]) }
  }
}
