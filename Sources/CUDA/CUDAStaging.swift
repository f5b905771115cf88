import CCUDA
import Synchronization

/// Memory that the device reads while the processor goes on: blocks in turn, each free again when its copies have run.
final class CUDAStaging: Sendable {
  private struct Block: @unchecked Sendable {
    let memory: UnsafeMutableRawPointer
    let event: CUevent
    var isBusy = false
  }
  private struct State {
    var blocks: [Block] = []
    var current = 0
    var used = 0
  }
  private static let size = 16 << 20
  private static let count = 4
  private let state = Mutex(State())

  /// Copies `bytes` at `from` before it returns; they arrive in stream order.
  func upload(_ from: UnsafeRawPointer, bytes: Int, to address: CUdeviceptr, _ device: CUDADevice) {
    let driver = device.libraries.driver
    nonisolated(unsafe) let from = from
    state.withLock { state in
      if state.blocks.isEmpty {
        for _ in 0..<CUDAStaging.count {
          var (memory, event): (UnsafeMutableRawPointer?, CUevent?)
          let flags = UInt32(CCUDA_HOST_PORTABLE)
          guard device.did("cuMemHostAlloc", driver.cuMemHostAlloc(&memory, CUDAStaging.size, flags)),
            device.did("cuEventCreate", driver.cuEventCreate(&event, UInt32(CCUDA_EVENT_DISABLE_TIMING)))
          else { return }
          state.blocks.append(Block(memory: memory!, event: event!))
        }
      }
      var done = 0
      while done < bytes {
        if state.used == CUDAStaging.size {
          let current = state.current
          device.did("cuEventRecord", driver.cuEventRecord(state.blocks[current].event, device.stream))
          state.blocks[current].isBusy = true
          state.current = (current + 1) % CUDAStaging.count
          state.used = 0
          if state.blocks[state.current].isBusy {
            device.did("cuEventSynchronize", driver.cuEventSynchronize(state.blocks[state.current].event))
          }
        }
        let part = min(bytes - done, CUDAStaging.size - state.used)
        let place = state.blocks[state.current].memory + state.used
        place.copyMemory(from: from + done, byteCount: part)
        guard
          device.did(
            "cuMemcpyHtoDAsync",
            driver.cuMemcpyHtoDAsync_v2(address + CUdeviceptr(done), place, part, device.stream))
        else { return }
        done += part
        state.used = min(CUDAStaging.size, (state.used + part + 255) / 256 * 256)
      }
    }
  }
}
