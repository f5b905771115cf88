import ArgumentParser
import Foundation
import ImitationKit

/// What recording and generating have in common: a recipe's tasks, how many demonstrations of each, and who makes them.
struct CollectionPlan {
  let recipe: Recipe
  let catalog: Catalog
  let registry: DatasetRegistry
  let root: String
  /// Demonstrations a task.
  let count: Int
  let pool: WorkerPool
  let interruption = Interruption()
  /// Where workers find the recipe.
  private let written: String

  /// - Parameter episodes: demonstrations a task; as many as the split says when nil.
  /// - Throws: `SettingError`, `RegistryError`, `CommandFailure`.
  init(
    _ recipe: Recipe, episodes: Int?, workers: WorkerOptions, place: DatasetPlace, catalog: Catalog
  ) throws {
    self.recipe = recipe
    self.catalog = catalog
    registry = try place.registry(recipe.data.registry)
    root = place.root(of: registry, recipe: recipe.data.root)
    guard let count = try episodes ?? registry.split(recipe.data.split).count else {
      throw CommandFailure("the split '\(recipe.data.split)' does not say how many demonstrations; use --episodes")
    }
    self.count = count
    _ = try recipe.simulatedTasks(recipe.data.tasks, catalog)
    written = try recipe.writtenForWorkers()
    pool = WorkerPool.imitate(recipe: written, options: workers)
  }

  /// Where the file of a task belongs.
  func path(_ task: String, split: String? = nil) throws -> String {
    try registry.path(task: task, split: split ?? recipe.data.split, root: root)
  }

  /// A simulator of the recipe, to ask what is written of it.
  /// - Throws: `GenerationError` for one whose episodes cannot be recorded.
  func simulator() throws -> any EpisodeRecording {
    try catalog.makeSimulator(recipe.evaluation.simulator).recording()
  }

  /// - Throws: `CommandFailure` when a file that is there has no split of as many demonstrations as are wanted.
  func requireSplit(of file: DemonstrationFile) throws {
    guard try file.mask("\(count)_demos") == nil else { return }
    throw CommandFailure(
      "\(file.path): has \(file.demos.count) demonstrations and no split of \(count), only: "
        + "\(file.maskNames.joined(separator: ", ")); --replace makes them again")
  }

  /// Removes what workers no longer need.
  func finish() { try? FileManager.default.removeItem(atPath: written) }
}

extension Recipe {
  /// The simulator's tasks of these names.
  /// - Throws: `SettingError`, or `CommandFailure` for one that it does not have.
  func simulatedTasks(_ names: [String], _ catalog: Catalog) throws -> [SimulatedTask] {
    let known = try SettingError.naming(path) { try catalog.tasks(of: evaluation.simulator) }
    return try names.map { name in
      guard let task = known.first(where: { $0.name == name }) else {
        throw CommandFailure(
          "\(evaluation.simulator.kind) has no task '\(name)'; its tasks: \(known.map(\.name).joined(separator: ", "))")
      }
      return task
    }
  }
}
