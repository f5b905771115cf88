import Foundation
import Imitation
import Layers

/// A folder that is not a run, or a run that lacks something.
package enum RunError: Error, Equatable, CustomStringConvertible {
  case notARun(folder: String)
  case noCheckpoint(folder: String)
  case notWritable(folder: String)
  case busy(folder: String)

  package var description: String {
    switch self {
    case .notARun(let folder):
      "\(folder): not a run folder (no recipe.yaml); `imitate train RECIPE --run \(folder)` makes one"
    case .notWritable(let folder): "\(folder): cannot be written to; give --run a folder that can"
    case .busy(let folder): "\(folder): another process trains or evaluates this run; wait for it, or stop it"
    case .noCheckpoint(let folder): "\(folder): no checkpoint yet; `imitate train` writes the first one"
    }
  }
}

/// One run: everything needed to repeat and judge it.
package struct RunFolder: Sendable {
  package let path: String

  package init(_ path: String) {
    self.path = path
  }

  package var recipe: String { path + "/recipe.yaml" }
  package var evaluation: String { path + "/evaluation.json" }

  /// The recipe of an existing run.
  /// - Throws: `RunError` or `SettingError`.
  package func readRecipe() throws -> Recipe {
    guard FileManager.default.fileExists(atPath: recipe) else { throw RunError.notARun(folder: path) }
    return try Recipe(path: recipe)
  }

  /// The recipe that a checkpoint was trained with; how it is judged is taken from the folder's `recipe.yaml`, where that may
  /// have changed.
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

  package func checkpoint(step: Int) -> String {
    "\(path)/checkpoints/step-\(String(repeating: "0", count: max(0, 7 - String(step).count)))\(step).safetensors"
  }

  /// The steps of the checkpoints on disk, oldest first.
  package var checkpointSteps: [Int] {
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
  /// - Throws: `RunError.notWritable`, or `WriteError`.
  package func create(recipe text: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: path + "/checkpoints", withIntermediateDirectories: true)
    } catch {
      throw RunError.notWritable(folder: path)
    }
    try AtomicFile.write(Data(text.utf8), to: recipe)
  }

  /// Keeps other processes from training or evaluating the same run.
  ///
  /// - Parameter creating: make the folder when it is not there; when it is still empty in the end, it goes again.
  /// - Throws: `RunError.busy` when one still does after ten seconds: a process that was asked to stop may need a moment.
  package func lock(creating: Bool = false) throws -> RunLock {
    for attempt in 0..<100 {
      if creating, (try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)) == nil {
        throw RunError.notWritable(folder: path)
      }
      let descriptor = open(path + "/.lock", O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
      // The one who had it may just be removing the folder.
      if descriptor < 0, creating, errno == ENOENT { continue }
      guard descriptor >= 0 else { throw RunError.notWritable(folder: path) }
      var (own, there) = (stat(), stat())
      // Or has removed it, and this is a file that nobody else will find.
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0, fstat(descriptor, &own) == 0, stat(path + "/.lock", &there) == 0,
        own.st_ino == there.st_ino
      {
        return RunLock(descriptor: descriptor, folder: path)
      }
      close(descriptor)
      if attempt < 99 { usleep(100_000) }
    }
    throw RunError.busy(folder: path)
  }

  /// Removes what a killed run left half-written.
  package func removeLeftovers() {
    let folder = path + "/checkpoints"
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] where name.hasSuffix(".partial") {
      try? FileManager.default.removeItem(atPath: "\(folder)/\(name)")
    }
  }

  /// Keeps the two newest checkpoints, and `keeping` if it is among the older ones.
  package func removeOldCheckpoints(keeping: Int?) {
    for step in checkpointSteps.dropLast(2) where step != keeping {
      try? FileManager.default.removeItem(atPath: checkpoint(step: step))
    }
  }
}

/// A run that is this process's own until it is released or the process ends.
package struct RunLock: Sendable {
  fileprivate let descriptor: Int32
  fileprivate let folder: String

  package func release() {
    // A run that never began leaves nothing behind.
    if (try? FileManager.default.contentsOfDirectory(atPath: folder)) == [".lock"] {
      unlink(folder + "/.lock")
      rmdir(folder)
    }
    close(descriptor)
  }
}
