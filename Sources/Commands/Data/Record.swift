import ArgumentParser
import Foundation
import ImitationKit

/// `imitate record`: the demonstrations that a recipe asks for, by the simulator's scripted experts.
struct Record: Verb {
  static let configuration = CommandConfiguration(
    abstract:
      "Record demonstrations by the simulator's scripted expert, on all cores, or by a person who leads a robot.",
    discussion: """
      Records what the recipe's split needs and skips files that have it; nothing is replaced unasked. An interrupted recording goes on where it \
      stopped and ends in the same bytes.
      """)

  @Argument(help: "The recipe whose tasks, split and simulator to record; none with --output.") var recipe: String?
  @OptionGroup var environment: EnvironmentChoice
  @Option(help: "The file to write, of one task that --environment names, without a recipe.") var output: String?
  @OptionGroup var choice: TaskChoice
  @Option(name: .customLong("set"), help: "Change a value of the recipe: path.to.key=value.") var changes: [String] = []
  @Option(help: "Demonstrations a task; as many as the split's filter key says when left out.") var episodes: Int?
  @OptionGroup var workers: WorkerOptions
  @Flag(
    help:
      "Replace files that do not have the demonstrations that are asked for, or have them with other simulator settings."
  ) var replace = false
  @OptionGroup var place: DatasetPlace

  func validate() throws {
    try requirePositive(("episodes", episodes))
    guard (recipe == nil) == (output != nil) else {
      throw ValidationError("either a recipe, or --output FILE with --environment NAME:TASK and --episodes")
    }
    guard recipe == nil else { return }
    guard environment.environment != nil, episodes != nil else {
      throw ValidationError(
        "without a recipe, --environment must name a task (NAME:TASK, or NAME that has one only), and --episodes is needed"
      )
    }
  }

  func run(in session: Session) throws {
    let plan = try plan(session.catalog)
    defer { plan.finish() }
    let (arguments, schema, robot) = try facts(plan)
    for (task, arguments) in zip(plan.tasks, arguments) {
      let path = try plan.path(task)
      if try isThere(path, plan, arguments) { continue }
      if let robot {
        try recordLed(task, to: path, plan, robot, arguments, schema)
      } else {
        try record(task, to: path, plan, arguments, schema)
      }
    }
  }

  /// What is written of every task, and of the numbers of all; the simulator that says so is gone then, unless it is a robot.
  private func facts(_ plan: CollectionPlan) throws -> (
    arguments: [String], schema: DemonstrationSchema, robot: (any RealTimeEnvironment)?
  ) {
    let simulator = try plan.simulator()
    let arguments = try plan.tasks.map { try simulator.arguments(task: $0) }
    return (arguments, simulator.spec.recorded, simulator as? any RealTimeEnvironment)
  }

  private func plan(_ catalog: Catalog) throws -> CollectionPlan {
    guard let recipe else {
      return try CollectionPlan(
        environment.task, to: output!, episodes: episodes!, changes: environment.changes(to: nil, catalog) + changes,
        workers: workers, catalog: catalog)
    }
    let simulator = try SettingsFile.read(recipe).setting["evaluation"]?["simulator"]
    let own = try simulator.map { try Choice($0, path: "evaluation.simulator") }
    let task = environment.task.map { ["data.tasks=[\($0.setting.json)]"] } ?? []
    return try CollectionPlan(
      choice.recipe(recipe, changes: environment.changes(to: own, catalog) + task + changes, place: place),
      episodes: episodes,
      workers: workers, place: place, catalog: catalog)
  }

  /// Whether a file has a split of `count` demonstrations.
  /// - Throws: `CommandFailure` when another file would have to be replaced.
  private func isThere(_ path: String, _ plan: CollectionPlan, _ arguments: String) throws -> Bool {
    guard FileManager.default.fileExists(atPath: path) else { return false }
    let file: DemonstrationFile
    do {
      file = try DemonstrationFile(path: path)
      try plan.requireSplit(of: file)
    } catch _ where replace {
      return false
    } catch let error as HDF5Error {
      throw CommandFailure("\(error); or --replace records again")
    }
    let isAlike = (try? file.hdf5.text(of: "data", "env_args")) == arguments
    if !isAlike, replace { return false }
    tell("\(file.demos.count) demonstrations in \(path)")
    if !isAlike {
      tell(
        "note: \(path): recorded with other simulator settings than the recipe's evaluation has; --replace records again"
      )
    }
    return true
  }

  /// Where the parts of a file are kept.
  private func store(of path: String, _ plan: CollectionPlan, _ arguments: String) throws -> EpisodeStore {
    let folder = path.parentFolder
    try FileManager.default.createDirectory(atPath: folder.isEmpty ? "." : folder, withIntermediateDirectories: true)
    return try EpisodeStore(
      folder: path + ".parts", identity: "record\nseed \(plan.seed)\n\(arguments)", replacing: replace)
  }

  /// As `record`, with a person for the expert.
  private func recordLed(
    _ task: String, to path: String, _ plan: CollectionPlan, _ robot: any RealTimeEnvironment, _ arguments: String,
    _ schema: DemonstrationSchema
  ) throws {
    let store = try store(of: path, plan, arguments)
    let recording = OperatorRecording(
      robot, task: try robot.spec.task(task), horizon: try plan.horizon(task), store: store, count: plan.count,
      seed: plan.seed, plan.interruption)
    guard try recording.run() else {
      let kept = plan.count - store.missing(of: plan.count).count
      throw CommandFailure("\(kept) of \(plan.count) recorded, in \(store.folder); the same command goes on")
    }
    try store.assemble(
      Array(0..<plan.count), to: path, environmentArguments: arguments, schema: schema, seed: plan.seed)
    tell("\(plan.count) demonstrations in \(path)")
  }

  private func record(
    _ task: String, to path: String, _ plan: CollectionPlan, _ arguments: String, _ schema: DemonstrationSchema
  ) throws {
    let seed = plan.seed
    let horizon = try plan.horizon(task)
    let store = try store(of: path, plan, arguments)
    let collected = try plan.collect("record \(task)", count: plan.count, in: store) { failed, _ in
      failed > plan.count + 20 ? "\(task): the expert failed \(failed) times; giving up" : nil
    } request: { attempt in
      .record(
        .init(
          task: task, number: attempt, seed: EpisodeResult.seed(seed, task: "record/\(task)", episode: attempt),
          horizon: horizon, store: store.folder))
    }
    try store.assemble(collected.kept, to: path, environmentArguments: arguments, schema: schema, seed: seed)
    collected.bar.finish(
      note: collected.failed == 0 ? path : "\(path), the expert failed \(collected.failed) times")
  }
}
