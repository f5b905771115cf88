import Foundation

/// One file of demonstrations in RoboCasa's layout, open to read.
package struct DemonstrationFile: Sendable {
  package let hdf5: HDF5File
  /// `demo_N` in the order of N, gaps and 1-based names as they are.
  package let demos: [String]

  package init(path: String) throws {
    hdf5 = try HDF5File(reading: path)
    guard hdf5.exists("data") else {
      throw HDF5Error.missing(file: path, path: "data", available: hdf5.children("/"))
    }
    demos = hdf5.children("data").filter { DemonstrationFile.number($0) != nil }
      .sorted { DemonstrationFile.number($0)! < DemonstrationFile.number($1)! }
    guard !demos.isEmpty else {
      throw HDF5Error.missing(file: path, path: "data/demo_0", available: hdf5.children("data"))
    }
  }

  package var path: String { hdf5.path }

  static func number(_ name: String) -> Int? {
    name.hasPrefix("demo_") ? Int(name.dropFirst(5)) : nil
  }

  /// The filter keys.
  package var maskNames: [String] { hdf5.children("mask") }

  /// The demos that filter key `key` names, in the order of their numbers; nil when there is no such key.
  package func mask(_ key: String) throws -> [String]? {
    guard hdf5.exists("mask/\(key)") else { return nil }
    return try hdf5.strings("mask/\(key)").sorted {
      (DemonstrationFile.number($0) ?? .max, $0) < (DemonstrationFile.number($1) ?? .max, $1)
    }
  }

  /// The task: `env_name` of `env_args` without MimicGen's `MG_`.
  package var task: String {
    guard let name = environmentArguments["env_name"] as? String else { return "" }
    return name.hasPrefix("MG_") ? String(name.dropFirst(3)) : name
  }

  package var environmentArguments: [String: Any] {
    guard let text = try? hdf5.text(of: "data", "env_args") else { return [:] }
    return (try? JSONSerialization.jsonObject(with: Data(text.utf8))) as? [String: Any] ?? [:]
  }

  /// `ep_meta` of a demo, empty when there is none.
  package func metadata(_ demo: String) -> EpisodeMetadata {
    EpisodeMetadata((try? hdf5.text(of: "data/\(demo)", "ep_meta")) ?? "")
  }

  package func instruction(_ demo: String) -> String { metadata(demo).instruction }

  /// The observation keys of a demo.
  package func observationKeys(_ demo: String) -> [String] { hdf5.children("data/\(demo)/obs") }

  /// Rows of the actions.
  package func length(_ demo: String) throws -> Int {
    try hdf5.shape("data/\(demo)/actions").first ?? 0
  }

  /// A demo's cameras, and its rows of numbers.
  /// - Throws: `HDF5Error`.
  package func observations(of demo: String) throws -> (images: [String], vectors: [String]) {
    var (images, vectors): ([String], [String]) = ([], [])
    for key in observationKeys(demo) {
      let path = "data/\(demo)/obs/\(key)"
      if try hdf5.frameShape(path) != nil {
        images.append(key)
      } else if try hdf5.shape(path).count <= 2 {
        vectors.append(key)
      }
    }
    return (images, vectors)
  }
}
