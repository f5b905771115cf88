import ArgumentParser
import Demonstrations
import Foundation
import Training

/// `imitate tasks`: what there is to learn, and what of it is on this disk.
struct Tasks: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the tasks and splits of the registries, and the demonstration files found.")

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
    var found: Bool
    /// How many episodes the split's filter key really names.
    var demonstrations: Int?
  }

  func run() throws {
    let names = registries.isEmpty ? try place.registryNames() : registries
    var rows: [Row] = []
    for name in names {
      let registry = try place.registry(name)
      for task in registry.tasks {
        for (split, facts) in registry.splits.sorted(by: {
          $0.key.localizedStandardCompare($1.key) == .orderedAscending
        }) {
          let path = try registry.path(task: task.name, split: split, root: place.datasets)
          let found = FileManager.default.fileExists(atPath: path)
          rows.append(
            Row(
              registry: name, task: task.name, group: task.group, horizon: task.horizon, split: split, file: path,
              found: found, demonstrations: found ? try DemonstrationFile(path: path).mask(facts.key)?.count : nil))
        }
      }
    }
    switch format {
    case .json: print(try OutputFormat.json(rows))
    case .text:
      print(
        table(
          ["registry", "task", "group", "horizon", "split", "demos", "file"],
          rows.map {
            [
              $0.registry, $0.task, $0.group, "\($0.horizon)", $0.split,
              $0.demonstrations.map(String.init) ?? ($0.found ? "no such key" : "-"), $0.file,
            ]
          }))
    }
  }
}
