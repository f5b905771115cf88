import Layers
import Tensors

/// What an encoder is built for, fixed when training starts and saved with the weights.
public struct EncoderContext: Codable, Sendable, Equatable {
  /// What observations have.
  public var schema: ObservationSchema
  /// The words that the training instructions use, sorted: a learned embedding's vocabulary.
  public var vocabulary: [String]
  /// What encoders keep beside weights, see `ObservationEncoder.attachments`; empty when one is made for the first time.
  public var attachments: [String: String] = [:]
  /// The same of tensors; saved beside the weights, not in this record.
  public var tensors: [String: Tensor] = [:]
  /// Whether the policy attends to tokens: an encoder that can then gives them, and leaves out of the pooled features what
  /// they say. The policy's options tell, so it is not saved.
  public var wantsTokens = false
  /// What makes the parts that an encoder's own options name; not saved.
  public var parts: any PartFactory = Catalog()
  /// How the encoder is called in messages; not saved.
  public var path = "encoder"

  /// The attachment that says which weights a world model had when an encoder was made of it.
  package static let worldWeights = "world.weights"

  private enum CodingKeys: String, CodingKey { case schema, vocabulary, attachments }

  public init(from decoder: any Decoder) throws {
    let keys = try decoder.container(keyedBy: CodingKeys.self)
    schema = try keys.decode(ObservationSchema.self, forKey: .schema)
    vocabulary = try keys.decode([String].self, forKey: .vocabulary)
    attachments = try keys.decodeIfPresent([String: String].self, forKey: .attachments) ?? [:]
  }

  public static func == (a: EncoderContext, b: EncoderContext) -> Bool {
    a.schema == b.schema && a.vocabulary == b.vocabulary && a.attachments == b.attachments
  }

  /// Whether it is what `earlier` was, which may not say the weights of its world model.
  package func isOf(_ earlier: EncoderContext) -> Bool {
    var same = self
    if earlier.attachments[EncoderContext.worldWeights] == nil { same.attachments[EncoderContext.worldWeights] = nil }
    return same == earlier
  }

  /// - Parameter vocabulary: sorted.
  public init(schema: ObservationSchema, vocabulary: [String]) {
    self.schema = schema
    self.vocabulary = vocabulary
  }
}

/// Makes the parts that a plug-in's own options name: an encoder's text encoder or the one it joins, a world model's lift and codec.
public protocol PartFactory: Sendable {
  /// - Parameter path: where the choice stands in the recipe, for complaints.
  /// - Throws: `SettingError` when the kind is unknown or its options do not fit.
  func makeEncoder(
    _ choice: Choice, context: EncoderContext, path: String, random: inout Random
  ) throws -> any ObservationEncoder
  /// - Throws: `SettingError` when the kind is unknown or its options do not fit.
  func makeTextEncoder(
    _ choice: Choice, context: EncoderContext, path: String, random: inout Random
  ) throws -> any TextEncoder
  /// - Throws: `SettingError` when the kind is unknown or its options do not fit.
  func makeLift(
    _ choice: Choice, context: LiftContext, path: String, random: inout Random
  ) throws -> any GaussianLift
  /// - Throws: `SettingError` when the kind is unknown or its options do not fit.
  func makeCodec(
    _ choice: Choice, context: LiftContext, path: String, random: inout Random
  ) throws -> any StateCodec
  /// - Throws: `SettingError` when the kind is unknown or its options do not fit.
  func makeWorld(
    _ choice: Choice, blueprint: WorldBlueprint, path: String, random: inout Random
  ) throws -> any WorldModel
  /// Whether a lift needs depths wherever it is used.
  /// - Throws: `SettingError` when the kind is unknown.
  func needsDepth(_ choice: Choice, path: String) throws -> Bool
  /// Whether a codec works on Gaussians, and whether it has to learn.
  /// - Throws: `SettingError` when the kind is unknown.
  func traits(ofCodec choice: Choice, path: String) throws -> (usesLift: Bool, isTrained: Bool)
}

/// Turns observations into features. (The name `Encoder` belongs to `Codable`.)
///
/// In the training `Phase` the encoder crops at random and drops out. Otherwise it is deterministic.
public protocol ObservationEncoder: Module, Plugin {
  /// - Throws: when the options and the schema do not fit each other.
  init(options: Options, context: EncoderContext, random: inout Random) throws
  /// What the columns of its pooled features are, and how large its tokens.
  var layout: FeatureLayout { get }
  /// What it read from files when it was made and needs to be made again elsewhere, by name: travels with its weights.
  var attachments: [String: String] { get }
  /// The same of tensors, a table of embeddings for example.
  var attachedTensors: [String: Tensor] { get }
  /// How many frames before those of a window it has to see.
  var history: Int { get }
  /// The features of every frame after the first `history`.
  func callAsFunction(_ observations: ObservationBatch) -> Features
  /// Refuses observations that it can do nothing with; asked with one batch before training.
  func check(_ observations: ObservationBatch) throws
  /// Refuses an instruction that the encoder cannot embed; asked before training and at the start of each episode.
  func check(instruction: String) throws
  /// An instruction that the encoder can embed, for a first prediction that nobody asked for.
  var exampleInstruction: String { get }
}

extension ObservationEncoder {
  public static var pluginKind: PluginKind { .encoder }
  public var attachments: [String: String] { [:] }
  public var attachedTensors: [String: Tensor] { [:] }
  public var history: Int { 0 }
  /// The width of a row of pooled features.
  public var featureCount: Int { layout.width }
  public func check(instruction: String) throws {}
  public var exampleInstruction: String { "" }
  public func check(_ observations: ObservationBatch) throws {}
}

extension ObservationEncoder {
  /// How many steps of training leave all that is frozen as it is.
  package var frozenSteps: Int { parameters().map(\.parameter.firstStep).filter { $0 > 0 }.min() ?? .max }
  /// Whether training has begun to change what was frozen.
  package var isThawed: Bool { parameters().contains { $0.parameter.firstStep > 0 && $0.parameter.isTrainable } }
}

/// Which variant of an episode's frames a frozen part sees: number 0 as they were recorded, each other one augmented in a way
/// of its own. All frames of an episode are augmented alike: what moves between two of them has moved.
public struct FrameVariant: Sendable {
  /// From 0.
  public let number: Int
  /// What its augmentation is drawn from.
  public let random: Random

  /// The same whenever it is made.
  public init(_ number: Int, of episode: Episode, seed: UInt64) {
    self.number = number
    random = Random(seed: seed).split("variants").split("\(episode.task) \(episode.name)").split(number)
  }
}

/// An encoder part of which is frozen: what that part makes of a frame does not change, so it can be computed once and kept. A
/// part that is frozen only in the first steps of training (`Module.freeze(until:rate:)`) is kept for those.
/// Whoever makes batches may put those rows into `ObservationBatch.frozen`; the encoder then looks at no images.
public protocol FrozenEncoder: ObservationEncoder {
  /// Numbers of a frozen row; nil when everything is trained from the start.
  var frozenCount: Int? { get }
  /// How many variants of each frame are kept; 1 for none but those recorded.
  var frozenVariants: Int { get }
  /// What tells its weights and settings from others: part of the name that rows are kept under.
  var frozenIdentity: String { get }
  /// The most that may be kept, bytes.
  var frozenLimit: Int { get }
  /// Which camera and vector keys the frozen part sees.
  var frozenKeys: (images: [String], vectors: [String]) { get }
  /// `[batch, time - history, frozenCount]`.
  func frozen(_ observations: ObservationBatch) -> Tensor
}

extension FrozenEncoder {
  public var frozenVariants: Int { 1 }
}
