import Crypto
import Foundation

extension Digest {
  /// In small letters, two a byte.
  package var hexadecimal: String { map { String(format: "%02x", $0) }.joined() }
}
