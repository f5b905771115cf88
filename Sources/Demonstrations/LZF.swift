import CHDF5
import Foundation

/// h5py's `compression="lzf"`, which the library does not have by itself: LZF streams as Marc Lehmann's LibLZF writes them,
/// under the filter number that h5py registered.
package enum LZF {
  private static let filter: H5Z_filter_t = 32000

  /// Lets the library read such chunks; h5py, robomimic and everything built on them write some.
  static func register() {
    var description = H5Z_class2_t()
    description.version = H5Z_CLASS_T_VERS
    description.id = filter
    description.encoder_present = 0
    description.decoder_present = 1
    description.name = UnsafePointer(strdup("lzf"))  // lives as long as the program
    description.filter = { flags, count, values, bytes, size, buffer in
      guard flags & UInt32(H5Z_FLAG_REVERSE) != 0, let size, let buffer, let stored = buffer.pointee else { return 0 }
      // h5py writes the chunk's bytes as its third value; older files have less, and the length is found by trying.
      var length = count > 2 ? Int(values?[2] ?? 0) : 0
      if length == 0 { length = size.pointee }
      let source = UnsafeRawBufferPointer(start: stored, count: bytes)
      while length < 1 << 31 {
        guard let target = H5allocate_memory(length, false) else { return 0 }
        let result = LZF.inflate(source, into: UnsafeMutableRawBufferPointer(start: target, count: length))
        if case .bytes(let written) = result {
          H5free_memory(stored)
          buffer.pointee = target
          size.pointee = length
          return written
        }
        H5free_memory(target)
        guard case .tooSmall = result else { return 0 }
        length *= 2
      }
      return 0
    }
    H5Zregister(&description)
  }

  package enum Outcome: Equatable {
    case bytes(Int)
    case tooSmall
    case damaged
  }

  /// A stream is a row of literals (a byte below 32, one less than their number) and of copies of what was written before:
  /// three bits of length and thirteen of distance, with a byte more for a length of nine or above.
  package static func inflate(_ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer) -> Outcome {
    var (read, written) = (0, 0)
    while read < source.count {
      let control = Int(source[read])
      read += 1
      if control < 32 {
        let count = control + 1
        guard read + count <= source.count else { return .damaged }
        guard written + count <= target.count else { return .tooSmall }
        (target.baseAddress! + written).copyMemory(from: source.baseAddress! + read, byteCount: count)
        read += count
        written += count
        continue
      }
      var length = control >> 5
      if length == 7 {
        guard read < source.count else { return .damaged }
        length += Int(source[read])
        read += 1
      }
      guard read < source.count else { return .damaged }
      let from = written - ((control & 31) << 8 | Int(source[read])) - 1
      read += 1
      length += 2
      guard from >= 0 else { return .damaged }
      guard written + length <= target.count else { return .tooSmall }
      // Byte by byte: a copy may reach into what it writes.
      for place in 0..<length { target[written + place] = target[from + place] }
      written += length
    }
    return .bytes(written)
  }
}
