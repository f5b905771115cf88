import Foundation
import Imitation
import Layers
import Tensors

/// One part of something larger that is trained in a folder of its own: a world model's lift, codec or dynamics.
package struct Stage {
  package static let format = "imitationkit-stage-1"

  package var folder: RunFolder
  /// What checkpoints of another recipe are distinguished by: lines, the last of which are the stage's own training settings as
  /// JSON. How many steps those ask for makes no other recipe.
  package var identity: String

  package init(_ folder: RunFolder, identity: String) {
    self.folder = folder
    self.identity = identity
  }

  /// The newest checkpoint's step; nil when there is none.
  /// - Throws: `CheckpointError.otherRecipe` when the folder belongs to another recipe.
  package func step() throws -> Int? { try last()?.step }

  /// Whether the newest checkpoint's identity begins with these lines.
  package func begins(with lines: String) throws -> Bool {
    guard let step = folder.checkpointSteps.last else { return false }
    return try identity(in: folder.checkpoint(step: step)).hasPrefix(lines + "\n")
  }

  /// The newest checkpoint's state; nil when there is none.
  /// - Throws: as `step()`.
  package func state() throws -> TrainingState? {
    guard let (step, _) = try last() else { return nil }
    let path = folder.checkpoint(step: step)
    return try Checkpoint.naming {
      try TrainingState(TensorArchive(path: path, format: Stage.format, prefixes: TrainingState.groups), path: path)
    }
  }

  /// How many steps the newest checkpoint's recipe asked for, if another number than now, where some are still to be done.
  package func stepsBefore(_ settings: TrainingSettings) throws -> Int? {
    guard let (step, identity) = try last(), step < settings.steps,
      case .integer(let planned)? = (try? SettingsFile.parse(Stage.lines(identity).last))?["steps"]?.value,
      planned != settings.steps
    else { return nil }
    return planned
  }

  /// Takes over a finished stage of the same identity from another run.
  /// - Returns: whether there was one.
  package func adopt(from other: RunFolder, steps: Int) throws -> Bool {
    guard folder.checkpointSteps.isEmpty, let step = other.checkpointSteps.last else { return false }
    let path = other.checkpoint(step: step)
    guard try belongs(identity(in: path)), step == steps else { return false }
    try folder.createCheckpoints()
    guard let data = FileManager.default.contents(atPath: path) else { return false }
    try AtomicFile.write(data, to: folder.checkpoint(step: step))
    return true
  }

  /// Trains `objective` to the last step, from the newest checkpoint if any, and leaves the acting weights in its module.
  ///
  /// - Parameters:
  ///   - workers: threads that make batches, see `Trainer`.
  ///   - ranks: the processes that train it together, and how they add up gradients; see `Trainer`.
  /// - Returns: whether it got to the end; not when `shouldStop` asked for it.
  package func train(
    _ objective: some Objective, _ settings: TrainingSettings, seed: UInt64, workers: Int = 1,
    ranks: (group: RankGroup, collective: (any Collective)?)? = nil, shouldStop: () -> Bool = { false },
    report: (TrainingEvent) -> Void = { _ in }
  ) throws -> Bool {
    let state = try state()
    if ranks?.group.rank ?? 0 == 0 {
      if state == nil { try folder.createCheckpoints() }
      folder.removeLeftovers()
    }
    var trainer = Trainer(
      objective, settings: settings, random: Random(seed: seed).split("stage"),
      header: TensorArchive(format: Stage.format, metadata: ["identity": identity]))
    trainer.workers = workers
    (trainer.ranks, trainer.collective) = (ranks?.group, ranks?.collective)
    guard try trainer.run(in: folder, from: state, shouldStop: shouldStop, report: report) >= settings.steps else {
      return false
    }
    try load(into: objective.module)
    return true
  }

  /// Fills a module with the weights to act with.
  package func load(into module: any Module) throws {
    guard let state = try state() else { throw RunError.noCheckpoint(folder: folder.path) }
    try module.load(state.actingWeights)
  }

  private func identity(in path: String) throws -> String {
    try Checkpoint.text("identity", in: path, format: Stage.format)
  }

  private func last() throws -> (step: Int, identity: String)? {
    guard let step = folder.checkpointSteps.last else { return nil }
    let identity = try identity(in: folder.checkpoint(step: step))
    guard belongs(identity) else { throw CheckpointError.otherRecipe(path: folder.path) }
    return (step, identity)
  }

  private func belongs(_ other: String) -> Bool {
    let renamed = other.split(separator: "\n", omittingEmptySubsequences: false).map {
      RenamedKeys.current(json: String($0))
    }
    let (mine, theirs) = (Stage.lines(identity), Stage.lines(renamed.joined(separator: "\n")))
    func settings(_ text: String) -> String? { try? SettingsFile.parse(text).without("steps").json }
    return mine.before == theirs.before && (mine.last == theirs.last || settings(mine.last) == settings(theirs.last))
  }

  private static func lines(_ identity: String) -> (before: Substring, last: String) {
    guard let end = identity.lastIndex(of: "\n") else { return ("", identity) }
    return (identity[..<end], String(identity[identity.index(after: end)...]))
  }
}
