import ArgumentParser
import Demonstrations
import Evaluation
import Foundation
import Imitation
import Tensors
import Training

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

  func run() throws {
    let recipe = try choice.recipe(recipe, changes: changes, place: place)
    let catalog = Session.catalog
    let known = try catalog.tasks(of: recipe.evaluation.simulator)
    let registry = try place.registry(recipe.data.registry)
    let split = try registry.split(recipe.data.split)
    guard let count = episodes ?? split.count, count > 0 else {
      throw CommandFailure("the split '\(recipe.data.split)' does not say how many demonstrations; use --episodes")
    }
    for task in recipe.data.tasks where !known.contains(where: { $0.name == task }) {
      throw CommandFailure(
        "\(recipe.evaluation.simulator.kind) has no task '\(task)'; its tasks: \(known.map(\.name).joined(separator: ", "))"
      )
    }
    let interruption = Interruption()
    let written = try recipe.writtenForWorkers()
    defer { try? FileManager.default.removeItem(atPath: written) }
    let pool = WorkerPool.imitate(recipe: written, run: nil, workers: workers)
    for task in recipe.data.tasks {
      let path = try registry.path(
        task: task, split: recipe.data.split, root: place.root(of: registry, recipe: recipe.data.root))
      if let file = try? DemonstrationFile(path: path), try file.mask("\(count)_demos") != nil {
        FileHandle.standardError.write(Data("\(task): \(file.demos.count) demonstrations in \(path)\n".utf8))
        continue
      }
      try record(
        task, count: count, horizon: registry.entry(task).horizon, to: path, recipe: recipe, pool: pool,
        interruption: interruption)
    }
  }

  private func record(
    _ task: String, count: Int, horizon: Int, to path: String, recipe: Recipe, pool: WorkerPool,
    interruption: Interruption
  ) throws {
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    let simulator = try Session.catalog.makeSimulator(recipe.evaluation.simulator)
    let arguments = try simulator.arguments(task: task)
    let store = try EpisodeStore(folder: path + ".parts", identity: "record\nseed \(recipe.seed)\n\(arguments)")
    let collected = try DemonstrationCollection(
      title: "record \(task)", count: count, store: store, pool: pool, interruption: interruption,
      request: { attempt in
        .record(
          RecordRequest(
            task: task, attempt: attempt,
            seed: EpisodeResult.seed(recipe.seed, task: "record/\(task)", episode: attempt), horizon: horizon,
            store: store.folder))
      },
      giveUp: { failed, _ in
        failed > count + 20 ? "\(task): the expert failed \(failed) times; giving up" : nil
      }
    ).run()
    try store.assemble(collected.kept, to: path, environmentArguments: arguments, seed: recipe.seed)
    collected.bar.update(count)
    collected.bar.finish(
      note: collected.failed == 0 ? path : "\(path), the expert failed \(collected.failed) times")
  }
}
