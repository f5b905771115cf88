import Demonstrations
import Foundation
import Imitation

/// What a world model learns from and how: one short YAML file. `docs/gaussian-world-model.md` explains every key.
package struct WorldRecipe: PluginOptions {
  @Key("The run's name.") package var name: String
  @Key("Every random choice of training follows from it.") package var seed: UInt64 = 1
  @Key("Which demonstrations.") package var data: DataSettings
  @Key("What is trained; imitate train needs it.") package private(set) var trains = Recipe.Trained.world
  @Key("The model.", PluginKind.world) package var world = Choice(kind: "gaussian-world")
  @Key("How the weights of each stage are found, by the stage's name; left out for what has nothing to learn.")
  package var training: [String: TrainingSettings]
  package private(set) var text = ""
  package private(set) var path = ""
  /// What to tell of keys that version 0.1 had.
  package private(set) var note: String?

  package init() {}

  package func validate() throws {
    try $trains.refuse(unless: trains == .world, "must be world: this is a world model's recipe")
  }

  /// - Throws: `SettingError`, naming file and line.
  package init(path: String, changes: [String] = []) throws {
    let read = try SettingsFile.read(path, changes: changes)
    var (setting, isOld) = (read.setting, false)
    if case .map(var entries) = setting.value, let index = entries.firstIndex(where: { $0.key == "world" }) {
      (entries[index].setting, isOld) = RenamedKeys.world(entries[index].setting)
      setting.value = .map(entries)
    }
    self = try SettingError.naming(path) {
      if let policy = setting["policy"] {
        throw SettingError.invalid(
          path: "policy", line: policy.line,
          reason: "is part of a policy's recipe, for `imitate train`; a world model's recipe is needed here")
      }
      return try WorldRecipe(setting)
    }
    text = read.text
    self.path = path
    if isOld { note = "\(path): 'world.state', 'vae' and 'patch' are 'world.codec' now; the old keys are still read" }
  }

  /// Refuses stages that the model does not have.
  /// - Throws: `SettingError`.
  package func check(stages: [String]) throws {
    for stage in training.keys.sorted() where !stages.contains(stage) {
      throw SettingError.unknownKey(path: "training.\(stage)", line: 0, allowed: stages)
    }
  }

  /// Which demonstrations weights depend on, and which of them are held out.
  ///
  /// - Parameter contents: what the demonstrations' files hold, SHA-256.
  package func dataIdentity(_ contents: [String]) -> String {
    // How much is kept in memory changes nothing.
    let data = setting["data"]?.without("memory_gigabytes")
    return (contents + ["seed \(seed)", data?.json ?? ""]).joined(separator: "\n")
  }

  /// What a stage's weights depend on: its own settings and those of the stages before it.
  ///
  /// - Parameters:
  ///   - stage: one of `stages`, which are in the order in which they are trained.
  ///   - contents: what the demonstrations' files hold, SHA-256.
  package func identity(of stage: String, in stages: [String], _ contents: [String]) -> String {
    // What has a stage's name is that stage's; the rest of the model's settings concern all.
    var (common, own): ([String], [String: String]) = ([world.kind], [:])
    if case .map(let entries) = world.options.value {
      for entry in entries.sorted(by: { $0.key < $1.key }) {
        if stages.contains(entry.key) {
          own[entry.key] = entry.setting.json
        } else {
          common.append("\(entry.key) \(entry.setting.json)")
        }
      }
    }
    let settings = setting["training"]
    let parts = stages[...stages.firstIndex(of: stage)!].flatMap { [own[$0] ?? "", settings?[$0]?.json ?? ""] }
    return ([dataIdentity(contents)] + common + parts).joined(separator: "\n")
  }
}
