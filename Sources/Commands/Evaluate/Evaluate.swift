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
  @OptionGroup var choice: TrialChoice
  @OptionGroup var environment: EnvironmentChoice
  @Option(help: "Repeat one episode of evaluation.json, by TASK/NUMBER or seed, and compare.") var replay: String?
  @OptionGroup var trialProtocol: ProtocolOptions
  @OptionGroup var workers: WorkerOptions
  @Option(help: "text or json.") var format: OutputFormat = .text
  @OptionGroup var parts: ShardOptions
  @Flag(help: "Act although the demonstrations do not say what their actions mean.") var trustActions = false
  @OptionGroup var place: DatasetPlace

  func validate() throws {
    try trialProtocol.validate(alone: choice.isEmpty && replay == nil && parts.slurm == nil && parts.shard == nil)
  }

  func run(in session: Session) throws {
    let folder = RunFolder(runFolder)
    if let replay { return try repeated(replay, folder, session.catalog) }
    if folder.checkpointSteps.isEmpty { _ = try folder.readRecipe() }
    if try parts.writesArray(of: folder, workers) { return }
    // Only then is it sure that recipe and weights belong together.
    let lock = try folder.locked(shard: parts.shard?.description)
    defer { lock.release() }
    let recipe = try environment.changed(folder.toldRecipe(), session.catalog, others: trialProtocol.changes)
    let checkpoint = try folder.lastCheckpoint()
    try recipe.check(session.catalog)
    if let path = trialProtocol.path {
      return try ProtocolSession(
        folder, checkpoint, recipe, session.catalog, path: path, task: environment.task
      ).run(trusting: trustActions, format)
    }
    let asked = try choice.trials(of: recipe, task: environment.task, in: place)
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
}
