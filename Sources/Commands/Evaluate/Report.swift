import ArgumentParser
import Foundation
import ImitationKit
import Reports

/// `imitate report`: the results of one run, or of several side by side, as pages for people.
struct WriteReport: Verb {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Write the report of a run, or of several runs side by side.",
    discussion: """
      One run: report.html and report.md in its folder. Several: a column for each split, encoder and policy, with paired \
      differences on the same scenes, as HTML, Markdown, CSV, JSON and LaTeX.
      """)

  @Argument(help: "Run folders.") var runFolders: [String]
  @Option(help: "Where the report of several runs goes; runs/comparison when left out.") var output: String?
  @Option(help: "Its title.") var title: String?
  @Option(help: "Only these tasks or groups of tasks, separated by commas.") var tasks: String?
  @Option(help: "Only runs trained on this split.") var split: String?
  @OptionGroup var place: DatasetPlace

  func validate() throws {
    guard !runFolders.isEmpty else { throw ValidationError("name at least one run folder") }
  }

  func run(in session: Session) throws {
    let isPlain = tasks == nil && split == nil && output == nil && title == nil
    guard runFolders.count == 1, isPlain else { return try compare(session.catalog) }
    let folder = RunFolder(runFolders[0])
    let recipe = try folder.toldRecipe()
    var report = Report(folder, try folder.lastCheckpoint(), recipe, try folder.result(recipe))
    report.probe = ProbeResult.kept(in: folder)
    try AtomicFile.write(Data(report.html.utf8), to: folder.path + "/report.html")
    try AtomicFile.write(Data(report.markdown.utf8), to: folder.path + "/report.md")
    print("\(folder.path)/report.html\n\(folder.path)/report.md\n\(folder.evaluation)")
  }

  private func compare(_ catalog: Catalog) throws {
    let folders = runFolders.map { RunFolder($0) }
    let chosen = try tasks.map { names in
      try folders.flatMap { try place.registry($0.readRecipe().data).tasks(named: names) }
    }
    let report = try ComparisonReport(
      folders, title: title ?? "Comparison", tasks: chosen, split: split, catalog: catalog)
    print(report.comparison.markdown)
    print(try report.write(to: output ?? "runs/comparison").joined(separator: "\n"))
  }
}

extension Report {
  /// What there is to tell of a run.
  fileprivate init(_ folder: RunFolder, _ checkpoint: Checkpoint, _ recipe: Recipe, _ result: EvaluationResult) {
    let metrics = MetricsLog.read(folder: folder.path)
    var facts: [(name: String, value: String)] = [
      ("encoder and policy", "\(recipe.encoder.kind) + \(recipe.policy.kind)"),
      ("parameters", "\(checkpoint.state.weights.values.reduce(0) { $0 + $1.count })"),
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
    if let unknown = result.trustedActions {
      facts.append(("actions", "taken on trust: the demonstrations do not say \(unknown)"))
    }
    for task in result.tasksOfOneScene {
      facts.append(("scenes", "\(task): every episode began with the same observation, whatever its seed"))
    }
    facts.append(("to repeat", "imitate train \(folder.recipe) --run NEW && imitate evaluate NEW"))
    self.init(
      title: "\(recipe.name): \(recipe.data.registry), \(recipe.data.split)", result: result, recipe: recipe.text,
      trainingLoss: metrics.compactMap { row in row.loss.map { (row.step, $0) } },
      validationLoss: metrics.compactMap { row in row.heldOutLoss.map { (row.step, $0) } },
      facts: facts,
      videos: Report.Video.kept(of: result, policy: recipe.policy.kind, in: folder.path + "/videos"))
  }
}
