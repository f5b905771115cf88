import Layers
import Tensors

/// What a policy reports of one batch: the number to minimise, and others to log by name.
public struct PolicyLoss {
  public var loss: Tensor
  public var metrics: [String: Tensor]

  public init(_ loss: Tensor, metrics: [String: Tensor] = [:]) {
    self.loss = loss
    self.metrics = metrics
  }
}

/// Predicts actions from encoded observations. Sees normalised values only; `Agent` normalises and undoes it.
public protocol Policy: Module, Plugin {
  /// - Throws: when the options do not fit each other, the encoder or the action width.
  init(options: Options, encoder: any ObservationEncoder, actionWidth: Int, random: inout Random) throws
  var encoder: any ObservationEncoder { get }
  /// The rows of an episode that `loss(on:)` needs.
  var window: Window { get }
  func loss(on batch: Batch) -> PolicyLoss
  /// `[batch, steps, actionWidth]`: what to do now and next, the present action first.
  func actions(for observations: ObservationBatch, random: inout Random) -> Tensor
}
