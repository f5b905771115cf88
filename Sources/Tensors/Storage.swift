import Foundation
import Synchronization

/// The numbers of a tensor: filled once by whoever makes it; written again by its sole owner only (`Tensor.mutate`).
///
/// That rule makes `@unchecked Sendable` true. Large buffers come from a pool and go back to it, so that a training step
/// after the first asks the system for no memory.
final class Storage: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<Float>
  let count: Int
  private let capacity: Int
  private let kind: MemoryKind

  init(count: Int, kind: MemoryKind? = nil) {
    self.count = count
    self.kind = kind ?? Memory.kind
    (pointer, capacity) = BufferPool.shared.take(max(count, 1), self.kind)
  }

  deinit {
    BufferPool.shared.give(pointer, capacity: capacity, kind)
  }
}

/// Free buffers by capacity. Capacities grow in steps of an eighth, so at most that much is wasted.
final class BufferPool: Sendable {
  static let shared = BufferPool()

  private struct Address: @unchecked Sendable { var pointer: UnsafeMutablePointer<Float> }
  private struct State {
    var free: [Int: [Address]] = [:]
    var account = MemoryAccount()
  }
  private let state = Mutex(State())
  /// Smaller ones are the C library's business, and not counted.
  private static let smallest = 8192
  /// From here on the system is asked for large pages: fewer faults at first use, fewer misses of the page table later.
  private static let large = 1 << 20

  static func capacity(for count: Int) -> Int {
    guard count > smallest else { return count }
    let step = max(1024, 1 << (Int.bitWidth - count.leadingZeroBitCount - 4))
    return (count + step - 1) / step * step
  }

  func take(_ count: Int, _ kind: MemoryKind) -> (UnsafeMutablePointer<Float>, Int) {
    let capacity = BufferPool.capacity(for: count)
    let bytes = (capacity * MemoryLayout<Float>.stride + 63) / 64 * 64
    if capacity > BufferPool.smallest {
      let address = state.withLock { state in
        let address = state.free[capacity]?.popLast()
        state.account.took(bytes, kind, fresh: address == nil)
        return address
      }
      if let address { return (address.pointer, capacity) }
    }
    var raw: UnsafeMutableRawPointer?
    let alignment = capacity >= BufferPool.large ? 1 << 21 : 64
    guard posix_memalign(&raw, alignment, bytes) == 0, let raw else { fatalError("out of memory: \(bytes) bytes") }
    #if os(Linux)
      if capacity >= BufferPool.large { madvise(raw, bytes, 14 /* MADV_HUGEPAGE */) }
    #endif
    return (raw.assumingMemoryBound(to: Float.self), capacity)
  }

  func give(_ pointer: UnsafeMutablePointer<Float>, capacity: Int, _ kind: MemoryKind) {
    guard capacity > BufferPool.smallest else { return Foundation.free(pointer) }
    let address = Address(pointer: pointer)
    let bytes = (capacity * MemoryLayout<Float>.stride + 63) / 64 * 64
    state.withLock { state in
      state.free[capacity, default: []].append(address)
      state.account.gave(bytes, kind)
    }
  }

  func withAccount<Result: Sendable>(_ body: @Sendable (inout MemoryAccount) -> Result) -> Result {
    state.withLock { body(&$0.account) }
  }
}
