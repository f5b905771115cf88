import Files
import Foundation
import Imitation
import Layers
import Tensors

extension WorldModel {
  /// What its files say they are.
  public static let format = "imitationkit-world-1"

  /// What rebuilds it without its weights, as JSON.
  public var description: String {
    get throws {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys]
      return String(
        decoding: try encoder.encode(Description(options: options.setting.json, blueprint: blueprint)), as: UTF8.self)
    }
  }

  private struct Description: Codable {
    var options: String
    var blueprint: Blueprint
  }

  /// Writes everything that rebuilds it into one safetensors file.
  public func write(to path: String) throws {
    try TensorArchive(
      format: WorldModel.format, metadata: ["description": try description], groups: ["": snapshot()]
    ).write(to: path)
  }

  /// Rebuilds what `write` wrote.
  /// - Throws: `GaussianWorldError.notAWorld`, or what is wrong with the file.
  public init(path: String, parts: any PartFactory) throws {
    let archive: TensorArchive
    let description: String
    do {
      archive = try TensorArchive(path: path, format: WorldModel.format)
      description = try archive.text("description", path: path)
    } catch let error as ArchiveError {
      throw GaussianWorldError.notAWorld(path: error.path, lacks: error.lacks)
    }
    do {
      try self.init(description: description, parts: parts)
    } catch let error as SettingError {
      throw SettingError.inFile(path, error)
    }
    try load(archive[""])
  }

  /// The model that `description` tells of, its weights not loaded yet.
  public init(description: String, parts: any PartFactory) throws {
    guard let found = try? JSONDecoder().decode(Description.self, from: Data(description.utf8)) else {
      throw GaussianWorldError.notAWorld(path: "description", lacks: "options and blueprint")
    }
    var random = Random(seed: 0)
    try self.init(
      options: Options(Setting(json: RenamedKeys.current(json: found.options)), path: "world"),
      blueprint: found.blueprint, parts: parts, random: &random)
  }
}
