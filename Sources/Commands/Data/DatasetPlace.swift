import ArgumentParser
import Files
import Foundation
import ImitationKit

/// Where registries and demonstrations are.
struct DatasetPlace: ParsableArguments {
  @Option(help: "The folder of the registries.")
  var datasets = "Datasets"

  @Option(
    help: ArgumentHelp(
      "Where the demonstration files of the registry are.",
      discussion:
        "When left out: the recipe's data.root, the environment's IMITATE_ROOT, or the registry's name as a folder next to it; ~ is the home folder."
    ))
  var root: String?

  /// The options that say the same again.
  var arguments: [String] { ["--datasets", datasets] + (root.map { ["--root", $0] } ?? []) }

  /// The registry of a recipe.
  /// - Throws: as `registry(_:root:)`.
  func registry(_ data: DataSettings) throws -> DatasetRegistry { try registry(data.registry, root: data.root) }

  /// A registry and where its files are.
  ///
  /// - Parameter recipe: where a recipe says that they are.
  /// - Throws: `SettingError`, naming the known registries when there is no such file.
  func registry(_ name: String, root recipe: String? = nil) throws -> DatasetRegistry {
    let path = "\(datasets)/\(name).yaml"
    guard FileManager.default.fileExists(atPath: path) else {
      let known = (try? registryNames()) ?? []
      throw SettingError.unreadable(
        file: path,
        reason: "no such registry; known in \(datasets): \(known.isEmpty ? "none" : known.joined(separator: ", "))")
    }
    let setting = try SettingsFile.read(path).setting
    var registry = try SettingError.naming(path) { try DatasetRegistry(setting) }
    let variable = ProcessInfo.processInfo.environment["IMITATE_ROOT"].flatMap { $0.isEmpty ? nil : $0 }
    registry.root = (root ?? recipe ?? variable)?.expandingTilde ?? "\(datasets)/\(registry.name)"
    return registry
  }

  /// The files of a registry's split that are on the disk.
  /// - Throws: `CommandFailure` when there is none.
  func files(of name: String, split: String) throws -> [String] {
    let registry = try registry(name)
    let all = try registry.tasks.filter { try registry.has(task: $0.name, split: split) }
      .map { try registry.path(task: $0.name, split: split) }
    let found = all.filter { FileManager.default.fileExists(atPath: $0) }
    guard !found.isEmpty else {
      throw CommandFailure(
        "\(registry.root): none of the \(all.count) files of '\(split)' is here; `imitate tasks \(name)` lists them")
    }
    return found
  }

  func registryNames() throws -> [String] {
    let names = try? FileManager.default.contentsOfDirectory(atPath: datasets)
    guard let names else {
      throw SettingError.unreadable(file: datasets, reason: "no such folder; name it with --datasets")
    }
    return names.filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }.sorted()
  }
}
