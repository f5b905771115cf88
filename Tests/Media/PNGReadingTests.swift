import Media
import Testing

@Suite struct PNGReadingTests {
  /// 2x5 pixels, each row with another filter, two data chunks and one that images do not need; written by Python.
  static let filtered: [UInt8] = [
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 2,
    0, 0, 0, 5, 8, 2, 0, 0, 0, 224, 209, 170, 203, 0, 0, 0, 3, 116, 69, 88,
    116, 97, 0, 98, 220, 73, 162, 59, 0, 0, 0, 9, 73, 68, 65, 84, 120, 156, 99, 168,
    116, 218, 251, 73, 145, 135, 236, 96, 134, 0, 0, 0, 35, 73, 68, 65, 84, 141, 241, 67,
    75, 121, 81, 78, 13, 211, 237, 147, 255, 95, 95, 23, 97, 222, 173, 125, 43, 165, 185, 154,
    229, 82, 233, 209, 27, 147, 178, 0, 35, 246, 17, 92, 128, 185, 220, 22, 0, 0, 0, 0,
    73, 69, 78, 68, 174, 66, 96, 130,
  ]
  static let pixels: [UInt8] = [
    121, 66, 189, 242, 33, 6, 240, 132, 119, 98, 240, 243, 203, 77, 118, 77, 199, 7, 32, 81,
    21, 154, 15, 137, 242, 198, 218, 202, 227, 68,
  ]

  @Test func everyFilterIsUndone() throws {
    #expect(try Image(png: Self.filtered) == Image(width: 2, height: 5, pixels: Self.pixels))
  }

  @Test func whatIsWrittenIsRead() throws {
    let image = Image(width: 61, height: 33, pixels: (0..<61 * 33 * 3).map { UInt8(truncatingIfNeeded: $0 * $0 / 7) })
    #expect(try Image(png: image.png()) == image)
  }

  /// Cut anywhere, or with any byte changed, it is refused and never read as something else.
  @Test func damageIsRefused() {
    for count in 0..<Self.filtered.count - 12 {
      #expect(throws: ImageError.self) { _ = try Image(png: Array(Self.filtered.prefix(count))) }
    }
    for place in 0..<Self.filtered.count - 12 {
      var damaged = Self.filtered
      damaged[place] ^= 0x10
      #expect(throws: ImageError.self, "byte \(place)") { _ = try Image(png: damaged) }
    }
  }

  /// 16 bits a channel, a palette, transparency, rows in another order: said so, with sizes that are no trap.
  @Test(arguments: [(24, 16), (25, 3), (25, 6), (28, 1), (16, 0x7f)])
  func otherKindsAreRefused(_ place: Int, _ value: UInt8) throws {
    var bytes = Self.filtered
    bytes[place] = value
    // The checksum of a header of 13 bytes and its name.
    var sum: UInt32 = ~0
    for byte in bytes[12..<29] {
      sum ^= UInt32(byte)
      for _ in 0..<8 { sum = sum >> 1 ^ (sum & 1 == 1 ? 0xedb8_8320 : 0) }
    }
    for (index, shift) in [24, 16, 8, 0].enumerated() { bytes[29 + index] = UInt8(truncatingIfNeeded: ~sum >> shift) }
    #expect(throws: ImageError.self) { _ = try Image(png: bytes) }
  }
}
