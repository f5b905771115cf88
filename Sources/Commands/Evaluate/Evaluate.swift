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
  @Option(help: "Repeat one episode of evaluation.json, by TASK/NUMBER or seed, and compare.") var replay: String?
  @Option(help: "Episodes a task; the recipe's number when left out.") var episodes: Int?
  @OptionGroup var workers: WorkerOptions
  @Option(help: "text or json.") var format: OutputFormat = .text
  @Flag(help: "Act although the demonstrations do not say what their actions mean.") var trustActions = false
  @OptionGroup var place: DatasetPlace

  func validate() throws { try requirePositive(("episodes", episodes)) }

  func run(in session: Session) throws {
    let folder = RunFolder(runFolder)
    if let replay { return try repeated(replay, folder, session.catalog) }
    if folder.checkpointSteps.isEmpty { _ = try folder.readRecipe() }
    // Only then is it sure that recipe and weights belong together.
    let lock = try folder.locked()
    defer { lock.release() }
    let recipe = try folder.toldRecipe()
    let checkpoint = try folder.lastCheckpoint()
    try recipe.check(session.catalog)
    let blanks = try blanks(recipe)
    let trials = EvaluationTrials(
      folder: folder, checkpoint: checkpoint, recipe: recipe, catalog: session.catalog, workers: workers)
    let asked = try trials.run(blanks, trusting: trustActions)
    let broken = asked.episodes.compactMap(\.error)
    if let first = broken.first {
      tell(
        "\(broken.count) of \(blanks.count) episodes crashed; the same command tries them again. The first: \(first)")
    }
    print(format == .json ? try OutputFormat.json(asked) : asked.consoleTable)
  }

  /// The episodes that are asked for.
  private func blanks(_ recipe: Recipe) throws -> [EpisodeResult] {
    let companions = with.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    for other in companions where !["expert", "random"].contains(other) {
      throw CommandFailure("--with takes expert and random, not '\(other)'")
    }
    let tasks = try tasks.map { try place.registry(recipe.data.registry).tasks(named: $0) } ?? recipe.data.tasks
    guard !tasks.isEmpty else { throw CommandFailure("--tasks names no task") }
    for task in tasks where !recipe.data.tasks.contains(task) { tell("note: the policy was not trained on \(task)") }
    return recipe.blanks(
      policies: [recipe.policy.kind] + companions, tasks: tasks, episodes: episodes ?? recipe.evaluation.episodes)
  }
}
