import Foundation
import ImitationKit

/// A run whose features are probed, with its demonstrations.
struct ProbedRun {
  let folder: RunFolder
  private let stages: FeatureStages
  private let targets: ProbeTargets
  private let step: Int?

  /// - Parameter names: what to regress; nil for what the demonstrations know of positions.
  /// - Throws: what is wrong with the run, its demonstrations or the names.
  init(_ path: String, targets names: [String]?, _ place: DatasetPlace, _ catalog: Catalog) throws {
    folder = RunFolder(path)
    let data: DataSettings
    var actions = ActionColumns()
    if folder.isWorld == true {
      let world = try TrainedWorld(path, place, catalog)
      (stages, data, step) = (try FeatureStages(world), world.recipe.data, nil)
    } else {
      _ = try folder.toldRecipe()
      let policy = try TrainedPolicy(run: path, catalog: catalog)
      let recipe = policy.recipe
      let demonstrations = try TrainingData(recipe, place.registry(recipe.data), catalog)
      // Other demonstrations are divided otherwise: what it learned from would be among those held out.
      if let change = demonstrations.change(since: policy.blueprint.datasets) {
        throw FeatureStages.Problem.otherDemonstrations(path, change: change)
      }
      let untrained = policy.untrained(catalog)
      if untrained == nil {
        tell(
          note: "\(path): what its encoder was made from is gone or another now: the untrained features are left out")
      }
      stages = try FeatureStages(policy, untrained: untrained, demonstrations)
      (data, step, actions.arrays) = (recipe.data, folder.checkpointSteps.last, recipe.actions.from)
    }
    let selections = try data.selections(place.registry(data))
    let format = try catalog.makeReader(data.reader)
    targets = try ProbeTargets(names, training: stages.training, of: stages.episodes) { keys in
      try format.open(
        EpisodeRequest(selections, images: [], vectors: keys, actions: actions, memory: 0), progress: { _, _ in })
    }
  }

  /// Regresses on every stage, showing how far it is, and keeps the result in the run's folder.
  func probe(frames: Int) throws -> ProbeResult {
    let bar = ProgressBar("probe \(folder.path)", total: frames, unit: "frames")
    let result = try stages.probe(targets, run: folder.path, step: step, frames: frames) { done, total in
      bar.update(done, of: total)
    }
    bar.finish()
    try AtomicFile.write(Data((try OutputFormat.json(result) + "\n").utf8), to: ProbeResult.file(folder))
    return result
  }
}

extension ProbeResult {
  /// Where a run keeps it.
  static func file(_ folder: RunFolder) -> String { folder.path + "/probe.json" }

  /// What is kept of a run's newest checkpoint; nil when nothing is, or only of another one.
  static func kept(in folder: RunFolder) -> ProbeResult? {
    guard let data = FileManager.default.contents(atPath: file(folder)),
      let result = try? JSONDecoder().decode(ProbeResult.self, from: data), result.step == folder.checkpointSteps.last
    else { return nil }
    return result
  }

  /// As a table for terminals.
  var text: String {
    let lines = rows.map { row in
      [row.stage, row.width == 0 ? "" : "\(row.width)"]
        + columns.map { target, phase in row[target, phase].map { text(of: $0, target) } ?? "–" }
    }
    return "\(run)\n" + table(["stage", "width"] + columns.map(head), lines) + "\n" + note
  }
}
