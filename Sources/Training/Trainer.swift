import Imitation
import Layers
import Tensors

/// The training loop of every objective. Batch, dropout and crops of step `n` are functions of the seed and `n` alone.
public struct Trainer<O: Objective> {
  /// What is minimized.
  public let objective: O
  package let settings: TrainingSettings
  /// The stream that the steps' streams are split from.
  private let random: Random
  /// What every checkpoint holds besides the training's state.
  private let header: TensorArchive
  /// Threads that make batches ahead. They change no number; more than one call the objective's `batch` at the same time.
  public var workers = 1
  /// The processes that learn from the other rows of each batch; nil alone. Only rank 0 writes, and validates.
  package var ranks: RankGroup?
  /// How gradients are added up over the ranks, where that is not by the group itself.
  package var collective: (any Collective)?
  /// What time it is, for the samples a second.
  package var now: () -> ContinuousClock.Instant = { .now }

  package init(_ objective: O, settings: TrainingSettings, random: Random, header: TensorArchive) {
    self.objective = objective
    self.settings = settings
    self.random = random
    self.header = header
  }

  /// Trains to the last step, from `state` if there is one, and leaves the live weights in the objective's module.
  ///
  /// - Parameter report: called for each row of the log and each checkpoint.
  /// - Returns: the step reached; less than the last one when `shouldStop` asked for it.
  /// - Throws: `TrainingError.notANumber`, or what the objective or the files threw.
  @discardableResult
  package func run(
    in folder: RunFolder, from state: TrainingState? = nil, shouldStop: () -> Bool = { false },
    report: (TrainingEvent) -> Void = { _ in }
  ) throws -> Int {
    var optimization = Optimization(settings, of: objective, with: ranks.map { collective ?? $0 })
    if let state { try optimization.restore(state) }
    try ranks?.check(header, weights: objective.module.snapshot())
    let isFirst = (ranks?.rank ?? 0) == 0
    let log = isFirst ? try MetricsLog(folder: folder.path, after: state?.step ?? 0) : nil
    var step = state?.step ?? 0
    var spent = Duration.zero
    var samples = 0
    Memory.startCounting()

    let loss = random.split("loss")
    let batches = Loader(from: step, to: settings.steps, workers: workers) { [objective] step in
      try objective.batch(step, random: loss.split(step))
    }
    defer { batches.stop() }
    /// Looks at what the steps computed, and throws if it is no number.
    func read() throws -> TrainingMetrics? {
      try optimization.read(
        random: random, lastCheckpoint: folder.checkpointSteps.last.map(folder.checkpoint),
        loss: {
          // Not beside the loader, which may be the only one to ask for batches.
          batches.stop()
          return try objective.loss(on: objective.batch($0, random: loss.split($0))).loss
        })
    }
    func save() throws {
      guard isFirst else { return }
      let path = folder.checkpoint(step: step)
      try optimization.state(step: step).added(to: header).write(to: path)
      folder.removeOldCheckpoints()
      report(.saved(step: step, path: path))
    }
    func append(_ row: TrainingMetrics) throws {
      try log?.append(row)
      report(.logged(row))
    }

    while step < settings.steps {
      let stop = shouldStop()
      if try ranks?.agree(stop: stop) ?? stop { break }
      let began = now()
      let batch = try batches(step)
      var result: PolicyLoss?
      try optimization.step(step, random: random) {
        let found = try objective.loss(on: batch)
        result = found
        return found.loss
      }
      let last = step + 1 == settings.steps
      let isLogged = (step + 1) % settings.logEvery == 0 || last
      let isKept = (step + 1) % settings.validateEvery == 0 || (step + 1) % settings.checkpointEvery == 0
      let row = isLogged || isKept || optimization.isDue ? try read() : nil
      spent += now() - began
      step += 1
      samples += settings.batch

      if isLogged, var row {
        let seconds = max(spent / .seconds(1), 1e-9)
        if let parts = result?.parts, !parts.isEmpty { row.parts = parts }
        row.samplesPerSecond = Double(samples) / seconds
        row.waiting = batches.waited / .seconds(1) / seconds
        row.memoryBytes = memory()
        try append(row)
        (spent, samples, batches.waited) = (.zero, 0, .zero)
        Memory.startCounting()
      }
      if isFirst, step % settings.validateEvery == 0 || last {
        let live = try objective.validate()
        let averaged = try optimization.withAverage(objective.validate) ?? nil
        try Device.check()
        if let live {
          let parts = (averaged ?? live).parts
          try append(
            TrainingMetrics(
              step: step, validationLoss: live.loss, averagedValidationLoss: averaged?.loss,
              validationParts: parts.isEmpty ? nil : parts))
        }
      }
      if step % settings.checkpointEvery == 0 || last { try save() }
    }
    if step < settings.steps, folder.checkpointSteps.last != step, step > 0 {
      _ = try read()
      try save()
    }
    // Those who have nothing left to do wait for the one that validates and writes: to leave would be to be missing.
    _ = try ranks?.agree(stop: false)
    return step
  }

  private func memory() -> [String: Int] {
    let report = Memory.report
    let kinds = report.peakByKind.map { ($0.key.rawValue, $0.value) }
    return Dictionary(uniqueKeysWithValues: kinds).merging(["peak": report.peak]) { $1 }
  }
}
