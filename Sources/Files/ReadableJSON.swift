import Foundation

extension JSONEncoder {
  /// For files that people read and compare: a line a value, keys in order.
  package static var readable: JSONEncoder {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return encoder
  }
}
