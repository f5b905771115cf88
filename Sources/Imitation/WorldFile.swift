import Files
import Foundation
import Layers
import Tensors

/// A file that holds no world model.
public enum WorldFileError: Error, Equatable, CustomStringConvertible {
  /// A file that is no world model.
  case notAWorld(path: String, lacks: String)
  /// A path without a world model.
  case noWorld(path: String)
  /// Weights that are not numbers.
  case notFinite(path: String, tensor: String)

  public var description: String {
    switch self {
    case .notAWorld(let path, let lacks):
      "\(path): not a world model: it has no \(lacks); `imitate world train` writes one"
    case .notFinite(let path, let tensor): "\(path): '\(tensor)' holds values that are not numbers; train it again"
    case .noWorld(let path): "\(path): no world model there; `imitate world train` writes one"
    }
  }
}

/// What world models' files say they are.
enum WorldFormat {
  static let current = "imitationkit-world-2"
  /// Version 0.1's, which had one kind of world model.
  static let old = "imitationkit-world-1"

  /// What rebuilds a world model without its weights.
  struct Description: Codable {
    /// Nil in version 0.1.
    var kind: String?
    var options: String
    var blueprint: WorldBlueprint
  }
}

extension WorldModel {
  /// What rebuilds it without its weights, as JSON.
  public var description: String {
    get throws {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys]
      let description = WorldFormat.Description(
        kind: Self.name, options: options.setting.json, blueprint: blueprint)
      return String(decoding: try encoder.encode(description), as: UTF8.self)
    }
  }

  /// Writes everything that rebuilds it into one safetensors file.
  public func write(to path: String) throws {
    try TensorArchive(
      format: WorldFormat.current, metadata: ["description": try description], groups: ["": snapshot()]
    ).write(to: path)
  }
}

extension PartFactory {
  /// Rebuilds what `WorldModel.write` wrote.
  /// - Parameter path: a world model's file, or the run folder that it is in.
  /// - Throws: `WorldFileError`, or what is wrong with the file.
  public func world(at path: String) throws -> any WorldModel {
    let path = try worldFile(path)
    var archive: TensorArchive
    let text: String
    var isOld = false
    do {
      do {
        archive = try TensorArchive(path: path, format: WorldFormat.current)
      } catch is ArchiveError {
        archive = try TensorArchive(path: path, format: WorldFormat.old)
        isOld = true
      }
      text = try archive.text("description", path: path)
    } catch let error as ArchiveError {
      throw WorldFileError.notAWorld(path: error.path, lacks: error.lacks)
    }
    let model = try SettingError.naming(path) { try world(describedBy: text) }
    var tensors = archive[""]
    if isOld {
      tensors = Dictionary(
        tensors.map { ($0.hasPrefix("vae.") ? "codec." + $0.dropFirst(4) : $0, $1) }, uniquingKeysWith: { $1 })
    }
    if let bad = tensors.first(where: { !$1.scalars.allSatisfy(\.isFinite) }) {
      throw WorldFileError.notFinite(path: path, tensor: bad.key)
    }
    try model.load(tensors)
    return model
  }

  /// The file of a world model, given itself or its run folder.
  /// - Throws: `WorldFileError.noWorld`.
  public func worldFile(_ path: String) throws -> String {
    var isFolder: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
    let file = exists && isFolder.boolValue ? path + "/world.safetensors" : path
    guard FileManager.default.fileExists(atPath: file) else { throw WorldFileError.noWorld(path: path) }
    return file
  }

  /// The model that `WorldModel.description` tells of, its weights not loaded yet.
  public func world(describedBy text: String) throws -> any WorldModel {
    guard let found = try? JSONDecoder().decode(WorldFormat.Description.self, from: Data(text.utf8)) else {
      throw WorldFileError.notAWorld(path: "description", lacks: "options and blueprint")
    }
    let options = RenamedKeys.world(try Setting(json: RenamedKeys.current(json: found.options))).setting
    var random = Random(seed: 0)
    return try makeWorld(
      Choice(kind: found.kind ?? RenamedKeys.oldWorld, options: options), blueprint: found.blueprint, path: "world",
      random: &random)
  }
}
