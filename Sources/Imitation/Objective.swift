import Layers
import Tensors

/// What training minimizes: a policy, or one stage of a world model.
///
/// The batch of a step is a function of the step and its random stream alone, so that a run that was killed and resumed ends
/// with the bits of one that never stopped.
public protocol Objective {
  /// What a step learns from.
  associatedtype Batch

  /// What is trained and saved.
  var module: any Module { get }
  /// The trainable parameters with their weight decay; all with `weightDecay` unless an objective says otherwise.
  func parameterGroups(weightDecay: Float) -> [AdamW.Group]
  /// The batch of step `step`, counted from 0. Called ahead of time, on another thread,
  /// and by several threads at once where a trainer has more than one worker.
  ///
  /// - Parameter random: the step's own stream.
  func batch(_ step: Int, random: Random) throws -> Batch
  /// The loss of a batch and its parts.
  func loss(on batch: Batch) throws -> PolicyLoss
  /// Of how many parts of equal weight the loss of a batch is the mean; as many as the batch has rows, unless an objective says
  /// otherwise.
  func parts(of batch: Int) -> Int
  /// The mean loss over what is held out, with the module's present weights; nil when nothing is held out.
  func validate() throws -> ValidationLoss?
}

extension Objective {
  public func parts(of batch: Int) -> Int { batch }

  public func parameterGroups(weightDecay: Float) -> [AdamW.Group] {
    [.init(module.parameters().filter { $0.parameter.isEverTrained }, weightDecay: weightDecay)]
  }
}

/// A mean loss over held-out batches, and the means of its parts by name.
public struct ValidationLoss: Sendable, Equatable {
  /// The mean.
  public var loss: Double
  /// Their means by name.
  public var parts: [String: Double]

  /// - Parameter parts: by name.
  public init(loss: Double, parts: [String: Double]) {
    self.loss = loss
    self.parts = parts
  }

  /// The loss of the one batch that is held out.
  public init(_ result: PolicyLoss) {
    self.init(loss: Double(result.loss.item), parts: result.parts)
  }

  /// The mean of the losses of several batches, weighted by their rows; nil without any.
  public init?(_ batches: [(rows: Int, result: PolicyLoss)]) {
    guard !batches.isEmpty else { return nil }
    let count = Double(batches.reduce(0) { $0 + $1.rows })
    var sum = 0.0
    var parts: [String: Double] = [:]
    for (rows, result) in batches {
      sum += Double(result.loss.item) * Double(rows)
      for (name, part) in result.parts { parts[name, default: 0] += part * Double(rows) }
    }
    self.init(loss: sum / count, parts: parts.mapValues { $0 / count })
  }
}

extension PolicyLoss {
  /// The metrics as numbers: means of those that hold more than one value.
  public var parts: [String: Double] { metrics.mapValues { Double(($0.count == 1 ? $0 : $0.mean()).item) } }
}
