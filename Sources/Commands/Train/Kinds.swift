import ArgumentParser
import Foundation
import ImitationKit

/// `imitate kinds`: what recipes can name and set.
struct Kinds: Verb {
  static let configuration = CommandConfiguration(
    commandName: "kinds",
    abstract: "List every kind of plug-in (encoders, policies, readers, ...) with its keys, and the keys of recipes.")

  @Argument(help: "Only this one, or those of this kind: small, encoder, recipe.") var name: String?
  @Flag(help: "Print JSON.") var json = false
  @Flag(help: ArgumentHelp("Print docs/reference.md.", visibility: .hidden)) var markdown = false

  func run(in session: Session) throws {
    let all = session.catalog.descriptions + [Recipe.description, WorldRecipe.description]
    let chosen = name.map { name in all.filter { $0.name == name || $0.kind == name } } ?? all
    guard !chosen.isEmpty else {
      throw CommandFailure("nothing is called '\(name ?? "")'; known: \(all.map(\.name).joined(separator: ", "))")
    }
    if json { return print(try OutputFormat.json(chosen)) }
    print(markdown ? Kinds.page(chosen) : chosen.map(\.consoleText).joined(separator: "\n\n"))
  }

  static func page(_ descriptions: [PluginDescription]) -> String {
    """
    # Reference: every key that a recipe may have

    Written by `./run docs` from what `imitate kinds` lists; `imitate kinds NAME` shows one of them.
    What encoders, policies and simulators do is in [encoders-and-policies.md](encoders-and-policies.md), what recipes mean in
    [recipes.md](recipes.md).

    """ + descriptions.map { "\n" + $0.markdown }.joined(separator: "\n")
  }
}

extension Recipe {
  static var description: PluginDescription {
    PluginDescription(
      kind: "recipe", name: "policy-recipe", help: "What to train, on what, and how to judge it.", keys: settingKeys)
  }
}

extension WorldRecipe {
  /// Without the keys that a policy's recipe has too.
  static var description: PluginDescription {
    PluginDescription(
      kind: "recipe", name: "world-recipe",
      help: "What a world model learns from and how; `data` and each of `training` as in a policy's recipe.",
      keys: settingKeys.map { key in
        var key = key
        if key.name == "data" { key.keys = [] }
        if key.name == "training" { key.keys = [] }
        return key
      })
  }
}

extension PluginDescription {
  fileprivate var rows: [[String]] {
    keys.flatMap(\.flat).map { key in
      [key.name, key.type + (key.limits.map { ", \($0)" } ?? ""), key.fallback ?? "required", key.help]
    }
  }

  fileprivate var consoleText: String {
    let title = "\(kind) \(name): \(help)"
    return keys.isEmpty ? title : title + "\n" + table(["key", "value", "default", ""], rows)
  }

  fileprivate var markdown: String {
    func row(_ cells: [String]) -> String {
      "| " + cells.map { $0.replacingOccurrences(of: "|", with: "\\|") }.joined(separator: " | ") + " |"
    }
    let lines = rows.map { row(["`\($0[0])`", $0[1], $0[2] == "required" ? $0[2] : "`\($0[2])`", $0[3]]) }
    let table =
      keys.isEmpty
      ? "It has no keys."
      : row(["key", "value", "default", "what it is"]) + "\n|---|---|---|---|\n"
        + lines.joined(separator: "\n")
    return "## \(kind) `\(name)`\n\n\(help)\n\n" + table
  }
}
