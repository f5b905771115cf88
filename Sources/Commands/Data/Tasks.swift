import ArgumentParser
import Foundation
import ImitationKit

/// `imitate tasks`: what there is to learn, and what of it is on this disk.
struct Tasks: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tasks", abstract: "List the tasks and splits of the registries, and the demonstration files found.")

  @Argument(help: "Registries to list, by name; all when left out.")
  var registries: [String] = []

  @OptionGroup var place: DatasetPlace
  @Option(help: "text or json.") var format: OutputFormat = .text

  struct Row: Codable {
    var registry: String
    var task: String
    var group: String
    var horizon: Int
    var split: String
    var file: String
    var state: State
    var note: String?
  }

  /// What is on the disk.
  struct State: Codable {
    /// How many episodes the split's filter key really names, of those that are there.
    var demonstrations: Int?
    /// What is wrong: a file of another task, a key that is missing or names missing demos, fewer demos than it says.
    var problem: String?
  }

  /// Never throws: a file that does not open is what the list is there to tell.
  private func state(of path: String, task: String, split: DatasetRegistry.Split) -> State {
    guard FileManager.default.fileExists(atPath: path) else { return State() }
    do {
      let file = try DemonstrationFile(path: path)
      guard file.mayHold(task: task) else { return State(problem: "holds \(file.task)") }
      guard let key = split.key else { return State(demonstrations: file.demos.count) }
      guard let names = try file.mask(key).map(Set.init) else { return State(problem: "no filter key \(key)") }
      let there = Set(file.demos).intersection(names).count
      if there < names.count {
        return State(demonstrations: there, problem: "\(key) names \(names.count - there) demos that are not there")
      }
      return State(demonstrations: there, problem: there < split.count ?? 0 ? "fewer than \(split.count!)" : nil)
    } catch {
      return State(problem: "\(error)")
    }
  }

  func run() throws {
    let names = registries.isEmpty ? try place.registryNames() : registries
    var rows: [Row] = []
    for name in names {
      let registry = try place.registry(name)
      for task in registry.tasks {
        for split in registry.splits where try registry.has(task: task.name, split: split) {
          let path = try registry.path(task: task.name, split: split)
          rows.append(
            Row(
              registry: name, task: task.name, group: task.group, horizon: task.horizon, split: split, file: path,
              state: state(of: path, task: task.name, split: try registry.split(split)), note: task.note))
        }
      }
    }
    switch format {
    case .json: print(try OutputFormat.json(rows))
    case .text:
      print(
        table(
          ["registry", "task", "group", "horizon", "split", "demos", "file"],
          rows.map { row in
            let state = [row.state.demonstrations.map(String.init), row.state.problem].compactMap { $0 }
            return [
              row.registry, row.task + (row.note == nil ? "" : " *"), row.group, "\(row.horizon)", row.split,
              state.isEmpty ? "-" : state.joined(separator: ", "), row.file,
            ]
          }))
      for row in rows where row.note != nil && row.split == rows.first(where: { $0.task == row.task })?.split {
        print("* \(row.task): \(row.note!)")
      }
    }
  }
}
