import ArgumentParser
import Foundation
import ImitationKit

/// `imitate train`: from a recipe to a run folder.
struct Train: Verb {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Train a policy, or a world model, from a recipe.",
    discussion: "Goes on from the newest checkpoint when the run folder has one of the same recipe.")

  @Argument(help: "The recipe.") var recipe: String
  @Option(name: .customLong("run"), help: "The run folder; runs/NAME when left out.") var runFolder: String?
  @OptionGroup var choice: TaskChoice
  @Option(name: .customLong("set"), help: "Change a value of the recipe: path.to.key=value.") var changes: [String] = []
  @Flag(help: "Check the recipe, the data and the shapes, and train nothing.") var dryRun = false
  @Flag(help: "Start over even when the run folder has checkpoints.") var restart = false
  @Flag(help: "Go on with a run although its demonstrations have changed since it began.") var acceptChanges = false
  @OptionGroup var devices: TrainingDevices
  @OptionGroup var loader: LoaderOptions
  @OptionGroup var place: DatasetPlace

  func run(in session: Session) throws {
    if try Recipe.Trained(path: recipe) == .world {
      guard choice.tasks == nil, choice.split == nil, !acceptChanges else {
        throw CommandFailure(
          "\(recipe): a world model's recipe takes --set data.tasks=[...] and data.split=... instead")
      }
      return try WorldTrain.train(
        recipe, changes: changes, runFolder, dryRun: dryRun, restart: restart, devices, loader, place, session)
    }
    let recipe = try choice.recipe(recipe, changes: changes, place: place)
    let folder = RunFolder(runFolder ?? "runs/\(recipe.name)")
    let catalog = session.catalog
    // A policy that was made before has in its checkpoint what it needs of other files.
    try recipe.check(catalog, files: restart || folder.checkpointSteps.isEmpty)
    // A build without the simulator still trains for it.
    if !catalog.has(recipe.evaluation.simulator, as: .simulator) {
      tell(
        "this build has no simulator '\(recipe.evaluation.simulator.kind)': the policy can be trained, not evaluated")
    }
    try folder.refuseKind(isWorld: true)
    let ranks = try TrainingRanks(gpus: dryRun ? nil : devices.gpus)
    let lock = try dryRun || !ranks.isFirst ? nil : folder.locked(creating: true)
    defer { lock?.release() }
    if !dryRun { try ranks.meet(folder, batch: recipe.training.batch) }
    let run = try PolicyRun(recipe, folder, replacing: restart, catalog: catalog, ranks)
    if !dryRun {
      try run.update()
      if run.isFinished {
        if ranks.isFirst, let registry = try? place.registry(recipe.data) {
          for path in run.changedFiles(registry) {
            tell(note: "\(path) has changed since; train with --restart to learn from what is there now")
          }
        }
        return tell("\(folder.path): trained, \(run.checkpoint!.step) steps")
      }
    }

    let registry = try place.registry(recipe.data)
    if dryRun, try run.onlyRegistryCanTell(registry) { return }
    let data = try run.open(registry)
    let objective = try ranks.inTurn { try run.objective(data, acceptChanges: acceptChanges, caching: !dryRun) }
    tell("\(recipe.encoder.kind) + \(recipe.policy.kind): \(objective.policy.parameterCount) parameters")
    if !dryRun {
      try devices.each.run(recipe.training.precision ?? .tf32, rank: ranks.place) {
        try ranks.explaining { try run.train(objective, workers: loader.count) }
      }
    }
  }
}
