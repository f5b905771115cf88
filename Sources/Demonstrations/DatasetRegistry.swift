import Foundation
import Imitation

/// Which tasks a collection of demonstrations has, and where their files lie.
///
/// A registry is a YAML file in `Datasets/`. It names sources (who made the demonstrations) with the path of a task's file
/// under the registry's root, and tasks with what that path is filled with. A split is `SOURCE-N`, the N demonstrations
/// that the file's filter key `N_demos` names, `SOURCE-KEY`, those of any other filter key, or `SOURCE`, all of them.
package struct DatasetRegistry: PluginOptions {
  package struct Source: PluginOptions {
    @Key("The path of a task's file: {task}, {folder}, {date}, {run} and {file} stand for the task's.")
    package var path: String
    @Key("The file's name unless the task has another.") package var file: String?
    @Key("Who made the demonstrations, and how.") package var about: String

    package init() {}
  }

  package struct Entry: PluginOptions {
    @Key("The task.") package var name: String
    @Key("A word that groups tasks.") package var group: String
    @Key(
      "Steps after which an attempt to record or generate one has failed; in evaluation the simulator's own horizon counts."
    )
    package var horizon: Int
    @Key("Stands in paths.") package var folder: String?
    @Key("Stands in paths.") package var date: String?
    @Key("Stands in paths.") package var run: String?
    @Key("The file's name.") package var file: String?
    @Key("The sources that have this task; all when left out.") package var sources: [String]?
    @Key("Something to know about it, for example that a paper's mean leaves it out.") package var note: String?

    package init() {}
  }

  package struct Split: Sendable, Equatable {
    package var source: String
    /// How many demonstrations its name says; nil when it says no number.
    package var count: Int?
    /// The filter key (`mask/KEY`) that names the split's episodes; nil for all.
    package var key: String?
  }

  @Key("The registry.") package var name: String
  @Key("What it holds.") package var about: String
  @Key("Who made demonstrations, by name.") package var sources: [String: Source]
  @Key("Those that `imitate tasks` lists; others of the same form work as well.") package var splits: [String]
  @Key("The tasks.") package var tasks: [Entry]
  /// The folder that its paths begin in, which the registry's own file does not say.
  package var root = "."

  package init() {}

  /// The entry of `task`.
  /// - Throws: `RegistryError`.
  package func entry(_ task: String) throws -> Entry {
    guard let entry = tasks.first(where: { $0.name == task }) else {
      throw RegistryError.unknownTask(task, registry: name, known: tasks.map(\.name))
    }
    return entry
  }

  /// - Throws: `RegistryError`.
  package func split(_ text: String) throws -> Split {
    if sources[text] != nil { return Split(source: text) }
    // The longest source that the name begins with: sources may have dashes themselves, and so may filter keys.
    let source = sources.keys.filter { text.hasPrefix($0 + "-") }.max { $0.count < $1.count }
    if let source, case let key = String(text.dropFirst(source.count + 1)), !key.isEmpty {
      guard let count = Int(key) else { return Split(source: source, key: key) }
      if count > 0 { return Split(source: source, count: count, key: "\(count)_demos") }
    }
    throw RegistryError.unknownSplit(text, registry: name, known: splits, sources: sources.keys.sorted())
  }

  /// Whether `split` has `task`.
  package func has(task: String, split: String) throws -> Bool {
    let (entry, split) = (try entry(task), try self.split(split))
    return entry.sources?.contains(split.source) ?? true
  }

  /// Where the file of `task` in `split` belongs.
  /// - Throws: `RegistryError`.
  package func path(task: String, split: String) throws -> String {
    let entry = try entry(task)
    let source = try self.split(split).source
    guard try has(task: task, split: split) else {
      throw RegistryError.noSuchSource(task, source: source, registry: name, has: entry.sources ?? [])
    }
    let facts = sources[source]!
    var path = facts.path.replacingOccurrences(of: "{task}", with: entry.name)
    let values = [
      ("{folder}", entry.folder), ("{date}", entry.date), ("{run}", entry.run), ("{file}", entry.file ?? facts.file),
    ]
    for (mark, value) in values where path.contains(mark) {
      guard let value else {
        throw RegistryError.incomplete(task, registry: name, lacks: String(mark.dropFirst().dropLast()))
      }
      path = path.replacingOccurrences(of: mark, with: value)
    }
    return "\(root)/\(path)"
  }
}

/// What the registry does not have.
package enum RegistryError: Error, Equatable, CustomStringConvertible {
  case unknownTask(String, registry: String, known: [String])
  case unknownSplit(String, registry: String, known: [String], sources: [String])
  case noSuchSource(String, source: String, registry: String, has: [String])
  case incomplete(String, registry: String, lacks: String)

  package var description: String {
    switch self {
    case .unknownTask(let task, let registry, let known):
      "'\(task)' is not a task of \(registry); its tasks: \(known.joined(separator: ", "))"
    case .unknownSplit(let split, let registry, let known, let sources):
      "'\(split)' is not a split of \(registry); its splits: \(known.joined(separator: ", ")), and any "
        + sources.map { "\($0)-N" }.joined(separator: " or ")
    case .noSuchSource(let task, let source, let registry, let has):
      "\(registry) has no '\(source)' demonstrations of \(task), only: \(has.joined(separator: ", "))"
    case .incomplete(let task, let registry, let lacks):
      "\(registry): the path of \(task) needs a '\(lacks)'"
    }
  }
}
