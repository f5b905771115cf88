import ArgumentParser
import Foundation
import ImitationKit

/// `imitate record`: the demonstrations that a recipe asks for, by the simulator's scripted experts.
struct Record: Verb {
  static let configuration = CommandConfiguration(
    commandName: "record",
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
  @Option(
    help: ArgumentHelp(
      "Go on for so many steps after the one that solves the task.",
      discussion: """
        For tasks whose success is a distance: the expert goes on toward its goal, and a policy that stops a little short still succeeds. Where \
        the expert stands still after success, policies learn to stop before it.
        """))
  var afterSuccess = 0
  @OptionGroup var workers: WorkerOptions
  @Flag(
    help:
      "Replace files that do not have the demonstrations that are asked for, or have them with other simulator settings."
  ) var replace = false
  @OptionGroup var place: DatasetPlace

  func validate() throws {
    try requirePositive(("episodes", episodes))
    guard (0...10_000).contains(afterSuccess) else { throw ValidationError("--after-success must be from 0 to 10000") }
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
      let file = RecordedFile(
        task: task, path: try plan.path(task), plan: plan, arguments: arguments, schema: schema,
        afterSuccess: afterSuccess, replace: replace)
      if try file.isThere() { continue }
      try robot.map { try file.record(ledOn: $0) } ?? file.record()
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

  private func limit(_ own: Choice?, _ catalog: Catalog) -> [String] {
    workers.deadline.changes(to: environment.kind(own), catalog)
  }

  private func plan(_ catalog: Catalog) throws -> CollectionPlan {
    guard let recipe else {
      return try CollectionPlan(
        environment.task, to: output!, episodes: episodes!,
        changes: environment.changes(to: nil, catalog) + limit(nil, catalog) + changes,
        workers: workers, catalog: catalog)
    }
    let simulator = try SettingsFile.read(recipe).setting["evaluation"]?["simulator"]
    let own = try simulator.map { try Choice($0, path: "evaluation.simulator") }
    let task = environment.task.map { ["data.tasks=[\($0.setting.json)]"] } ?? []
    return try CollectionPlan(
      choice.recipe(
        recipe, changes: environment.changes(to: own, catalog) + limit(own, catalog) + task + changes, place: place),
      episodes: episodes,
      workers: workers, place: place, catalog: catalog)
  }
}
