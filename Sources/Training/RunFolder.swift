import Foundation
import Imitation
import Layers

/// A folder that is not a run, or a run that lacks something.
public enum RunError: Error, Equatable, CustomStringConvertible {
  /// A folder without a recipe.
  case notARun(folder: String)
  /// A run that has not been trained for as long as its first checkpoint.
  case noCheckpoint(folder: String)
  /// A folder that cannot be made or written to.
  case notWritable(folder: String)
  /// Another process works on the run.
  case busy(folder: String)
  /// Another recipe is in the way.
  case otherRecipe(folder: String)
  /// A world model's run where a policy's was to be, or the other way round.
  case otherKind(folder: String, isWorld: Bool)
  /// Weights of another toolkit, which training cannot go on from.
  case noOptimizer(folder: String)

  public var description: String {
    switch self {
    case .notARun(let folder):
      "\(folder): not a run folder (no recipe.yaml); `imitate train RECIPE --run \(folder)` makes one"
    case .notWritable(let folder): "\(folder): cannot be written to; give --run a folder that can"
    case .otherRecipe(let folder):
      "\(folder)/recipe.yaml: is there already and says something else; give --run another folder, or --restart to replace it"
    case .otherKind(let folder, let isWorld):
      isWorld
        ? "\(folder): a world model's run, not a policy's; `imitate world evaluate` measures it, a policy needs another --run folder"
        : "\(folder): a policy's run, not a world model's; give --run another folder"
    case .noOptimizer(let folder): "\(folder): imported weights have no optimizer state to go on from"
    case .busy(let folder): "\(folder): another process trains or evaluates this run; wait for it, or stop it"
    case .noCheckpoint(let folder): "\(folder): no checkpoint yet; `imitate train` writes the first one"
    }
  }
}

/// One run: everything needed to repeat and judge it.
///
/// `recipe.yaml`, `checkpoints/step-NNNNNNN.safetensors`, `metrics.jsonl` and, once it was evaluated, `evaluation.json`.
public struct RunFolder: Sendable {
  /// The folder, which need not exist yet.
  public let path: String

  /// Names a folder; nothing is read or made.
  public init(_ path: String) {
    self.path = path
  }

  /// The path of the recipe.
  public var recipe: String { path + "/recipe.yaml" }
  /// The path of the evaluation's result.
  public var evaluation: String { path + "/evaluation.json" }

  /// Reads the recipe of an existing run.
  /// - Throws: `RunError` or `SettingError`.
  public func readRecipe() throws -> Recipe {
    guard FileManager.default.fileExists(atPath: recipe) else { throw RunError.notARun(folder: path) }
    return try Recipe(path: recipe)
  }

  /// The recipe that a checkpoint was trained with, but judged as the folder's `recipe.yaml` says now.
  ///
  /// - Parameter text: the recipe in the checkpoint.
  /// - Returns: the recipe, and what to tell when `recipe.yaml` says something else of the training.
  /// - Throws: `SettingError`.
  package func trained(_ text: String) throws -> (recipe: Recipe, note: String?) {
    guard FileManager.default.fileExists(atPath: recipe) else { return (try Recipe(text: text, path: recipe), nil) }
    let edited = try Recipe(path: recipe)
    let isSame = try Recipe.trainingIdentity(of: text) == Recipe.trainingIdentity(of: edited.text)
    return (
      try Recipe(text: SettingsFile.text(text, taking: "evaluation", from: edited.text), path: recipe),
      isSame ? nil : "\(recipe): not what the policy was trained with; the recipe in its checkpoint is used"
    )
  }

  /// The recipe that the run was trained with, or will be where there is no checkpoint yet.
  /// - Throws: `RunError`, `CheckpointError` or `SettingError`.
  package func trainedRecipe() throws -> (recipe: Recipe, note: String?) {
    guard let step = checkpointSteps.last else { return (try readRecipe(), nil) }
    return try trained(Checkpoint.recipe(in: checkpoint(step: step)))
  }

  /// The path of the checkpoint of a training step.
  public func checkpoint(step: Int) -> String {
    "\(path)/checkpoints/step-\(String(repeating: "0", count: max(0, 7 - String(step).count)))\(step).safetensors"
  }

  /// The steps of the checkpoints on disk, oldest first.
  public var checkpointSteps: [Int] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path + "/checkpoints")) ?? []
    return names.filter { $0.hasPrefix("step-") && $0.hasSuffix(".safetensors") }
      .compactMap { Int($0.dropFirst(5).dropLast(12)) }.sorted()
  }

  /// The newest checkpoint.
  /// - Throws: `RunError.noCheckpoint`, or what is wrong with the file.
  package func lastCheckpoint() throws -> Checkpoint {
    guard let step = checkpointSteps.last else { throw RunError.noCheckpoint(folder: path) }
    return try Checkpoint(path: checkpoint(step: step))
  }

  /// Starts the folder with the recipe's text.
  ///
  /// - Parameter replace: whether a `recipe.yaml` with another text is replaced.
  /// - Throws: `RunError`, or `WriteError`.
  public func create(recipe text: String, replace: Bool = false) throws {
    if !replace { try refuseAnother(recipe: text) }
    try createCheckpoints()
    try AtomicFile.write(Data(text.utf8), to: recipe)
  }

  /// Makes the folder for checkpoints, and the run's where that is not there.
  /// - Throws: `RunError.notWritable`.
  func createCheckpoints() throws {
    do {
      try FileManager.default.createDirectory(atPath: path + "/checkpoints", withIntermediateDirectories: true)
    } catch {
      throw RunError.notWritable(folder: path)
    }
  }

  /// Whether a world model is trained here; nil where there is no recipe that could be read.
  package var isWorld: Bool? {
    guard let setting = try? SettingsFile.read(recipe).setting else { return nil }
    return setting["world"] != nil && setting["policy"] == nil
  }

  /// - Throws: `RunError.otherKind`.
  package func refuseKind(isWorld other: Bool) throws {
    if let isWorld, isWorld == other { throw RunError.otherKind(folder: path, isWorld: other) }
  }

  /// - Throws: `RunError.otherRecipe` where there is a `recipe.yaml` with another text.
  package func refuseAnother(recipe text: String) throws {
    if let old = FileManager.default.contents(atPath: recipe), old != Data(text.utf8) {
      throw RunError.otherRecipe(folder: path)
    }
  }

  /// - Throws: `CheckpointError.otherRecipe` when a checkpoint here was trained otherwise than `recipe` says,
  ///   `RunError.noOptimizer` when it cannot be trained for as many steps.
  package func refuseOther(_ recipe: Recipe, than checkpoint: Checkpoint) throws {
    guard try Recipe.trainingIdentity(of: checkpoint.recipe) == Recipe.trainingIdentity(of: recipe.text) else {
      throw CheckpointError.otherRecipe(path: path)
    }
    guard recipe.training.steps <= checkpoint.step || !checkpoint.state.optimizer.isEmpty else {
      throw RunError.noOptimizer(folder: path)
    }
  }

  /// Removes what a killed run left half-written.
  package func removeLeftovers() {
    let folder = path + "/checkpoints"
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] where name.hasSuffix(".partial") {
      try? FileManager.default.removeItem(atPath: "\(folder)/\(name)")
    }
  }

  /// Keeps the two newest checkpoints.
  package func removeOldCheckpoints() {
    for step in checkpointSteps.dropLast(2) {
      try? FileManager.default.removeItem(atPath: checkpoint(step: step))
    }
  }
}
