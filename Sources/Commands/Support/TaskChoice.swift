import ArgumentParser
import Foundation
import ImitationKit

/// Tasks and a split by name, in place of a recipe's.
struct TaskChoice: ParsableArguments {
  @Option(
    help: "Tasks or groups of tasks of the registry instead of the recipe's, separated by commas; 'all' for every one.")
  var tasks: String?
  @Option(help: "A split of the registry instead of the recipe's.") var split: String?

  /// The recipe with these choices and `changes`.
  /// - Throws: `SettingError`, `RegistryError`, `CommandFailure`.
  func recipe(_ path: String, changes: [String], place: DatasetPlace) throws -> Recipe {
    tell(notes: SettingsFile.oldKeys(path, changes: changes))
    let changes = changes + (split.map { ["data.split=\($0)"] } ?? [])
    return try Recipe(
      path: path, changes: changes + TaskChoice.change(to: tasks, of: path, changes: changes, place: place))
  }

  /// What puts the named tasks in place of a recipe's; nothing for nil.
  /// - Throws: `SettingError`, `RegistryError`, `CommandFailure`.
  static func change(to tasks: String?, of path: String, changes: [String], place: DatasetPlace) throws -> [String] {
    guard let tasks else { return [] }
    let registry = try place.registry(Recipe(path: path, changes: changes).data)
    return ["data.tasks=[\(try registry.tasks(named: tasks).joined(separator: ", "))]"]
  }
}

extension DatasetRegistry {
  /// The tasks that a list of tasks and groups names, in the registry's order.
  /// - Throws: `CommandFailure` for a name that is neither.
  func tasks(named list: String) throws -> [String] {
    let names = list.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    let groups = Set(tasks.map(\.group))
    for name in names where name != "all" && !groups.contains(name) && !tasks.contains(where: { $0.name == name }) {
      throw CommandFailure(
        "'\(name)' is not a task or a group of \(self.name); its tasks: \(tasks.map(\.name).joined(separator: ", ")); groups: \(groups.sorted().joined(separator: ", "))"
      )
    }
    return tasks.filter { names.contains("all") || names.contains($0.group) || names.contains($0.name) }.map(\.name)
  }
}
