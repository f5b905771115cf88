import Foundation
import ImitationKit

/// What a world model learns from and how: one short YAML file. `docs/gaussian-world-model.md` explains every key.
struct WorldRecipe: PluginOptions {
  enum Stage: String, CaseIterable, Sendable { case lift, vae, dynamics }

  struct Stages: PluginOptions {
    @Key("Of the lift; left out for lifts that have nothing to learn.") var lift: TrainingSettings?
    @Key("Of the VAE; left out where the state has none.") var vae: TrainingSettings?
    @Key("Of the dynamics.") var dynamics: TrainingSettings
  }

  @Key("The run's name.") var name: String
  @Key("Every random choice of training follows from it.") var seed: UInt64 = 1
  @Key("Which demonstrations.") var data: DataSettings
  @Key("What is trained; imitate train needs it.") private(set) var trains = Recipe.Trained.world
  @Key("The model.") var world: WorldModel.Options
  @Key("How the weights of each stage are found.") var training: Stages
  var text = ""
  var path = ""

  init() {}

  func validate() throws {
    try $trains.refuse(unless: trains == .world, "must be world: this is a world model's recipe")
    try $training.refuse(unless: world.state != .vae || training.vae != nil, "lacks 'vae'")
  }

  /// - Throws: `SettingError`, naming file and line.
  init(path: String, changes: [String] = []) throws {
    let (setting, text) = try SettingsFile.read(path, changes: changes)
    if let policy = setting["policy"] {
      throw SettingError.inFile(
        path,
        .invalid(
          path: "policy", line: policy.line,
          reason: "is part of a policy's recipe, for `imitate train`; a world model's recipe is needed here"))
    }
    do {
      try self.init(setting)
    } catch let error as SettingError {
      throw SettingError.inFile(path, error)
    }
    self.text = text
    self.path = path
  }

  /// What a stage's weights depend on: its own settings and those of the stages before it.
  func identity(of stage: Stage) -> String {
    func json(_ setting: Setting?) -> String { setting?.json ?? "" }
    let whole = setting
    var data = whole["data"]
    // How much is kept in memory changes nothing.
    if case .map(let entries) = data?.value {
      data?.value = .map(entries.filter { $0.key != "memory_gigabytes" })
    }
    var parts = ["seed \(seed)", json(data)]
    for key in ["cameras", "field_of_view", "geometry", "lift"] { parts.append(json(whole["world"]?[key])) }
    parts.append(json(whole["training"]?["lift"]))
    if stage == .lift { return parts.joined(separator: "\n") }
    for key in ["state", "patch", "vae"] { parts.append(json(whole["world"]?[key])) }
    parts.append(json(whole["training"]?["vae"]))
    if stage == .vae { return parts.joined(separator: "\n") }
    return (parts + [json(whole["world"]?["dynamics"]), json(whole["training"]?["dynamics"])]).joined(separator: "\n")
  }
}
