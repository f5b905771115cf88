/// FNV-1a, 64 bits: the same on every machine and in every run, unlike Swift's own hashes. Not for secrets.
package struct StableHash: Sendable {
  package private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  package init() {}

  package mutating func add(_ bytes: some Sequence<UInt8>) {
    for byte in bytes { mix(UInt64(byte)) }
  }

  /// Takes a number's bits as one word, not byte by byte.
  package mutating func add(_ numbers: [Float]) {
    for number in numbers { mix(UInt64(number.bitPattern)) }
  }

  private mutating func mix(_ word: UInt64) { value = (value ^ word) &* 0x0000_0100_0000_01b3 }
}
