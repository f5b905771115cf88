import Files
import Foundation
import Testing

/// Examples of NIST (FIPS 180-4 Secure Hash Standard, example values; one million letters: RFC 6234, section 8.5).
@Suite struct SHA256Tests {
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
  ]) func isTheStandards(_ text: String, _ digest: String) {
    #expect(SHA256.hash(Data(text.utf8)).hexadecimal == digest)
  }

  @Test func mayComeInPieces() {
    var hash = SHA256()
    for count in [0, 1, 63, 64, 65, 999_807] { hash.update([UInt8](repeating: UInt8(ascii: "a"), count: count)) }
    #expect(hash.finalize().hexadecimal == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }
}
