import ArgumentParser
import Foundation
import ImitationKit

/// `imitate world`: Gaussian world models.
struct World: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "world", abstract: "Train, look into and measure Gaussian world models.",
    subcommands: [WorldTrain.self, WorldImagine.self, WorldEvaluate.self])
}

/// `imitate world train`: from a world recipe to a run folder.
struct WorldTrain: Verb {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train a world model: lift, codec and dynamics, one after the other.",
    discussion: """
      Each stage has checkpoints of its own; the same command goes on where it was stopped. The finished model is \
      world.safetensors in the run folder.
      """)

  @Argument(help: "The world recipe.") var recipe: String
  @Option(name: .customLong("run"), help: "The run folder; runs/NAME when left out.") var runFolder: String?
  @Option(name: .customLong("set"), help: "Change a value of the recipe: path.to.key=value.") var changes: [String] = []
  @Option(name: .customLong("from"), help: "Take over finished stages with the same settings from another run.")
  var other: String?
  @Flag(help: "Check the recipe and the data, and train nothing.") var dryRun = false
  @Flag(help: "Start over even when the run folder has checkpoints.") var restart = false
  @OptionGroup var devices: TrainingDevices
  @OptionGroup var loader: LoaderOptions
  @OptionGroup var place: DatasetPlace

  func run(in session: Session) throws {
    try WorldTrain.train(
      recipe, changes: changes, runFolder, from: other, dryRun: dryRun, restart: restart, devices, loader, place,
      session)
  }

  /// Trains a world model; `imitate train` does it too where a recipe says `trains: world`.
  static func train(
    _ path: String, changes: [String], _ runFolder: String?, from other: String? = nil, dryRun: Bool, restart: Bool,
    _ devices: TrainingDevices, _ loader: LoaderOptions, _ place: DatasetPlace, _ session: Session
  ) throws {
    for note in SettingsFile.oldKeys(path, changes: changes) { tell("note: \(note)") }
    let recipe = try WorldRecipe(path: path, changes: changes)
    if let note = recipe.note { tell("note: \(note)") }
    let folder = RunFolder(runFolder ?? "runs/\(recipe.name)")
    try folder.refuseKind(isWorld: false)
    let ranks = try TrainingRanks(gpus: dryRun ? nil : devices.gpus)
    let lock = try dryRun || !ranks.isFirst ? nil : folder.locked(creating: true)
    defer { lock?.release() }
    // A codec's rows are pairs of frames.
    if !dryRun { try ranks.meet(folder, batch: recipe.training.values.map(\.batch).min() ?? .max, each: 2) }
    let interruption = Interruption()
    var run = try WorldTraining(recipe, folder, place, session.catalog)
    run.workers = loader.count
    run.adopting = other.map { RunFolder($0) }
    let parts = run.stages.map { "\($0) \(run.model.module(of: $0)?.parameterCount ?? 0)" }
    tell("parameters: \(parts.joined(separator: ", "))")
    if dryRun { return }
    try ranks.inTurn { if restart, ranks.isFirst { run.removeStages() } }
    if try run.isFinished {
      tell("\(folder.path): trained")
    } else {
      try ranks.inTurn { if ranks.isFirst { try run.begin(restart: restart) } }
      // One device for all stages, so the strictest of their wishes.
      let wishes = recipe.training.values.map { $0.precision ?? .tf32 }
      let strictest = ProductPrecision.allCases.first(where: wishes.contains) ?? .tf32
      try devices.each.run(strictest, rank: ranks.place) {
        try ranks.explaining {
          run.ranks = try ranks.group.map { ($0, try ranks.collective()) }
          try run.train(interruption)
        }
      }
    }
    if ranks.isFirst { print(WorldTraining.file(folder)) }
  }
}
