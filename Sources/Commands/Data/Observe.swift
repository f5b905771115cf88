import ArgumentParser
import Foundation
import ImitationKit

/// `imitate observe`: demonstrations with observations that an environment makes of their recorded states.
struct Observe: Verb {
  static let configuration = CommandConfiguration(
    commandName: "observe",
    abstract:
      "Write demonstrations again with observations made of their recorded states: other cameras, sizes, depths.",
    discussion: """
      Each demonstration's scene is put into one recorded state after the other (robomimic's dataset_states_to_obs). It is that of its seed \
      where this simulator has recorded the file in these versions, else that of its model where the environment reads models. Names, \
      actions, attributes and filter keys are copied; what was seen before is not. An interrupted run goes on where it stopped.
      """)

  @Argument(help: "A file of demonstrations of one task, with states.") var file: String
  @OptionGroup var environment: EnvironmentChoice
  @Option(help: "A recipe whose simulator to take.") var recipe: String?
  @Option(name: .customLong("set"), help: "Change how it observes: evaluation.simulator.image_size=84.")
  var changes: [String] = []
  @Option(help: "The file to write.") var output: String
  @Option(help: "Take the first so many demonstrations; all when left out.") var demos: Int?
  @OptionGroup var workers: WorkerOptions
  @Flag(help: "Replace the file that is there, and parts of an interrupted run of other settings.") var replace = false

  func validate() throws {
    try requirePositive(("demos", demos))
    guard environment.environment != nil || recipe != nil else {
      throw ValidationError("who observes is missing: --environment NAME, or --recipe RECIPE")
    }
    if let other = changes.first(where: { !$0.hasPrefix("evaluation.simulator.") }) {
      throw ValidationError("--set changes how it observes, evaluation.simulator.KEY=VALUE, not '\(other)'")
    }
  }

  func run(in session: Session) throws {
    let source = try DemonstrationFile(path: file)
    guard source.layout == .robomimic else {
      throw CommandFailure("\(file): holds episodes in ACT's layout, which has no states")
    }
    if let target = try source.hdf5.keptLink("data") {
      throw CommandFailure("\(file): 'data' is a link to '\(target)'; it has to be the group itself")
    }
    try OutputFile.check(output, replace: replace, inputs: source.filesBehind)
    let task = environment.task ?? source.task
    guard !task.isEmpty else { throw CommandFailure("\(file): does not name its task; --environment NAME:TASK does") }
    let plan = try CollectionPlan(
      task, to: output, episodes: min(demos ?? .max, source.demos.count), changes: settings(session.catalog),
      workers: workers, catalog: session.catalog)
    defer { plan.finish() }
    let simulator = try plan.simulator().restoring()
    let names = Array(source.demos.prefix(plan.count))
    let recorded = RecordedStates(
      source: source, demos: names, simulator: simulator, arguments: try simulator.arguments(task: task))
    try recorded.check(naming: environment.task)
    let store = try EpisodeStore(
      folder: output + ".parts", identity: recorded.identity(plan.evaluation.simulator), replacing: replace)
    let bySeed = recorded.areOfThisSimulator
    let collected = try plan.collect("observe", count: plan.count, in: store) {
      .draw(task: task, demo: names[$0], number: $0, states: file, bySeed: bySeed, store: store.folder)
    }
    let places = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
    try store.assemble(
      places, like: source, to: output, environmentArguments: recorded.arguments,
      observations: simulator.spec.recorded.observations)
    collected.bar.finish(note: output)
  }

  private func settings(_ catalog: Catalog) throws -> [String] {
    let own = try environment.simulator(catalog, recipe: recipe)
    return ["evaluation.simulator=\(own.setting.json)"] + changes
  }
}
