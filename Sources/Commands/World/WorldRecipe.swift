import Foundation
import GaussianWorld
import Imitation
import Training

/// What a world model learns from and how: one short YAML file. `docs/gaussian-world-model.md` explains every key.
struct WorldRecipe: Decodable, Sendable {
  enum Stage: String, CaseIterable, Sendable { case lift, vae, dynamics }

  struct Stages: Decodable, Sendable {
    /// Nil for lifts that have nothing to learn.
    var lift: TrainingSettings?
    var vae: TrainingSettings?
    var dynamics: TrainingSettings

    enum CodingKeys: String, CodingKey, CaseIterable { case lift, vae, dynamics }
  }

  var name: String
  var seed: UInt64
  var data: DataSettings
  var world: WorldModel.Options
  var training: Stages
  var text = ""
  var path = ""
  private var whole: Setting

  enum CodingKeys: String, CodingKey, CaseIterable { case name, seed, data, world, training }

  init(from decoder: any Decoder) throws {
    whole = try Setting(from: decoder)
    let keys = try decoder.container(keyedBy: CodingKeys.self)
    name = try keys.decode(String.self, forKey: .name)
    seed = try keys.decodeIfPresent(UInt64.self, forKey: .seed) ?? 1
    data = try keys.decode(DataSettings.self, forKey: .data)
    world = try keys.decode(WorldModel.Options.self, forKey: .world)
    training = try keys.decode(Stages.self, forKey: .training)
    guard world.state != .vae || training.vae != nil else {
      throw keys.refused(.training, "lacks 'vae'")
    }
  }

  /// - Throws: `SettingError`, naming file and line.
  init(path: String, changes: [String] = []) throws {
    let (setting, text) = try SettingsFile.read(path, changes: changes)
    do {
      self = try SettingDecoder().decode(WorldRecipe.self, from: setting)
    } catch let error as SettingError {
      throw SettingError.inFile(path, error)
    }
    self.text = text
    self.path = path
  }

  /// What a stage's weights depend on: its own settings and those of the stages before it.
  func identity(of stage: Stage) -> String {
    func json(_ setting: Setting?) -> String { setting?.json ?? "" }
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
