import Tensors

/// Tensors in named groups with metadata: the one format behind checkpoints, training stages, worlds and packages.
///
/// A safetensors file whose tensors are called `GROUP/NAME`; those of a group without a name have no prefix. Its `format` entry
/// says what it is the archive of.
public struct TensorArchive: Sendable {
  /// Text by name, `format` among it.
  public var metadata: [String: String]
  /// Tensors by group and name.
  public var groups: [String: [String: Tensor]]

  /// - Parameters:
  ///   - format: what it is the archive of, for example `imitationkit-checkpoint-1`.
  ///   - groups: tensors by group and name; the group `""` holds those whose names have no prefix.
  public init(format: String, metadata: [String: String] = [:], groups: [String: [String: Tensor]] = [:]) {
    self.metadata = metadata.merging(["format": format]) { $1 }
    self.groups = groups
  }

  /// Reads an archive.
  ///
  /// - Parameter prefixes: the groups to look for; tensors whose names begin with none of them are in group `""`.
  /// - Throws: `ArchiveError` when it is the archive of something else, `SafetensorsError` when it is no such file.
  public init(path: String, format: String, prefixes: [String] = []) throws {
    let (tensors, metadata) = try Safetensors.read(path)
    try TensorArchive.check(metadata, path: path, format: format)
    self.metadata = metadata
    groups = [:]
    for (name, tensor) in tensors {
      let group = prefixes.first { name.hasPrefix($0 + "/") } ?? ""
      groups[group, default: [:]][group.isEmpty ? name : String(name.dropFirst(group.count + 1))] = tensor
    }
  }

  /// Reads the metadata alone.
  /// - Throws: as `init(path:format:prefixes:)`.
  public static func metadata(of path: String, format: String) throws -> [String: String] {
    let metadata = try Safetensors.metadata(of: path)
    try check(metadata, path: path, format: format)
    return metadata
  }

  private static func check(_ metadata: [String: String], path: String, format: String) throws {
    guard metadata["format"] == format else { throw ArchiveError(path: path, lacks: "format '\(format)'") }
  }

  /// An entry of the metadata.
  ///
  /// - Parameter path: where the archive was read, for the complaint.
  /// - Throws: `ArchiveError` when it is not there.
  public func text(_ key: String, path: String) throws -> String {
    guard let text = metadata[key] else { throw ArchiveError(path: path, lacks: key) }
    return text
  }

  /// The tensors of a group; none when there is no such group.
  public subscript(_ group: String) -> [String: Tensor] { groups[group] ?? [:] }

  /// Writes the file whole or not at all.
  /// - Throws: `WriteError`.
  public func write(to path: String) throws {
    var tensors: [String: Tensor] = [:]
    for (group, named) in groups {
      for (name, tensor) in named { tensors[group.isEmpty ? name : "\(group)/\(name)"] = tensor }
    }
    try Safetensors.write(tensors, metadata: metadata, to: path)
  }
}

/// An archive of something else, or one that lacks a part.
public struct ArchiveError: Error, Equatable {
  /// The file.
  public var path: String
  /// What it lacks, for example `format 'imitationkit-world-1'`.
  public var lacks: String

  /// - Parameter lacks: what the archive should have.
  public init(path: String, lacks: String) {
    self.path = path
    self.lacks = lacks
  }
}
