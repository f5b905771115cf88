/// An event of the training loop: plain values, no callbacks into it.
package enum TrainingEvent: Sendable {
  /// A row of the log: of a training step, or with `validationLoss` of held-out episodes.
  case logged(TrainingMetrics)
  case saved(step: Int, path: String)
}

/// One row of `metrics.jsonl`.
public struct TrainingMetrics: Codable, Sendable {
  /// Steps done.
  public var step: Int
  /// Of the batch of the last step; nil in rows of held-out episodes.
  public var loss: Double?
  /// What the loss is made of, and what else was reported of it, by name: of the very batch that `loss` is of.
  public var parts: [String: Double]?
  /// Of all gradients together, before it was clipped.
  public var gradientNorm: Double?
  /// Of the last step.
  public var learningRate: Double?
  /// Over the time that went into training, waiting for data included; validation and checkpoints are left out.
  public var samplesPerSecond: Double?
  /// The share of the time since the last row that went into waiting for data.
  public var waiting: Double?
  /// The averaged weights' loss on held-out episodes; that of the live ones without averaging.
  public var heldOutLoss: Double? { averagedValidationLoss ?? validationLoss }
  /// On held-out episodes, with the live weights and with the averaged ones.
  public var validationLoss, averagedValidationLoss: Double?
  /// The parts of the validation loss: with the averaged weights where there are any.
  public var validationParts: [String: Double]?
  /// The most that tensors held during one step since the last row, in bytes: `peak`, and by kind what that was made of.
  public var memoryBytes: [String: Int]?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case step, loss, parts, waiting
    case gradientNorm = "gradient_norm"
    case learningRate = "learning_rate"
    case samplesPerSecond = "samples_per_second"
    case validationLoss = "validation_loss"
    case averagedValidationLoss = "averaged_validation_loss"
    case validationParts = "validation_parts"
    case memoryBytes = "memory_bytes"
  }
}

/// Why training stopped early.
public enum TrainingError: Error, Equatable, CustomStringConvertible {
  /// A loss or gradient that is not finite.
  case notANumber(step: Int, tensor: String, lastCheckpoint: String?)
  /// Less than one batch to learn from.
  case tooFewWindows(windows: Int, batch: Int)
  /// Actions that the policy could never give.
  case outOfReach(column: Int, low: Float, high: Float, reach: ClosedRange<Float>)
  /// Other demonstrations than those the run began with.
  case demonstrationsChanged(run: String, change: String)
  /// Demonstrations of other sizes than those the run began with.
  case otherShapes(run: String)

  public var description: String {
    switch self {
    case .notANumber(let step, let tensor, let checkpoint):
      "step \(step): '\(tensor)' is not a number; stopped. "
        + (checkpoint.map { "The last good checkpoint is \($0); try a lower learning_rate." }
          ?? "No checkpoint was written yet; try a lower learning_rate or a longer warmup.")
    case .tooFewWindows(let windows, let batch):
      "the split holds \(windows) training windows, fewer than one batch of \(batch); lower training.batch"
    case .otherShapes(let run):
      "\(run): the demonstrations have other image sizes or widths than those it began with; train a new run"
    case .demonstrationsChanged(let run, let change):
      "\(run): the demonstrations changed since this run began: \(change); give the old ones back, start over with --restart or "
        + "another --run, or go on with --accept-changes"
    case .outOfReach(let column, let low, let high, let reach):
      "normalized, action \(column) of those learned goes from \(low) to \(high), the policy only from "
        + "\(reach.lowerBound) to \(reach.upperBound): use 'actions: {normalization: limits}'"
    }
  }
}
