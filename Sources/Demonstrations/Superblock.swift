/// What the head of an HDF5 file says of its writer, and how long the file should be (HDF5 File Format Specification, II.A).
package struct Superblock: Equatable {
  /// Open for writing: a mark that a killed writer leaves behind.
  package private(set) var isMarkedOpen = false
  /// Open for one writer and many readers (SWMR).
  package private(set) var isShared = false
  package let version: UInt8
  /// The file's end, if it is stated.
  package private(set) var end: UInt64?

  private static let signature: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]

  /// - Parameter bytes: the first 64, or as many as there are.
  package init?(_ bytes: [UInt8]) {
    guard bytes.count >= 12, bytes.starts(with: Superblock.signature) else { return nil }
    version = bytes[8]
    // Version 3, byte 11: bit 0 for any writer, bit 2 for one that shares the file.
    isMarkedOpen = version == 3 && bytes[11] & 1 != 0
    isShared = version == 3 && bytes[11] & 4 != 0
    // The end, for addresses of 8 bytes, which all files have that people have.
    let place =
      switch version {
      case 0: 40
      case 1: 44
      default: 28
      }
    guard version <= 3, bytes.count >= place + 8 else { return }
    end = bytes[place..<place + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}
