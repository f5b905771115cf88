/// Something that a recipe names by one short word: `encoder: {kind: resnet18, ...}`.
/// Decoding its `Options` refuses values out of range, so a plug-in that could be made from them never fails later.
public protocol Plugin: SendableMetatype {
  /// What a recipe may set of it.
  associatedtype Options: PluginOptions
  /// The word a recipe uses for `kind`.
  static var name: String { get }
  /// What it is, in one line; `imitate kinds` shows it.
  static var help: String { get }
  /// What it is used as; its protocol says it.
  static var pluginKind: PluginKind { get }
  /// Refuses options that name files which are not there. Asked before data is opened, when a plug-in is made for the first
  /// time: one that was saved has in its attachments what it needs of them.
  static func checkFiles(_ options: Options) throws
}

extension Plugin {
  public static func checkFiles(_ options: Options) throws {}
}

/// What a plug-in is used as.
public enum PluginKind: String, Sendable, CaseIterable, Codable {
  /// An `ObservationEncoder`.
  case encoder
  /// A `TextEncoder`.
  case textEncoder = "text-encoder"
  /// A `Policy`.
  case policy
  /// A `WorldModel`.
  case world
  /// A `GaussianLift`.
  case lift
  /// A `StateCodec`.
  case codec
  /// An `EpisodeFormat`.
  case reader
  /// A `Simulator`.
  case simulator
}

extension PluginKind: KeyLimit {
  /// Limits a key to the plug-ins of this kind.
  public var rule: KeyRule<Choice> { KeyRule(rawValue, kind: self) { _ in true } }
}
