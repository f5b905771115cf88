import Foundation
import Imitation
import Layers
import Tensors

/// Passes the key `x` through; enough for an agent.
public struct PassThrough: ObservationEncoder {
  public struct Options: PluginOptions { public init() {} }
  public static let name = "pass-through"
  public static let help = "For tests."
  public let layout = FeatureLayout([(.vector, "x", 1)])
  public init(options: Options, context: EncoderContext, random: inout Random) {}
  public func callAsFunction(_ observations: ObservationBatch) -> Features {
    Features(pooled: observations.vectors["x"]!)
  }
}

/// Answers with three actions: the oldest row it saw, the newest, and their sum, and some noise.
public struct Echo: Policy {
  public struct Options: PluginOptions { public init() {} }
  public static let name = "echo"
  public static let help = "For tests."
  public static let schema = ObservationSchema(images: [:], vectors: ["x": 1])
  public let encoder: any ObservationEncoder
  public let window = Window(observations: -2...0, actions: 0...2)
  /// How much of a draw is added to its answers.
  public var noise: Float = 0
  /// How long it thinks, whatever the batch, in microseconds.
  public var thinking: UInt32 = 0
  /// Called by each forward pass.
  public var whenAsked: (@Sendable () -> Void)?

  public init(options: Options, encoder: any ObservationEncoder, actionWidth: Int, random: inout Random) {
    self.encoder = encoder
  }

  public init() {
    var random = Random(seed: 1)
    encoder = PassThrough(
      options: .init(), context: EncoderContext(schema: Echo.schema, vocabulary: []), random: &random)
  }

  public func loss(on batch: Batch) -> PolicyLoss { PolicyLoss(batch.actions.sum()) }

  public func actions(for observations: ObservationBatch, randoms: inout [Random]) -> Tensor {
    usleep(thinking)
    whenAsked?()
    let rows = encoder(observations).pooled
    let first = rows.sliced(axis: 1, 0..<1)
    let last = rows.sliced(axis: 1, 2..<3)
    let drawn = randoms.indices.map { index in noise * Float(randoms[index].normal()) }
    return Tensor.concatenated([first, last, first + last], axis: 1) + Tensor(drawn, shape: [drawn.count, 1, 1])
  }

  /// - Parameter normalizer: leaves all as it is when nil.
  public func agent(execute: Int, ensemble: Float? = nil, normalizer: Normalizer? = nil) -> Agent {
    let same = Normalizer.Affine(scale: [1], offset: [0])
    return Agent(
      policy: self, normalizer: normalizer ?? Normalizer(keys: ["x": same, "actions": same]), schema: Echo.schema,
      execute: execute, ensemble: ensemble)
  }
}
