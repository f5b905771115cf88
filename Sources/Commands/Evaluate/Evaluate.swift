import ArgumentParser
import Foundation
import ImitationKit

/// `imitate evaluate`: closed-loop success of a run's policy.
struct Evaluate: Verb {
  static let configuration = CommandConfiguration(
    abstract: "Try a trained policy in closed loop and print its success per task.",
    discussion: """
      Every episode's scene follows from the recipe's evaluation seed, so results can be repeated and compared. \
      Episodes already in evaluation.json for this checkpoint are not tried again.
      """)

  @Argument(help: "The run folder.") var runFolder: String
  @Option(help: "Also try these for comparison: expert, random; separated by commas.") var with: String = ""
  @Option(help: "Tasks or groups of tasks to try instead of those it was trained on, separated by commas.")
  var tasks: String?
  @OptionGroup var environment: EnvironmentChoice
  @Option(help: "Repeat one episode of evaluation.json, by TASK/NUMBER or seed, and compare.") var replay: String?
  @Option(help: "Episodes a task; the recipe's number when left out.") var episodes: Int?
  @OptionGroup var workers: WorkerOptions
  @Option(help: "text or json.") var format: OutputFormat = .text
  @OptionGroup var parts: ShardOptions
  @Flag(help: "Act although the demonstrations do not say what their actions mean.") var trustActions = false
  @OptionGroup var place: DatasetPlace

  func validate() throws { try requirePositive(("episodes", episodes)) }

  func run(in session: Session) throws {
    let folder = RunFolder(runFolder)
    if let replay { return try repeated(replay, folder, session.catalog) }
    if folder.checkpointSteps.isEmpty { _ = try folder.readRecipe() }
    if try parts.writesArray(of: folder, workers) { return }
    // Only then is it sure that recipe and weights belong together.
    let lock = try folder.locked(shard: parts.shard?.description)
    defer { lock.release() }
    let recipe = try environment.changed(folder.toldRecipe(), session.catalog)
    let checkpoint = try folder.lastCheckpoint()
    try recipe.check(session.catalog)
    let asked = try trials(recipe)
    let trials = EvaluationTrials(
      folder: folder, checkpoint: checkpoint, recipe: recipe, catalog: session.catalog, workers: workers,
      shard: parts.shard)
    let result = try trials.run(asked, trusting: trustActions)
    let broken = result.episodes.compactMap(\.error)
    if let first = broken.first {
      tell(
        "\(broken.count) of \(result.episodes.count) episodes crashed; the same command tries them again. The first: \(first)"
      )
    }
    print(format == .json ? try OutputFormat.json(result) : result.consoleTable)
  }

  /// The episodes that are asked for.
  private func trials(_ recipe: Recipe) throws -> [Trial] {
    let companions = with.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    for other in companions where !["expert", "random"].contains(other) {
      throw CommandFailure("--with takes expert and random, not '\(other)'")
    }
    let tasks =
      try environment.task.map { [$0] }
      ?? tasks.map { try place.registry(recipe.data.registry).tasks(named: $0) } ?? recipe.data.tasks
    guard !tasks.isEmpty else { throw CommandFailure("--tasks names no task") }
    for task in tasks where !recipe.data.tasks.contains(task) { tell("note: the policy was not trained on \(task)") }
    return recipe.trials(
      policies: [recipe.policy.kind] + companions, tasks: tasks, episodes: episodes ?? recipe.evaluation.episodes)
  }
}
