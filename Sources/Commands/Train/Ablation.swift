import Foundation
import ImitationKit

/// A grid of runs: a recipe with every combination of some splits, encoders, policies and training seeds.
struct Ablation {
  /// One run of the grid.
  struct Cell {
    let name: String
    let recipe: Recipe
    let folder: RunFolder

    /// What it was tried on, if the folder has a run of this very recipe.
    var result: EvaluationResult? {
      func settings(_ text: String) -> String? { (try? SettingsFile.parse(text))?.json }
      guard let known = try? folder.readRecipe(), settings(known.text) == settings(recipe.text) else { return nil }
      return try? folder.result(recipe)
    }

    /// What became of the episodes that the grid asks for, if the policy is trained to its last step.
    private var asked: [EpisodeResult] {
      guard let result, result.step == recipe.training.steps else { return [] }
      return result.episodes.filter {
        $0.policy == recipe.policy.kind && recipe.data.tasks.contains($0.task)
          && $0.episode < recipe.evaluation.episodes
      }
    }

    /// Whether it is trained to its last step and every episode has been tried.
    var isFinished: Bool {
      asked.count { $0.error == nil } == recipe.data.tasks.count * recipe.evaluation.episodes
    }

    /// Why it will never be finished; nil for a cell that will.
    var longer: String? {
      guard let last = folder.checkpointSteps.last, last > recipe.training.steps else { return nil }
      return "\(folder.path): trained for \(last) steps, more than \(recipe.training.steps); give --run another folder"
    }

    /// How far it is, in words.
    var state: String {
      if isFinished { return "finished" }
      return folder.checkpointSteps.last.map { "\($0) of \(recipe.training.steps) steps" } ?? "not begun"
    }

    /// Why some of its episodes crashed.
    var errors: [String] { asked.compactMap(\.error) }

    /// Where its recipe is kept for the children that train it.
    var recipeFile: String { folder.path + ".yaml" }
  }

  let cells: [Cell]
  let folder: String

  /// - Parameters:
  ///   - encoders: kinds, choices as YAML, or recipes whose encoder to take; nil for the recipe's.
  ///   - policies: the same; of a recipe its `policy`, `actions` and `training` are taken.
  /// - Throws: `SettingError`, or `CommandFailure` for what no recipe can be made of.
  init(
    recipe path: String, changes: [String], splits: [String]?, encoders: [String]?, policies: [String]?,
    seeds: [UInt64]?, folder: String, catalog: Catalog
  ) throws {
    self.folder = folder
    for (key, isVaried) in [
      ("encoder", encoders != nil), ("policy", policies != nil), ("data.split", splits != nil), ("seed", seeds != nil),
    ] where isVaried {
      guard let change = changes.first(where: { $0.hasPrefix(key + "=") || $0.hasPrefix(key + ".kind=") }) else {
        continue
      }
      throw CommandFailure("--set \(change): the grid varies '\(key)'; name it in its list alone")
    }
    let base = try Recipe(path: path, changes: changes)
    var cells: [Cell] = []
    var identities = Set<String>()
    for split in splits ?? [base.data.split] {
      for encoder in encoders ?? [base.encoder.kind] {
        for policy in policies ?? [base.policy.kind] {
          let parts = try [
            Ablation.changes(
              for: encoder, part: "encoder", base: base.encoder, taking: ["encoder"],
              known: catalog.plugins(.encoder).map { $0.name }),
            Ablation.changes(
              for: policy, part: "policy", base: base.policy, taking: ["policy", "actions", "training"],
              known: catalog.plugins(.policy).map { $0.name }),
          ]
          for seed in seeds ?? [base.seed] {
            let name = String(
              "\(split)_\(parts[0].name)_\(parts[1].name)_seed-\(seed)".map {
                $0.isLetter || $0.isNumber || "-_.".contains($0) ? $0 : "-"
              })
            let recipe = try Recipe(
              path: path,
              // What is to be the same in every cell goes over what parts bring along.
              changes: parts.flatMap(\.changes) + changes + ["data.split=\(split)", "seed=\(seed)", "name=\(name)"])
            // What is the same under another name is not run twice.
            guard identities.insert("\(try recipe.identity)\n\(seed)").inserted else { continue }
            guard !cells.contains(where: { $0.name == name }) else {
              throw CommandFailure(
                "two different cells would both be called '\(name)'; use recipes with names of their own")
            }
            try recipe.check(catalog)
            cells.append(Cell(name: name, recipe: recipe, folder: RunFolder("\(folder)/\(name)")))
          }
        }
      }
    }
    self.cells = cells
  }

  /// What turns the base recipe into one with another encoder or policy.
  private static func changes(
    for value: String, part: String, base: Choice, taking keys: [String], known: [String]
  ) throws -> (name: String, changes: [String]) {
    if value.hasSuffix(".yaml") {
      let setting = try SettingsFile.read(value).setting
      guard setting[part] != nil else { throw CommandFailure("\(value): has no '\(part)' to take") }
      let name = ((value as NSString).lastPathComponent as NSString).deletingPathExtension
      return (
        name,
        keys.compactMap { key in
          // Actions that its file leaves out are as by default there, not as in the base recipe.
          setting[key].map { "\(key)=\($0.json)" } ?? (key == "actions" ? "actions={}" : nil)
        }
      )
    }
    if value.hasPrefix("{") {
      let setting: Setting
      do {
        setting = try SettingsFile.parse(value)
      } catch {
        throw CommandFailure("--\(part) '\(value)': \(error)")
      }
      guard let kind = setting["kind"], case .text(let name) = kind.value else {
        throw CommandFailure("--\(part) '\(value)': lacks a 'kind'")
      }
      if let joined = setting["join"]?["kind"], case .text(let other) = joined.value {
        return ("\(name)-\(other)", ["\(part)=\(value)"])
      }
      return (name, ["\(part)=\(value)"])
    }
    if value == base.kind { return (value, []) }
    guard known.contains(value) else {
      throw CommandFailure(
        "--\(part) '\(value)': no such kind, nor a recipe's file; known: \(known.joined(separator: ", "))")
    }
    return (value, ["\(part)={kind: \(value)}"])
  }

  /// Splits a list at its commas, but not inside braces.
  static func list(_ text: String) -> [String] {
    var parts = [""]
    var depth = 0
    for character in text {
      if character == "," && depth == 0 {
        parts.append("")
        continue
      }
      if "{[".contains(character) { depth += 1 }
      if "}]".contains(character) { depth -= 1 }
      parts[parts.count - 1].append(character)
    }
    return parts.map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
  }

  /// Writes the report of what is there.
  /// - Returns: the files; none when no cell has a result yet.
  func report(title: String, _ catalog: Catalog) throws -> [String] {
    // A folder with a run of another recipe is no cell of this grid.
    let known = cells.filter { $0.result != nil }
    guard !known.isEmpty else { return [] }
    let report = try ComparisonReport(
      known.map(\.folder), title: title, missing: cells.filter { !$0.isFinished }.map(\.name), catalog: catalog)
    print(report.comparison.markdown)
    return try report.write(to: folder + "/report")
  }
}
