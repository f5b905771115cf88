import Layers
import Tensors

/// Turns instructions into rows that condition an encoder.
public protocol TextEncoder: Module, Plugin {
  /// - Parameter context: of the encoder that it is a part of.
  /// - Throws: when the options and the context do not fit each other.
  init(options: Options, context: EncoderContext, random: inout Random) throws
  /// The width of a row; nil when instructions are not used.
  var width: Int? { get }
  /// What it read from files when it was made and needs to be made again elsewhere, by name: travels with its weights.
  var attachments: [String: String] { get }
  /// The same of tensors.
  var attachedTensors: [String: Tensor] { get }
  /// `[instructions.count, width]`; nil when instructions are not used.
  func callAsFunction(_ instructions: [String]) -> Tensor?
  /// Refuses an instruction that it has no row for; asked before training and at the start of each episode.
  func check(_ instruction: String) throws
  /// An instruction that it has a row for.
  var example: String { get }
}

extension TextEncoder {
  public static var pluginKind: PluginKind { .textEncoder }
  public var attachments: [String: String] { [:] }
  public var attachedTensors: [String: Tensor] { [:] }
  public func check(_ instruction: String) throws {}
  public var example: String { "" }
}
