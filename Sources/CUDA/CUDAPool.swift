import CCUDA
import Synchronization
import Tensors

/// Memory of the device, kept for reuse: the same calls give the same addresses, and freeing calls no driver.
///
/// One stream runs everything in order, so that what has been freed may be taken at once: whoever used it before was launched
/// before.
final class CUDAPool: Sendable {
  private struct Segment {
    let base: CUdeviceptr
    var stretches: FreeStretches
  }
  private struct State {
    /// Of small pieces, and of large ones: small ones among large ones would split what large ones need.
    var segments: [[Segment]] = [[], []]
    var account = MemoryAccount()
  }

  private static let unit = 512
  private static let mostOfSmall = 1 << 20
  private static let sizes = [32 << 20, 1 << 30]

  private let state = Mutex(State())

  /// - Parameter more: memory from the driver; nil when there is none.
  /// - Returns: nil when the device has no more.
  func take(bytes: Int, _ kind: MemoryKind, more: (Int) -> CUdeviceptr?) -> CUdeviceptr? {
    let size = CUDAPool.rounded(bytes)
    let group = size <= CUDAPool.mostOfSmall ? 0 : 1
    return state.withLock { state in
      var best: (segment: Int, place: Int, size: Int)?
      for (number, segment) in state.segments[group].enumerated() {
        if let (place, found) = segment.stretches.bestFit(size), found < best?.size ?? .max {
          best = (number, place, found)
        }
      }
      var fresh = 0
      if best == nil {
        var length = max(size, CUDAPool.sizes[group])
        var base = more(length)
        if base == nil, length > size {
          // Nearly full: exactly what is needed.
          length = size
          base = more(length)
        }
        guard let base else { return nil }
        fresh = length
        state.segments[group].append(Segment(base: base, stretches: FreeStretches(size: length)))
        best = (state.segments[group].count - 1, 0, length)
      }
      let (number, place, _) = best!
      let offset = state.segments[group][number].stretches.take(size, at: place)
      state.account.took(size, kind, fresh: fresh)
      return state.segments[group][number].base + CUdeviceptr(offset)
    }
  }

  func give(_ address: CUdeviceptr, bytes: Int, _ kind: MemoryKind) {
    let size = CUDAPool.rounded(bytes)
    let group = size <= CUDAPool.mostOfSmall ? 0 : 1
    state.withLock { state in
      let number = state.segments[group].firstIndex {
        $0.base <= address && address < $0.base + CUdeviceptr($0.stretches.size)
      }!
      let offset = Int(address - state.segments[group][number].base)
      state.segments[group][number].stretches.give(offset: offset, size: size)
      state.account.gave(size, kind)
    }
  }

  /// Gives segments that nothing uses back to the driver: nothing may run that did.
  func returnFree(_ free: (CUdeviceptr) -> Void) {
    state.withLock { state in
      for group in state.segments.indices {
        for segment in state.segments[group] where segment.stretches.isFree {
          free(segment.base)
          state.account.returned(segment.stretches.size)
        }
        state.segments[group].removeAll { $0.stretches.isFree }
      }
    }
  }

  var report: MemoryReport { state.withLock { $0.account.report } }

  func restart() { state.withLock { $0.account.restart() } }

  /// In use now.
  var held: Int { state.withLock { $0.account.total } }

  private static func rounded(_ bytes: Int) -> Int { max(unit, (bytes + unit - 1) / unit * unit) }
}

/// Numbers in the device's memory; given back when nothing holds them.
final class CUDAMemory: DeviceMemory {
  let address: CUdeviceptr
  private let bytes: Int
  private let kind: MemoryKind
  let device: CUDADevice

  init(_ device: CUDADevice, address: CUdeviceptr, bytes: Int, kind: MemoryKind) {
    (self.device, self.address, self.bytes, self.kind) = (device, address, bytes, kind)
  }

  deinit { if address != 0 { device.pool.give(address, bytes: bytes, kind) } }

  func read(into host: UnsafeMutablePointer<Float>, count: Int) { device.read(self, into: host, count: count) }

  // As kernels' arguments. Of memory that could not be had an address that nobody gets to see: nothing is launched then.
  var floats: UnsafeMutablePointer<Float>! { pointer(Float.self) }
  var integers: UnsafeMutablePointer<Int32>! { pointer(Int32.self) }
  func pointer<Element>(_ type: Element.Type) -> UnsafeMutablePointer<Element>! {
    UnsafeMutablePointer(bitPattern: max(UInt(address), 16))
  }
}
