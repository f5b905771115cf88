/// Something that a recipe names by one short word: `encoder: {kind: resnet18, ...}`.
///
/// The record `Options` holds what the recipe may set; decoding it refuses values out of range, so a plug-in that could
/// be made from its options never fails later.
public protocol Plugin: SendableMetatype {
  associatedtype Options: Codable & Sendable
  /// The word a recipe uses for `kind`.
  static var name: String { get }
}
