import Imitation

/// Which tasks a collection of demonstrations has, and where the files of each split lie.
///
/// A registry is a YAML file in `Datasets/`; the demonstrations themselves are beside it and not committed. The file of
/// a task is `ROOT/REGISTRY/FOLDER/FILE`, FOLDER coming from the split and FILE from the task.
package struct DatasetRegistry: Decodable, Sendable {
  package struct Split: Decodable, Sendable {
    package var folder: String
    /// The filter key (`mask/KEY`) that names the split's episodes.
    package var key: String
    package var about: String
  }

  package struct Entry: Decodable, Sendable {
    package var name: String
    package var group: String
    /// Steps after which an attempt counts as failed.
    package var horizon: Int
    package var file: String
  }

  package var name: String
  package var about: String
  package var splits: [String: Split]
  package var tasks: [Entry]

  /// The entry of `task`.
  /// - Throws: `RegistryError`.
  package func entry(_ task: String) throws -> Entry {
    guard let entry = tasks.first(where: { $0.name == task }) else {
      throw RegistryError.unknownTask(task, registry: name, known: tasks.map(\.name))
    }
    return entry
  }

  /// - Throws: `RegistryError`.
  package func split(_ name: String) throws -> Split {
    guard let split = splits[name] else {
      throw RegistryError.unknownSplit(name, registry: self.name, known: splits.keys.sorted())
    }
    return split
  }

  /// Where the file of `task` in `split` belongs under `root`.
  /// - Throws: `RegistryError`.
  package func path(task: String, split: String, root: String) throws -> String {
    "\(root)/\(name)/\(try self.split(split).folder)/\(try entry(task).file)"
  }
}

/// A name that the registry does not have.
package enum RegistryError: Error, Equatable, CustomStringConvertible {
  case unknownTask(String, registry: String, known: [String])
  case unknownSplit(String, registry: String, known: [String])

  package var description: String {
    switch self {
    case .unknownTask(let task, let registry, let known):
      "'\(task)' is not a task of \(registry); its tasks: \(known.joined(separator: ", "))"
    case .unknownSplit(let split, let registry, let known):
      "'\(split)' is not a split of \(registry); its splits: \(known.joined(separator: ", "))"
    }
  }
}
