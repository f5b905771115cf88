import Demonstrations
import Foundation
import Imitation

/// What to train, on what, and how to judge it: one short YAML file, checked whole before anything runs.
///
/// Only differences from the defaults need be written. `docs/recipes.md` explains every key.
public struct Recipe: PluginOptions {
  @Key(
    "The run's name.", KeyRule("a folder's name: letters, digits, '-', '_' and '.' only", holds: Recipe.isFolderName))
  public package(set) var name: String
  @Key("Every random choice of training follows from it.") public package(set) var seed: UInt64 = 1
  @Key("Which demonstrations.") package var data: DataSettings
  @Key("What the policy may see.") package var observations: ObservationSettings
  @Key("How actions are learned and carried out.") package var actions = ActionSettings()
  @Key("How windows are moved while training; not at all when left out.") package var augmentation: Augmentation?
  @Key("What turns observations into features.", PluginKind.encoder) public package(set) var encoder: Choice
  @Key("What predicts actions.", PluginKind.policy) public package(set) var policy: Choice
  @Key("How the weights are found.") package var training: TrainingSettings
  @Key("How the policy is judged.") package var evaluation: EvaluationSettings
  @Key("What is trained: this recipe's policy, or with another set of keys a world model.")
  package private(set) var trains = Trained.policy
  /// The text it was read from, stored with every run.
  public package(set) var text = ""
  /// The file it was read from, for complaints.
  public package(set) var path = ""

  /// What a recipe trains.
  package enum Trained: String, CaseIterable, SettingValue {
    case policy, world

    /// What the recipe at a path says, `policy` when it says nothing.
    /// - Throws: `SettingError`.
    package init(path: String) throws {
      let word = try SettingsFile.read(path).setting["trains"]
      self = try SettingError.naming(path) { try word.map { try Trained($0, path: "trains") } ?? .policy }
    }
  }

  /// Reads a recipe's file.
  ///
  /// - Parameter changes: `path.to.key=value` pairs, applied before decoding.
  /// - Throws: `SettingError`, naming file and line.
  public init(path: String, changes: [String] = []) throws {
    let (setting, text) = try SettingsFile.read(path, changes: changes)
    try self.init(setting, text: text, path: path)
  }

  /// Reads a recipe's text.
  ///
  /// - Parameters:
  ///   - path: where the text was kept, for complaints.
  ///   - changes: `path.to.key=value` pairs, applied before decoding.
  /// - Throws: `SettingError`, naming path and line.
  public init(text: String, path: String, changes: [String] = []) throws {
    let (setting, text) = try SettingError.naming(path) { try SettingsFile.changed(text, changes) }
    try self.init(setting, text: text, path: path)
  }

  private init(_ setting: Setting, text: String, path: String) throws {
    self = try SettingError.naming(path) {
      if let world = setting["world"], setting["policy"] == nil {
        throw SettingError.invalid(
          path: "world", line: world.line,
          reason:
            "is part of a world model's recipe, for `imitate world train \(path)`; a policy's recipe is needed here")
      }
      return try Recipe(setting)
    }
    self.text = text
    self.path = path
  }

  /// What decides the weights of a step: a recipe's text without how they are judged, and without how many steps there are.
  /// - Throws: `SettingError` when the text is no recipe.
  package static func trainingIdentity(of text: String) throws -> String {
    guard case .map(var entries) = try SettingsFile.parse(text).without("evaluation", "trains").value else {
      return text
    }
    for place in entries.indices where entries[place].key == "training" {
      entries[place].setting = entries[place].setting.without("steps")
    }
    return Setting(.map(entries), line: 1).json
  }

  /// Without its required keys, which are set next.
  public init() {}

  /// Refuses a world model's recipe.
  public func validate() throws {
    try $trains.refuse(unless: trains == .policy, "is a world model here; a policy's recipe is needed")
  }

  /// Refuses plug-ins that the catalog does not have and options that they do not take, before anything is opened.
  /// - Parameter files: whether files that they name have to be there.
  /// - Throws: `SettingError`, naming file and line.
  package func check(_ catalog: Catalog, files: Bool = false) throws {
    try SettingError.naming(path) { try catalog.check(self, files: files) }
  }

  @Sendable private static func isFolderName(_ name: String) -> Bool {
    !name.isEmpty && !name.hasPrefix(".") && name.allSatisfy { $0.isLetter || $0.isNumber || "-_.".contains($0) }
  }
}

/// How a trained policy is judged.
package struct EvaluationSettings: PluginOptions {
  @Key("Where it is tried.", PluginKind.simulator) package var simulator: Choice
  @Key("Episodes for each task.", 1...10_000) package var episodes = 50
  @Key("Which scenes; the same for every policy, so that results can be compared.") package var seed: UInt64 = 100_000
  @Key("Whether styles and objects are those of the demonstrations, or such that none of them shows.")
  package var pool = ScenePool.evaluation

  package init() {}

  /// Reads this group of a recipe's file, whatever else is in it.
  /// - Throws: `SettingError`, naming file and line.
  package init(ofRecipe path: String) throws {
    let setting = try SettingsFile.read(path).setting["evaluation"]
    self = try SettingError.naming(path) { try EvaluationSettings(setting ?? Setting(.map([])), path: "evaluation") }
  }
}
