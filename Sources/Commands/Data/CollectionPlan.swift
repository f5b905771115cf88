import ArgumentParser
import Foundation
import ImitationKit

/// What recording and generating have in common: tasks, how many demonstrations of each, where they belong and who makes them.
struct CollectionPlan {
  let tasks: [String]
  /// Demonstrations a task.
  let count: Int
  let seed: UInt64
  let evaluation: EvaluationSettings
  let catalog: Catalog
  let pool: WorkerPool
  let interruption = Interruption()
  private let files: Files
  /// A robot is connected once, not again for every question.
  private let robot: (any Environment)?
  /// Where workers find the settings.
  private let written: String

  private enum Files {
    case registry(DatasetRegistry, split: String)
    /// One for all of one task, which lasts as long as the simulator says.
    case output(String, horizon: Int)
  }

  /// - Parameter episodes: demonstrations a task; as many as the split says when nil.
  /// - Throws: `SettingError`, `RegistryError`, `CommandFailure`.
  init(
    _ recipe: Recipe, episodes: Int?, workers: WorkerOptions, place: DatasetPlace, catalog: Catalog
  ) throws {
    let registry = try place.registry(recipe.data)
    guard let count = try episodes ?? registry.split(recipe.data.split).count else {
      throw CommandFailure("the split '\(recipe.data.split)' does not say how many demonstrations; use --episodes")
    }
    (tasks, self.count, seed) = (recipe.data.tasks, count, recipe.seed)
    (evaluation, self.catalog) = (recipe.evaluation, catalog)
    robot = nil
    files = .registry(registry, split: recipe.data.split)
    try SettingError.naming(recipe.path) {
      try catalog.check(recipe.evaluation.simulator, as: .simulator, path: "simulator")
    }
    written = try EvaluationSettings.writtenForWorkers(recipe.text)
    pool = WorkerPool.imitate(recipe: written, options: workers)
  }

  /// Without a recipe: demonstrations of one task in one file.
  ///
  /// - Parameters:
  ///   - task: the simulator's only one when nil.
  ///   - changes: to the settings `seed` and `evaluation`, as of a recipe.
  /// - Throws: `SettingError`, `CommandFailure`.
  init(
    _ task: String?, to output: String, episodes: Int, changes: [String], workers: WorkerOptions, catalog: Catalog
  ) throws {
    let (setting, text) = try SettingsFile.changed("seed: 1", changes)
    count = episodes
    seed = try setting["seed"].map { try UInt64($0, path: "seed") } ?? 1
    evaluation = try EvaluationSettings(setting["evaluation"] ?? Setting(.map([])), path: "evaluation")
    self.catalog = catalog
    try catalog.check(evaluation.simulator, as: .simulator, path: "simulator")
    let simulator = try catalog.startSimulator(evaluation.simulator)
    robot = simulator is any RealTimeEnvironment ? simulator : nil
    let chosen = try simulator.spec.task(task ?? simulator.spec.onlyTask)
    tasks = [chosen.name]
    files = .output(output, horizon: chosen.horizon)
    written = try EvaluationSettings.writtenForWorkers(text)
    pool = WorkerPool.imitate(recipe: written, options: workers)
  }

  /// Where the file of a task belongs.
  func path(_ task: String, split: String? = nil) throws -> String {
    switch files {
    case .registry(let registry, let own): try registry.path(task: task, split: split ?? own)
    case .output(let path, _): path
    }
  }

  /// After how many steps an attempt has failed.
  func horizon(_ task: String) throws -> Int {
    switch files {
    case .registry(let registry, _): try registry.entry(task).horizon
    case .output(_, let horizon): horizon
    }
  }

  /// A simulator of these settings, to ask what is written of it; it has all the tasks.
  /// - Throws: `GenerationError` for one whose episodes cannot be recorded, `CommandFailure` for one that lacks a task.
  func simulator() throws -> any EpisodeRecording {
    let simulator = try (robot ?? catalog.startSimulator(evaluation.simulator)).recording()
    for task in tasks { _ = try simulator.spec.task(task) }
    return simulator
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

extension EnvironmentSpec {
  /// The task of this name.
  /// - Throws: `CommandFailure` when there is none.
  func task(_ name: String) throws -> SimulatedTask {
    guard let task = tasks.first(where: { $0.name == name }) else {
      throw CommandFailure(
        "\(self.name) has no task '\(name)'; its tasks: \(tasks.map(\.name).joined(separator: ", "))")
    }
    return task
  }
}

extension Recipe {
  /// What the recipe's simulator says of itself.
  /// - Throws: `SettingError`, or why it does not start.
  func environmentSpec(_ catalog: Catalog) throws -> EnvironmentSpec {
    try SettingError.naming(path) { try catalog.startSimulator(evaluation.simulator).spec }
  }
}
