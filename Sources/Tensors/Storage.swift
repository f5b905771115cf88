import Foundation
import Synchronization

/// The numbers of a tensor: filled once by whoever makes it, never written again.
///
/// That rule makes `@unchecked Sendable` true. Large buffers come from a pool and go back to it, so that a training step
/// after the first asks the system for no memory.
final class Storage: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<Float>
  let count: Int
  private let capacity: Int

  init(count: Int) {
    self.count = count
    (pointer, capacity) = BufferPool.shared.take(max(count, 1))
  }

  deinit {
    BufferPool.shared.give(pointer, capacity: capacity)
  }
}

/// Free buffers by capacity. Capacities grow in steps of an eighth, so at most that much is wasted.
final class BufferPool: Sendable {
  static let shared = BufferPool()

  private struct Address: @unchecked Sendable { var pointer: UnsafeMutablePointer<Float> }
  private let free = Mutex<[Int: [Address]]>([:])
  /// Smaller ones are the C library's business.
  private static let smallest = 8192

  static func capacity(for count: Int) -> Int {
    guard count > smallest else { return count }
    let step = max(1024, 1 << (Int.bitWidth - count.leadingZeroBitCount - 4))
    return (count + step - 1) / step * step
  }

  func take(_ count: Int) -> (UnsafeMutablePointer<Float>, Int) {
    let capacity = BufferPool.capacity(for: count)
    if capacity > BufferPool.smallest, let address = free.withLock({ $0[capacity]?.popLast() }) {
      return (address.pointer, capacity)
    }
    var raw: UnsafeMutableRawPointer?
    let bytes = (capacity * MemoryLayout<Float>.stride + 63) / 64 * 64
    guard posix_memalign(&raw, 64, bytes) == 0, let raw else { fatalError("out of memory: \(bytes) bytes") }
    return (raw.assumingMemoryBound(to: Float.self), capacity)
  }

  func give(_ pointer: UnsafeMutablePointer<Float>, capacity: Int) {
    guard capacity > BufferPool.smallest else { return Foundation.free(pointer) }
    let address = Address(pointer: pointer)
    free.withLock { $0[capacity, default: []].append(address) }
  }
}
