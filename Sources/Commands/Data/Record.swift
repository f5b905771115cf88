import ArgumentParser
import Foundation
import ImitationKit

/// `imitate record`: the demonstrations that a recipe asks for, by the simulator's scripted experts.
struct Record: Verb {
  static let configuration = CommandConfiguration(
    abstract: "Record demonstrations by the simulator's scripted expert, on all cores.",
    discussion: """
      Records what the recipe's split needs and skips files that have it; nothing is replaced unasked. An interrupted recording goes on where it \
      stopped and ends in the same bytes.
      """)

  @Argument(help: "The recipe whose tasks, split and simulator to record.") var recipe: String
  @OptionGroup var choice: TaskChoice
  @Option(name: .customLong("set"), help: "Change a value of the recipe: path.to.key=value.") var changes: [String] = []
  @Option(help: "Demonstrations a task; as many as the split's filter key says when left out.") var episodes: Int?
  @OptionGroup var workers: WorkerOptions
  @Flag(
    help:
      "Replace files that do not have the demonstrations that are asked for, or have them with other simulator settings."
  ) var replace = false
  @OptionGroup var place: DatasetPlace

  func validate() throws { try requirePositive(("episodes", episodes)) }

  func run(in session: Session) throws {
    let plan = try CollectionPlan(
      choice.recipe(recipe, changes: changes, place: place), episodes: episodes, workers: workers, place: place,
      catalog: session.catalog)
    defer { plan.finish() }
    for task in plan.recipe.data.tasks {
      let path = try plan.path(task)
      let simulator = try plan.simulator()
      let arguments = try simulator.arguments(task: task)
      if try !isThere(path, plan, arguments) {
        try record(task, to: path, plan, arguments, simulator.spec.recorded)
      }
    }
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

  private func record(
    _ task: String, to path: String, _ plan: CollectionPlan, _ arguments: String, _ schema: DemonstrationSchema
  ) throws {
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    let seed = plan.recipe.seed
    let horizon = try plan.registry.entry(task).horizon
    let store = try EpisodeStore(
      folder: path + ".parts", identity: "record\nseed \(seed)\n\(arguments)", replacing: replace)
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
