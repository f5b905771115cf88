import Foundation

/// The numbers of a tensor: filled once by whoever makes it; written again by its sole owner only (`Tensor.mutate`).
///
/// That rule makes `@unchecked Sendable` true. Large buffers come from a pool and go back to it, so that a training step
/// after the first asks the system for no memory.
final class Storage: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<Float>
  let count: Int
  private let kind: MemoryKind

  /// Smaller ones are the C library's business, and not counted.
  private static let smallest = 8192

  init(count: Int, kind: MemoryKind? = nil) {
    self.count = count
    self.kind = kind ?? Memory.kind
    if count >= Storage.smallest {
      pointer = BufferPool.shared.take(bytes: count * MemoryLayout<Float>.stride, self.kind)
        .assumingMemoryBound(to: Float.self)
    } else {
      var raw: UnsafeMutableRawPointer?
      let bytes = max(64, (count * MemoryLayout<Float>.stride + 63) / 64 * 64)
      guard posix_memalign(&raw, 64, bytes) == 0, let raw else { fatalError("out of memory: \(bytes) bytes") }
      pointer = raw.assumingMemoryBound(to: Float.self)
    }
  }

  deinit {
    if GraphTrace.isWriting { GraphTrace.forget(ObjectIdentifier(self)) }
    if count >= Storage.smallest {
      BufferPool.shared.give(pointer, bytes: count * MemoryLayout<Float>.stride, kind)
    } else {
      free(pointer)
    }
  }
}
