import CCUDA

/// The processor's numbers of one step, for a graph: gathered in pinned memory, sent as one block.
final class CUDAInputs {
  /// Three in turn, so that one step may gather while those before it are on their way.
  private static let count = 3
  let bytes: Int
  private let memory: CUDAMemory
  private var blocks: [(memory: UnsafeMutableRawPointer, event: CUevent, isBusy: Bool)] = []
  private var current = 0
  private var used = 0
  private let driver: ccuda_driver

  /// Nil when there is no memory for it.
  init?(bytes: Int, _ device: CUDADevice) {
    driver = device.libraries.driver
    self.bytes = max(bytes, 4096)
    memory = device.allocate(bytes: self.bytes, .scratch)
    for _ in 0..<CUDAInputs.count {
      var (block, event): (UnsafeMutableRawPointer?, CUevent?)
      guard driver.cuMemHostAlloc(&block, self.bytes, UInt32(CCUDA_HOST_PORTABLE)) == CCUDA_SUCCESS,
        driver.cuEventCreate(&event, UInt32(CCUDA_EVENT_DISABLE_TIMING)) == CCUDA_SUCCESS
      else { return nil }
      blocks.append((block!, event!, false))
    }
  }

  deinit {
    for block in blocks {
      if block.isBusy { _ = driver.cuEventSynchronize(block.event) }
      _ = driver.cuEventDestroy_v2(block.event)
      _ = driver.cuMemFreeHost(block.memory)
    }
  }

  /// What an upload takes of a block.
  static func room(_ bytes: Int) -> Int { (bytes + 255) / 256 * 256 }

  func begin(_ device: CUDADevice) {
    (current, used) = ((current + 1) % CUDAInputs.count, 0)
    guard blocks[current].isBusy else { return }
    device.did("cuEventSynchronize", driver.cuEventSynchronize(blocks[current].event))
    blocks[current].isBusy = false
  }

  /// An upload as a copy from its place in the block, into which its numbers are gathered; nil when the block is full.
  func staged(_ work: CUDAWork, _ source: UnsafeRawPointer?) -> CUDAWork? {
    guard case .upload(let to, let bytes) = work else { return work }
    guard used + bytes <= self.bytes else { return nil }
    defer { used += CUDAInputs.room(bytes) }
    (blocks[current].memory + used).copyMemory(from: source!, byteCount: bytes)
    return .copy(from: memory.address + CUdeviceptr(used), to: to, bytes: bytes)
  }

  /// Sends what was gathered ahead of what is launched next.
  func send(_ device: CUDADevice) {
    guard used > 0 else { return }
    device.did(
      "cuMemcpyHtoDAsync",
      driver.cuMemcpyHtoDAsync_v2(memory.address, blocks[current].memory, min(used, bytes), device.stream))
    device.did("cuEventRecord", driver.cuEventRecord(blocks[current].event, device.stream))
    blocks[current].isBusy = true
  }
}
