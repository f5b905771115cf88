import Foundation
import Imitation
import Layers
import Tensors

/// The training loop, read from top to bottom.
///
/// Batch, dropout and crops of step `n` are functions of the recipe's seed and `n` alone: a run that was killed and
/// resumed ends with the bits of one that never stopped.
package struct Trainer {
  package var recipe: Recipe
  package var folder: RunFolder
  package var blueprint: PolicyBlueprint
  package var normalizer: Normalizer
  package var policy: any Policy
  /// Batch number `n`, not normalised.
  package var batch: (Int) throws -> Batch
  /// The held-out windows, not normalised; empty without a held-out part.
  package var validation: () throws -> [Batch]
  /// What time it is, for the samples a second.
  package var now: () -> ContinuousClock.Instant = { .now }

  package init(
    recipe: Recipe, folder: RunFolder, blueprint: PolicyBlueprint, normalizer: Normalizer, policy: any Policy,
    batch: @escaping (Int) throws -> Batch, validation: @escaping () throws -> [Batch]
  ) {
    self.recipe = recipe
    self.folder = folder
    self.blueprint = blueprint
    self.normalizer = normalizer
    self.policy = policy
    self.batch = batch
    self.validation = validation
  }

  /// Trains to the recipe's last step, from `checkpoint` if there is one.
  /// - Returns: the step reached; less than the recipe's when `shouldStop` asked for it.
  /// - Throws: `TrainingError.notANumber`, or what the files threw.
  @discardableResult
  package func run(
    from checkpoint: Checkpoint?, shouldStop: () -> Bool = { false }, report: (TrainingEvent) -> Void = { _ in }
  ) throws -> Int {
    let settings = recipe.training
    var optimization = Optimization(settings, of: policy, groups: decayGroups())
    if let checkpoint {
      try optimization.restore(
        weights: checkpoint.weights, optimizer: checkpoint.optimizer, average: checkpoint.average)
    }
    let log = try MetricsLog(folder: folder.path, after: checkpoint?.step ?? 0)
    let random = Random(seed: recipe.seed).split("training")
    var step = checkpoint?.step ?? 0
    var spent = Duration.zero
    var samples = 0
    Memory.startCounting()

    func save() throws {
      let path = folder.checkpoint(step: step)
      try Checkpoint(
        step: step, recipe: recipe.text, blueprint: blueprint, normalizer: normalizer, weights: optimization.weights,
        average: optimization.averageState, optimizer: optimization.optimizerState
      ).write(to: path)
      folder.removeOldCheckpoints(keeping: nil)
      report(.saved(step: step, path: path))
    }

    let batches = Prefetcher(from: step, to: settings.steps, batch)
    defer { batches.stop() }
    while step < settings.steps, !shouldStop() {
      let began = now()
      let batch = try normalizer.normalized(batches(step))
      var parts: [String: Tensor] = [:]
      let outcome = try optimization.step(
        step, random: random, lastCheckpoint: folder.checkpointSteps.last.map(folder.checkpoint)
      ) {
        let result = policy.loss(on: batch)
        parts = result.metrics
        return result.loss
      }
      spent += now() - began
      step += 1
      samples += settings.batch

      let last = step == settings.steps
      if step % settings.logEvery == 0 || last {
        let seconds = spent / .seconds(1)
        let row = TrainingMetrics(
          step: step, loss: outcome.loss, parts: TrainingMetrics.parts(parts), gradientNorm: outcome.gradientNorm,
          learningRate: outcome.learningRate,
          samplesPerSecond: Double(samples) / max(seconds, 1e-9),
          waiting: batches.waited / .seconds(1) / max(seconds, 1e-9), memoryBytes: memory())
        try log.append(row)
        report(.logged(row))
        spent = .zero
        samples = 0
        batches.waited = .zero
        Memory.startCounting()
      }
      if step % settings.validateEvery == 0 || last {
        let live = try validationLoss()
        let averaged = try optimization.withAverage(validationLoss) ?? nil
        if let live {
          try log.append(
            TrainingMetrics(
              step: step, validationLoss: live.loss, averagedValidationLoss: averaged?.loss,
              validationParts: (averaged ?? live).parts))
          report(.validated(step: step, loss: live.loss, averagedLoss: averaged?.loss))
        }
      }
      if step % settings.checkpointEvery == 0 || last { try save() }
    }
    if step < settings.steps, folder.checkpointSteps.last != step, step > 0 { try save() }
    return step
  }

  /// The encoder's parameters, what the policy exempts from decay, and the rest.
  private func decayGroups() -> [AdamW.Group] {
    let parameters = policy.parameters().filter { $0.parameter.isTrainable }
    let decay = Float(recipe.training.weightDecay)
    let inEncoder = Set(policy.encoder.parameters().map { ObjectIdentifier($0.parameter) })
    let exempt = policy.undecayed
    let encoder = parameters.filter { inEncoder.contains(ObjectIdentifier($0.parameter)) }
    let others = parameters.filter { !inEncoder.contains(ObjectIdentifier($0.parameter)) }
    return [
      .init(encoder, weightDecay: recipe.training.encoderWeightDecay.map(Float.init) ?? decay),
      .init(others.filter { !exempt.contains($0.name) }, weightDecay: decay),
      .init(others.filter { exempt.contains($0.name) }, weightDecay: 0),
    ]
  }

  private func memory() -> [String: Int] {
    let report = Memory.report
    let kinds = report.peakByKind.map { ($0.key.rawValue, $0.value) }
    return Dictionary(uniqueKeysWithValues: kinds).merging(["peak": report.peak]) { $1 }
  }

  /// The mean loss over the held-out windows with the present weights, and its parts; no tape, so no dropout and centred crops.
  private func validationLoss() throws -> (loss: Double, parts: [String: Double]?)? {
    let batches = try validation()
    guard !batches.isEmpty else { return nil }
    var sum = 0.0
    var parts: [String: Double] = [:]
    var count = 0
    for batch in batches {
      let rows = batch.observations.count
      let result = policy.loss(on: try normalizer.normalized(batch))
      sum += Double(result.loss.item) * Double(rows)
      for (name, part) in TrainingMetrics.parts(result.metrics) ?? [:] {
        parts[name, default: 0] += part * Double(rows)
      }
      count += rows
    }
    return (sum / Double(count), parts.isEmpty ? nil : parts.mapValues { $0 / Double(count) })
  }
}

extension TrainingMetrics {
  /// As they are logged; nil without any.
  static func parts(_ metrics: [String: Tensor]) -> [String: Double]? {
    metrics.isEmpty ? nil : metrics.mapValues { Double(($0.count == 1 ? $0 : $0.mean()).item) }
  }
}
