import ArgumentParser
import Evaluation
import Foundation
import Layers
import Training

/// `imitate report`: a run's results as pages for people.
struct WriteReport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Write a run's report: report.html and report.md.")

  @Argument(help: "The run folder.") var runFolder: String

  func run() throws {
    let folder = RunFolder(runFolder)
    let recipe = try folder.readRecipe()
    guard FileManager.default.fileExists(atPath: folder.evaluation) else {
      throw CommandFailure("\(folder.path): not evaluated yet; run `imitate evaluate \(folder.path)` first")
    }
    let result = try EvaluationResult.read(folder.evaluation)
    let checkpoint = try folder.lastCheckpoint()
    let metrics = MetricsLog.read(folder: folder.path)
    var facts: [(name: String, value: String)] = [
      ("encoder and policy", "\(recipe.encoder.kind) + \(recipe.policy.kind)"),
      ("parameters", "\(checkpoint.weights.values.reduce(0) { $0 + $1.count })"),
      ("training", "\(checkpoint.step) steps of \(recipe.training.batch) windows, seed \(recipe.seed)"),
    ]
    for data in checkpoint.blueprint.datasets {
      facts.append((data.task, "\(data.episodes) demonstrations (\(data.key)) of \(data.file), SHA-256 \(data.sha256)"))
    }
    if let latency = result.latency(of: recipe.policy.kind) {
      facts.append(
        (
          "latency of a prediction",
          String(format: "%.1f ms median, %.1f ms 99th percentile of %d", latency.p50, latency.p99, latency.count)
        ))
    }
    facts.append(("to repeat", "imitate train \(folder.recipe) --run NEW && imitate evaluate NEW"))
    let report = Report(
      title: "\(recipe.name): \(recipe.data.registry), \(recipe.data.split)", result: result, recipe: recipe.text,
      trainingLoss: metrics.compactMap { row in row.loss.map { .init(step: row.step, value: $0) } },
      validationLoss: metrics.compactMap { row in
        (row.averagedValidationLoss ?? row.validationLoss).map { .init(step: row.step, value: $0) }
      },
      facts: facts, films: films(of: result, policy: recipe.policy.kind, in: folder.path + "/videos"))
    try AtomicFile.write(Data(report.html.utf8), to: folder.path + "/report.html")
    try AtomicFile.write(Data(report.markdown.utf8), to: folder.path + "/report.md")
    print("\(folder.path)/report.html\n\(folder.path)/report.md\n\(folder.evaluation)")
  }

  /// A success and a failure of each task, where there are any.
  private func films(of result: EvaluationResult, policy: String, in folder: String) -> [Report.Film] {
    var films: [Report.Film] = []
    for task in result.rows.filter({ $0.policy == policy }).map(\.task) {
      for success in [true, false] {
        let episode = result.episodes.first { $0.policy == policy && $0.task == task && $0.success == success }
        guard let episode, let jpeg = FileManager.default.contents(atPath: "\(folder)/\(FilmStrip.name(episode))")
        else {
          continue
        }
        films.append(.init(episode: episode, jpeg: jpeg))
      }
    }
    return films
  }
}
