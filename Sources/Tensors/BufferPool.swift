import Foundation
import Synchronization

/// Memory for large buffers, never given back to the system: what one step has touched, the next one uses again.
///
/// Free stretches are kept by address and joined with their neighbors, so that many small activations make room for a
/// few large gradients; the smallest stretch that fits is taken.
final class BufferPool: Sendable {
  static let shared = BufferPool()

  /// One stretch of address space. The system hands out its pages when they are first written.
  fileprivate struct Segment: @unchecked Sendable {
    let base: UnsafeMutableRawPointer
    let size: Int
    /// What has been used at any time.
    var touched = 0
    /// By offset, none next to another.
    var free: [(offset: Int, size: Int)]
  }
  private struct State {
    var segments: [Segment] = []
    var account = MemoryAccount()
  }
  private struct Address: @unchecked Sendable { var pointer: UnsafeMutableRawPointer }

  private let state = Mutex(State())
  private static let page = 4096
  private static let segment = 1 << 30

  func take(bytes: Int, _ kind: MemoryKind) -> UnsafeMutableRawPointer {
    let size = (bytes + BufferPool.page - 1) / BufferPool.page * BufferPool.page
    return state.withLock { state in
      var best: (segment: Int, place: Int, size: Int)?
      for (number, segment) in state.segments.enumerated() {
        for (place, stretch) in segment.free.enumerated()
        where stretch.size >= size && stretch.size < best?.size ?? .max {
          best = (number, place, stretch.size)
        }
      }
      if best == nil {
        state.segments.append(BufferPool.newSegment(max(size, BufferPool.segment)))
        best = (state.segments.count - 1, 0, state.segments.last!.size)
      }
      let (number, place, found) = best!
      let offset = state.segments[number].free[place].offset
      if found == size {
        state.segments[number].free.remove(at: place)
      } else {
        state.segments[number].free[place] = (offset + size, found - size)
      }
      let fresh = max(0, offset + size - max(offset, state.segments[number].touched))
      state.segments[number].touched = max(state.segments[number].touched, offset + size)
      state.account.took(size, kind, fresh: fresh)
      return Address(pointer: state.segments[number].base + offset)
    }.pointer
  }

  func give(_ pointer: UnsafeMutableRawPointer, bytes: Int, _ kind: MemoryKind) {
    let size = (bytes + BufferPool.page - 1) / BufferPool.page * BufferPool.page
    let address = Address(pointer: pointer)
    state.withLock { state in
      let number = state.segments.firstIndex { $0.base <= address.pointer && address.pointer < $0.base + $0.size }!
      let offset = address.pointer - state.segments[number].base
      state.segments[number].join(offset: offset, size: size)
      state.account.gave(size, kind)
    }
  }

  func withAccount<Result: Sendable>(_ body: @Sendable (inout MemoryAccount) -> Result) -> Result {
    state.withLock { body(&$0.account) }
  }

  private static func newSegment(_ size: Int) -> Segment {
    // Large pages: fewer faults at first use, fewer misses of the page table later.
    let large = 1 << 21
    guard
      let raw = mmap(
        nil, size + large, PROT_READ | PROT_WRITE, MAP_PRIVATE | Int32(MAP_ANONYMOUS) | Int32(MAP_NORESERVE), -1, 0),
      raw != MAP_FAILED
    else { fatalError("out of memory: \(size) bytes") }
    let base = UnsafeMutableRawPointer(bitPattern: (UInt(bitPattern: raw) + UInt(large) - 1) & ~UInt(large - 1))!
    let hugePages: Int32 = 14  // MADV_HUGEPAGE
    madvise(base, size, hugePages)
    return Segment(base: base, size: size, free: [(0, size)])
  }
}

extension BufferPool.Segment {
  fileprivate mutating func join(offset: Int, size: Int) {
    var (low, high) = (0, free.count)
    while low < high {
      let middle = (low + high) / 2
      if free[middle].offset < offset { low = middle + 1 } else { high = middle }
    }
    let touchesNext = low < free.count && offset + size == free[low].offset
    if low > 0, free[low - 1].offset + free[low - 1].size == offset {
      free[low - 1].size += size
      if touchesNext {
        free[low - 1].size += free[low].size
        free.remove(at: low)
      }
    } else if touchesNext {
      free[low] = (offset, size + free[low].size)
    } else {
      free.insert((offset, size), at: low)
    }
  }
}
