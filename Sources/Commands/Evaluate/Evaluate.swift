import ArgumentParser
import Foundation
import ImitationKit

/// `imitate evaluate`: closed-loop success of a run's policy.
struct Evaluate: Verb {
  static let configuration = CommandConfiguration(
    commandName: "evaluate", abstract: "Try a trained policy in closed loop and print its success per task.",
    discussion: """
      Every episode's scene follows from the recipe's evaluation seed, so results can be repeated and compared. \
      Episodes already in evaluation.json for this checkpoint are not tried again.
      """)

  @Argument(help: "The run folder.") var runFolder: String
  @OptionGroup var choice: TrialChoice
  @OptionGroup var environment: EnvironmentChoice
  @OptionGroup var served: ServedPolicyOptions
  @Option(help: "Repeat one episode of evaluation.json, by TASK/NUMBER or seed, and compare.") var replay: String?
  @OptionGroup var trialProtocol: ProtocolOptions
  @OptionGroup var workers: WorkerOptions
  @Option(help: "text or json.") var format: OutputFormat = .text
  @OptionGroup var parts: ShardOptions
  @Flag(help: "Act although the demonstrations do not say what their actions mean.") var trustActions = false
  @OptionGroup var device: DeviceChoice
  @OptionGroup var place: DatasetPlace

  func validate() throws {
    try trialProtocol.validate(alone: choice.isEmpty && replay == nil && parts.slurm == nil && parts.shard == nil)
    guard served.address == nil || replay == nil && trialProtocol.path == nil && parts.slurm == nil else {
      throw ValidationError("--policy does not go with --replay, --protocol and --slurm")
    }
  }

  func run(in session: Session) throws {
    let folder = RunFolder(runFolder)
    if let replay { return try repeated(replay, folder, session.catalog) }
    // A server's policy needs the recipe alone.
    let written = folder.checkpointSteps.isEmpty ? try folder.readRecipe() : nil
    if try parts.writesArray(of: folder, workers) { return }
    // Only then is it sure that recipe and weights belong together.
    let lock = try folder.locked(shard: parts.shard?.description)
    defer { lock.release() }
    let trained = try served.address != nil ? written ?? folder.toldRecipe() : folder.toldRecipe()
    let recipe = try changed(trained, session.catalog)
    let policy = try served.policy(recipe, seconds: workers.deadline.seconds)
    let acting = try policy.map { .served($0) } ?? ActingPolicy.own(folder.lastCheckpoint())
    try recipe.check(session.catalog)
    if let path = trialProtocol.path, case .own(let checkpoint) = acting {
      return try ProtocolSession(
        folder, checkpoint, recipe, session.catalog, path: path, task: environment.task
      ).run(trusting: trustActions, format)
    }
    let asked = try choice.trials(of: recipe, acting.name(recipe), task: environment.task, in: place)
    let trials = EvaluationTrials(
      folder: folder, acting: acting, recipe: recipe, catalog: session.catalog, workers: workers,
      shard: parts.shard)
    let result = try device.run(recipe.training.precision ?? .tf32) {
      try trials.run(asked, trusting: trustActions)
    }
    if policy != nil { tell("results of the server's policy are kept in \(acting.folder(folder).path)") }
    print(format == .json ? try OutputFormat.json(result) : result.consoleTable)
    try result.tellCrashes(ofPart: parts.shard != nil)
  }
}
