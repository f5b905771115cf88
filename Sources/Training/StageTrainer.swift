import Foundation
import Imitation
import Layers
import Tensors

/// Trains one part of something larger, in a folder of its own: checkpoints, metrics, resuming.
///
/// Like `Trainer`, step `n` is a function of the seed and `n` alone, so that a stage that was killed ends with the same bits.
package struct StageTrainer {
  package static let format = "imitationkit-stage-1"

  /// What checkpoints of another recipe are told apart by: lines, the last of which are the stage's own training settings as
  /// JSON. How many steps those ask for makes no other recipe.
  package var identity: String
  package var folder: RunFolder
  package var module: any Module
  package var settings: TrainingSettings
  package var seed: UInt64
  /// The loss of step `n`; random choices come from the given stream.
  package var loss: (_ step: Int, inout Random) throws -> PolicyLoss
  /// The loss on what is held out, if anything is.
  package var validation: () throws -> PolicyLoss?
  /// What time it is, for the samples a second.
  package var now: () -> ContinuousClock.Instant = { .now }

  package init(
    identity: String, folder: RunFolder, module: any Module, settings: TrainingSettings, seed: UInt64,
    loss: @escaping (_ step: Int, inout Random) throws -> PolicyLoss,
    validation: @escaping () throws -> PolicyLoss? = { nil }
  ) {
    self.identity = identity
    self.folder = folder
    self.module = module
    self.settings = settings
    self.seed = seed
    self.loss = loss
    self.validation = validation
  }

  /// A stage's file, its tensors by group.
  private struct State {
    var step: Int
    var identity: String
    var groups: [String: [String: Tensor]]

    init(path: String) throws {
      let (tensors, metadata) = try Safetensors.read(path)
      guard metadata["format"] == StageTrainer.format else {
        throw CheckpointError.notACheckpoint(path: path, lacks: "format '\(StageTrainer.format)'")
      }
      guard let step = metadata["step"].flatMap(Int.init), let identity = metadata["identity"] else {
        throw CheckpointError.notACheckpoint(path: path, lacks: "step")
      }
      self.step = step
      self.identity = identity
      groups = [:]
      for (name, tensor) in tensors {
        let parts = name.split(separator: "/", maxSplits: 1)
        guard parts.count == 2 else { throw CheckpointError.notACheckpoint(path: path, lacks: "group for \(name)") }
        groups[String(parts[0]), default: [:]][String(parts[1])] = tensor
      }
    }

    /// How many steps its recipe asked for.
    var planned: Int? {
      guard case .integer(let steps)? = (try? SettingsFile.parse(StageTrainer.lines(identity).last))?["steps"]?.value
      else { return nil }
      return steps
    }

    func belongs(to other: String) -> Bool {
      let (mine, theirs) = (StageTrainer.lines(identity), StageTrainer.lines(other))
      func settings(_ text: String) -> String? { try? SettingsFile.parse(text).without("steps").json }
      return mine.before == theirs.before && (mine.last == theirs.last || settings(mine.last) == settings(theirs.last))
    }

    var weights: [String: Tensor] { groups["weights"] ?? [:] }
    /// The averaged weights where there are any.
    var actingWeights: [String: Tensor] {
      weights.merging((groups["average"] ?? [:]).filter { weights[$0.key] != nil }) { _, averaged in averaged }
    }
  }

  private static func lines(_ identity: String) -> (before: Substring, last: String) {
    guard let end = identity.lastIndex(of: "\n") else { return ("", identity) }
    return (identity[..<end], String(identity[identity.index(after: end)...]))
  }

  /// How many steps the newest checkpoint's recipe asked for, where that is another number than now and some are still to be
  /// done.
  package var stepsBefore: Int? {
    get throws {
      guard let state = try last(), state.step < settings.steps, let planned = state.planned, planned != settings.steps
      else { return nil }
      return planned
    }
  }

  /// Whether all steps are done.
  /// - Throws: `CheckpointError.otherRecipe` when the folder belongs to another recipe.
  package var isFinished: Bool {
    get throws { try StageTrainer.step(folder, identity: identity).map { $0 >= settings.steps } ?? false }
  }

  /// The newest checkpoint's step; nil when there is none.
  /// - Throws: `CheckpointError.otherRecipe` when the folder belongs to another recipe.
  package static func step(_ folder: RunFolder, identity: String) throws -> Int? {
    guard let step = folder.checkpointSteps.last else { return nil }
    guard try State(path: folder.checkpoint(step: step)).belongs(to: identity) else {
      throw CheckpointError.otherRecipe(path: folder.path)
    }
    return step
  }

  private func last() throws -> State? {
    guard let step = folder.checkpointSteps.last else { return nil }
    let state = try State(path: folder.checkpoint(step: step))
    guard state.belongs(to: identity) else { throw CheckpointError.otherRecipe(path: folder.path) }
    return state
  }

  /// Takes over a finished stage of the same identity from another run.
  /// - Returns: whether there was one.
  package func adopt(from other: RunFolder) throws -> Bool {
    guard folder.checkpointSteps.isEmpty, let step = other.checkpointSteps.last else { return false }
    let path = other.checkpoint(step: step)
    let state = try State(path: path)
    guard state.belongs(to: identity), state.step == settings.steps else { return false }
    try FileManager.default.createDirectory(atPath: folder.path + "/checkpoints", withIntermediateDirectories: true)
    guard let data = FileManager.default.contents(atPath: path) else { return false }
    try AtomicFile.write(data, to: folder.checkpoint(step: step))
    return true
  }

  /// Fills the module with the weights to act with.
  package func loadFinished() throws {
    guard let state = try last() else { throw RunError.noCheckpoint(folder: folder.path) }
    try module.load(state.actingWeights)
  }

  /// Trains to the last step, from the newest checkpoint if there is one, and leaves the acting weights in the module.
  ///
  /// - Returns: whether it got to the end; not when `shouldStop` asked for it.
  package func run(
    shouldStop: () -> Bool = { false }, report: (TrainingMetrics) -> Void = { _ in }
  ) throws -> Bool {
    var optimization = Optimization(settings, of: module)
    let state = try last()
    if let state {
      try optimization.restore(
        weights: state.weights, optimizer: state.groups["optimizer"] ?? [:], average: state.groups["average"] ?? [:])
    } else {
      try FileManager.default.createDirectory(atPath: folder.path + "/checkpoints", withIntermediateDirectories: true)
    }
    folder.removeLeftovers()
    let log = try MetricsLog(folder: folder.path, after: state?.step ?? 0)
    let random = Random(seed: seed).split("stage")
    var step = state?.step ?? 0
    var spent = Duration.zero
    var samples = 0

    func save() throws {
      var tensors: [String: Tensor] = [:]
      for (prefix, group) in [
        ("weights", optimization.weights), ("average", optimization.averageState),
        ("optimizer", optimization.optimizerState),
      ] { for (name, tensor) in group { tensors["\(prefix)/\(name)"] = tensor } }
      try Safetensors.write(
        tensors, metadata: ["format": StageTrainer.format, "step": String(step), "identity": identity],
        to: folder.checkpoint(step: step))
      folder.removeOldCheckpoints(keeping: nil)
    }

    while step < settings.steps, !shouldStop() {
      var parts: [String: Tensor] = [:]
      let began = now()
      let outcome = try optimization.step(
        step, random: random, lastCheckpoint: folder.checkpointSteps.last.map(folder.checkpoint)
      ) {
        var stream = random.split("loss").split(step)
        let result = try self.loss(step, &stream)
        parts = result.metrics
        return result.loss
      }
      spent += now() - began
      step += 1
      samples += settings.batch
      let isLast = step == settings.steps
      if step % settings.logEvery == 0 || isLast {
        let row = TrainingMetrics(
          step: step, loss: outcome.loss, parts: TrainingMetrics.parts(parts), gradientNorm: outcome.gradientNorm,
          learningRate: outcome.learningRate, samplesPerSecond: Double(samples) / max(spent / .seconds(1), 1e-9))
        try log.append(row)
        report(row)
        (spent, samples) = (.zero, 0)
      }
      if step % settings.validateEvery == 0 || isLast {
        let value = try optimization.withAverage(validation) ?? validation()
        if let value {
          let row = TrainingMetrics(
            step: step, averagedValidationLoss: Double(value.loss.item),
            validationParts: TrainingMetrics.parts(value.metrics))
          try log.append(row)
          report(row)
        }
      }
      if step % settings.checkpointEvery == 0 || isLast { try save() }
    }
    guard step >= settings.steps else {
      if step > 0, folder.checkpointSteps.last != step { try save() }
      return false
    }
    try loadFinished()
    return true
  }
}
