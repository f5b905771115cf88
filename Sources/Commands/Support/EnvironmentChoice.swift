import ArgumentParser
import Foundation
import ImitationKit

/// An environment in place of a recipe's.
struct EnvironmentChoice: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A simulator in place of the recipe's, and one task of it: metaworld:drawer-open-v3.",
      discussion:
        "`imitate kinds simulator` lists them; a path, ./my-simulator.py, is a program that speaks the messages of docs/environments.md.",
      valueName: "name[:task]"))
  var environment: String?
  @Option(help: "The Python that has the simulator.") var python: String?

  /// The task that is named.
  var task: String? { environment.flatMap { $0.contains(":") ? String($0.drop { $0 != ":" }.dropFirst()) : nil } }

  private var name: String? { environment.map { String($0.prefix { $0 != ":" }) } }

  func validate() throws {
    if let name, name.isEmpty { throw ValidationError("--environment needs a name, not '\(environment!)'") }
    if task?.isEmpty == true { throw ValidationError("--environment names no task behind ':'") }
  }

  /// The simulator's kind: the one that is named, or else a recipe's.
  func kind(_ simulator: Choice?) -> String? {
    guard let name else { return simulator?.kind }
    return name.contains("/") || name.hasSuffix(".py") ? "process" : name
  }

  /// The changes to a recipe, of which this is the simulator now; its options stay when it has the same kind.
  func changes(to simulator: Choice?, _ catalog: Catalog) -> [String] {
    let place = "evaluation.simulator"
    var changes: [String] = []
    if let name {
      let naming = (task.flatMap { catalog.processEnvironment(name)?.options(naming: $0) } ?? [:]).sorted {
        $0.key < $1.key
      }
      if name.contains("/") || name.hasSuffix(".py") {
        changes.append("\(place)={\"kind\": \"process\", \"command\": \([name].setting.json)}")
      } else if name == simulator?.kind {
        // A list of tasks may hold this one, or have been left out on purpose.
        for (key, value) in naming {
          if case .text = simulator?.options[key]?.value { changes.append("\(place).\(key)=\(value.json)") }
        }
      } else {
        changes.append("\(place)={\"kind\": \(name.setting.json)}")
        for (key, value) in naming { changes.append("\(place).\(key)=\(value.json)") }
      }
    }
    if let python { changes.append("\(place).python=\(python.setting.json)") }
    return changes
  }

  /// The simulator that is named, or a recipe's with these changes.
  /// - Throws: `SettingError`.
  func simulator(_ catalog: Catalog, recipe: String? = nil) throws -> Choice {
    let read = try recipe.map { try SettingsFile.read($0) } ?? SettingsFile.changed("seed: 1", [])
    let own = try (environment == nil ? read.setting["evaluation"]?["simulator"] : nil)
      .map { try Choice($0, path: "evaluation.simulator") }
    let changes = changes(to: own, catalog)
    return try SettingError.naming(recipe ?? "--environment") {
      let changed = try SettingsFile.changed(read.text, changes).setting["evaluation"]
      let choice = try EvaluationSettings(changed ?? Setting(.map([])), path: "evaluation").simulator
      try catalog.check(choice, as: .simulator, path: "evaluation.simulator")
      return choice
    }
  }

  /// A recipe with this environment.
  /// - Parameter others: more changes, of what is under `evaluation`.
  /// - Throws: `SettingError`, `CommandFailure`.
  func changed(_ recipe: Recipe, _ catalog: Catalog, others: [String] = []) throws -> Recipe {
    if let other = others.first(where: { !$0.hasPrefix("evaluation.") }) {
      throw CommandFailure("--set changes how the policy is judged, evaluation.KEY=VALUE, not '\(other)'")
    }
    let changes = changes(to: recipe.evaluation.simulator, catalog) + others
    return changes.isEmpty ? recipe : try Recipe(text: recipe.text, path: recipe.path, changes: changes)
  }
}
