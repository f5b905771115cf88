/// FNV-1a, 64 bits: the same on every machine and in every run, unlike Swift's own hashes. Not for secrets.
package struct StableHash: Sendable {
  package private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  package init() {}

  package mutating func add(_ bytes: some Sequence<UInt8>) {
    for byte in bytes { value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
  }

  package mutating func add(_ numbers: [Float]) {
    numbers.withUnsafeBytes { add($0) }
  }
}
