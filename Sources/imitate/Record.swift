import ArgumentParser
import Demonstrations
import Evaluation
import Foundation
import Imitation

/// `imitate record`: the demonstrations that a recipe asks for, by the simulator's scripted experts.
struct Record: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Record demonstrations by the simulator's scripted expert, on all cores.",
    discussion: """
      Records what the recipe's split needs and skips files that have it. An interrupted recording goes on where it \
      stopped and ends in the same bytes.
      """)

  @Argument(help: "The recipe whose tasks, split and simulator to record.") var recipe: String
  @OptionGroup var choice: TaskChoice
  @Option(name: .customLong("set"), help: "Change a value of the recipe: path.to.key=value.") var changes: [String] = []
  @Option(help: "Demonstrations a task; as many as the split's filter key says when left out.") var episodes: Int?
  @Option(help: "Worker processes; one a core when left out.") var workers: Int?
  @OptionGroup var place: DatasetPlace

  func validate() throws { try CollectionPlan.validate(episodes: episodes, workers: workers) }

  func run() throws {
    let plan = try CollectionPlan(
      choice.recipe(recipe, changes: changes, place: place), episodes: episodes, workers: workers, place: place)
    defer { plan.finish() }
    for task in plan.recipe.data.tasks {
      let path = try plan.path(task)
      if let file = try? DemonstrationFile(path: path), try file.mask("\(plan.count)_demos") != nil {
        tell("\(task): \(file.demos.count) demonstrations in \(path)")
        continue
      }
      try record(task, to: path, plan)
    }
  }

  private func record(_ task: String, to path: String, _ plan: CollectionPlan) throws {
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    let seed = plan.recipe.seed
    let arguments = try Session.catalog.makeSimulator(plan.recipe.evaluation.simulator).arguments(task: task)
    let horizon = try plan.registry.entry(task).horizon
    let store = try EpisodeStore(folder: path + ".parts", identity: "record\nseed \(seed)\n\(arguments)")
    let collected = try DemonstrationCollection(
      title: "record \(task)", plan, count: plan.count, store: store,
      request: { attempt in
        .record(
          RecordRequest(
            task: task, attempt: attempt,
            seed: EpisodeResult.seed(seed, task: "record/\(task)", episode: attempt), horizon: horizon,
            store: store.folder))
      },
      giveUp: { failed, _ in
        failed > plan.count + 20 ? "\(task): the expert failed \(failed) times; giving up" : nil
      }
    ).run()
    try store.assemble(collected.kept, to: path, environmentArguments: arguments, seed: seed)
    collected.bar.update(plan.count)
    collected.bar.finish(
      note: collected.failed == 0 ? path : "\(path), the expert failed \(collected.failed) times")
  }
}
