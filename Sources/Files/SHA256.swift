import COpenSSL
import Foundation

/// SHA-256 (FIPS 180-4) of bytes that come in pieces, by OpenSSL.
package struct SHA256: ~Copyable {
  private let context: OpaquePointer

  package init() {
    context = EVP_MD_CTX_new()
    let status = EVP_DigestInit_ex(context, EVP_sha256(), nil)
    precondition(status == 1)
  }

  deinit { EVP_MD_CTX_free(context) }

  package mutating func update(_ bytes: some ContiguousBytes) {
    let status = bytes.withUnsafeBytes { EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
    precondition(status == 1)
  }

  /// 32 bytes. Nothing can be added afterwards.
  package consuming func finalize() -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    let status = EVP_DigestFinal_ex(context, &digest, nil)
    precondition(status == 1)
    return digest
  }

  package static func hash(_ bytes: some ContiguousBytes) -> [UInt8] {
    var hash = SHA256()
    hash.update(bytes)
    return hash.finalize()
  }
}

extension Sequence<UInt8> {
  /// In small letters, two a byte.
  package var hexadecimal: String { map { String(format: "%02x", $0) }.joined() }
}
