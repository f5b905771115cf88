import Layers
import Tensors

/// What an encoder is built for, fixed when training starts and saved with the weights.
public struct EncoderContext: Codable, Sendable, Equatable {
  public var schema: ObservationSchema
  /// The words that the training instructions use, sorted: a learned embedding's vocabulary.
  public var vocabulary: [String]

  public init(schema: ObservationSchema, vocabulary: [String]) {
    self.schema = schema
    self.vocabulary = vocabulary
  }
}

/// Turns observations into features. (The name `Encoder` belongs to `Codable`.)
///
/// While a tape records, the encoder is training: it crops at random and drops out. Otherwise it is deterministic.
public protocol ObservationEncoder: Module, Plugin {
  /// - Throws: when the options and the schema do not fit each other.
  init(options: Options, context: EncoderContext, random: inout Random) throws
  /// The width of a feature row.
  var featureCount: Int { get }
  /// `[batch, time, featureCount]`.
  func callAsFunction(_ observations: ObservationBatch) -> Tensor
  /// Refuses an instruction that the encoder cannot embed; asked before training and at the start of each episode.
  func check(instruction: String) throws
}

extension ObservationEncoder {
  public func check(instruction: String) throws {}
}
