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
    /// What has been used at any time.
    var touched = 0
    var stretches: FreeStretches
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
        if let (place, found) = segment.stretches.bestFit(size), found < best?.size ?? .max {
          best = (number, place, found)
        }
      }
      if best == nil {
        state.segments.append(BufferPool.newSegment(max(size, BufferPool.segment)))
        best = (state.segments.count - 1, 0, state.segments.last!.stretches.size)
      }
      let (number, place, _) = best!
      let offset = state.segments[number].stretches.take(size, at: place)
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
      let number = state.segments.firstIndex {
        $0.base <= address.pointer && address.pointer < $0.base + $0.stretches.size
      }!
      let offset = address.pointer - state.segments[number].base
      state.segments[number].stretches.give(offset: offset, size: size)
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
    return Segment(base: base, stretches: FreeStretches(size: size))
  }
}
