import CCUDA
import Foundation
import Synchronization
import Tensors

/// One thing that the stream does.
enum CUDAWork: Equatable {
  struct Kernel: Equatable {
    let function: CUfunction
    let grid: SIMD3<UInt32>
    let block, shared: UInt32
    let arguments: [UInt8]
    let name: String

    static func == (a: Kernel, b: Kernel) -> Bool {
      a.function == b.function && a.grid == b.grid && a.block == b.block && a.shared == b.shared
        && a.arguments == b.arguments
    }
  }

  /// Numbers of all ranks.
  struct Gather: Equatable {
    let from: UnsafePointer<Float>?
    let to: UnsafeMutablePointer<Float>?
    let count: Int
    let collective: CUDACollective

    static func == (a: Gather, b: Gather) -> Bool {
      a.from == b.from && a.to == b.to && a.count == b.count && a.collective === b.collective
    }
  }

  case kernel(Kernel)
  case product(CUDAProducts.Call)
  case copy(from: CUdeviceptr, to: CUdeviceptr, bytes: Int)
  case gather(Gather)
  /// Of the processor's numbers.
  case upload(to: CUdeviceptr, bytes: Int)

  var uploadedBytes: Int { if case .upload(_, let bytes) = self { bytes } else { 0 } }

  /// For messages.
  var name: String {
    switch self {
    case .kernel(let kernel): kernel.name
    case .product: "cublasLtMatmul"
    case .copy: "cuMemcpyDtoDAsync"
    case .gather: "ncclAllGather"
    case .upload: "cuMemcpyHtoDAsync"
    }
  }
}

/// Steps that do the same each time, launched as one graph: a launch by itself costs the driver four times as much.
///
/// The operations of a step run as always, only what they ask of the stream is compared with what the step before asked for. After
/// two equal steps the third is recorded, and from then on a step whose work is the recorded one ends in a single launch. One that
/// differs, or reads a number on its way, has what it asked for so far issued piece by piece, and goes on so; it is recorded
/// again later. What differs by step without being other work (numbers from the processor: batches, noise, rates, keys of random
/// numbers) lies in one block of memory that is copied before the graph runs, and the graph copies its parts to their places.
final class CUDAGraphs: @unchecked Sendable {  // `turn` guards everything else.
  let tell = Mutex<(@Sendable (String) -> Void)?>(nil)
  /// Held during a step: what other threads ask for in between waits until it has ended.
  private let turn = NSRecursiveLock()
  private let isOn: Bool
  private var steps: [String: Step] = [:]
  /// The step that is running.
  private var present: Step?
  private var launchCount = 0

  init(isOn: Bool) { self.isOn = isOn }

  var launches: Int { turn.withLock { launchCount } }

  func submit(_ work: CUDAWork, _ source: UnsafeRawPointer?, _ device: CUDADevice) {
    turn.withLock {
      if let present { present.take(work, source, device) } else { device.issueNow(work, source) }
    }
  }

  /// Issues what has been held back, and runs `body`, which wants to see numbers.
  func apart(_ device: CUDADevice, _ body: () -> Void) {
    turn.withLock {
      present?.interrupt(device)
      body()
    }
  }

  /// Forgets the graphs, whose copies may name memory that is given back.
  func forget(_ device: CUDADevice) {
    turn.withLock { for step in steps.values { step.reset(device) } }
  }

  func repeated<Result>(_ name: String, _ device: CUDADevice, _ body: () throws -> Result) rethrows -> Result {
    turn.lock()
    defer { turn.unlock() }
    let step = steps[name] ?? Step()
    steps[name] = step
    // Not one in another, and not where it has not worked.
    guard isOn, present == nil, !step.isOff, device.isReady() else { return try body() }
    present = step
    step.begin(device)
    var hasEnded = false
    defer {
      if !hasEnded { step.interrupt(device) }
      present = nil
    }
    let result = try body()
    hasEnded = true
    launchCount += step.end(device) ? 1 : 0
    if step.isOff, let reason = step.reason {
      tell.withLock { $0 }?("note: the \(name) is not launched as one graph: \(reason)")
    }
    return result
  }
}

extension CUDAGraphs {
  /// The work of one kind of step.
  private final class Step {
    private enum Mode { case issuing, recording, comparing }

    private var mode = Mode.issuing
    /// What this step asked for so far (issuing, recording) or what the recorded one did (comparing).
    private var notes: [CUDAWork] = []
    /// What the last step asked for.
    private var last: [CUDAWork]?
    /// How far this one is the same.
    private var place = 0
    private var graph: CUgraphExec?
    private var inputs: CUDAInputs?
    private var reads = 0
    /// Steps in a row without a graph, and recordings in a row that served no step.
    private var (plain, wasted) = (0, 0)
    private(set) var reason: String?
    var isOff: Bool { reason != nil }

    func begin(_ device: CUDADevice) {
      (place, reads) = (0, 0)
      if graph != nil {
        mode = .comparing
        inputs!.begin(device)
      } else if let last, let inputs, last == notes {
        mode = .recording
        notes = []
        inputs.begin(device)
        // Relaxed: memory may be asked for meanwhile, and other threads have nothing to do with it.
        let kind = Int32(CCUDA_CAPTURE_RELAXED)
        if device.libraries.driver.cuStreamBeginCapture_v2(device.stream, kind) != CCUDA_SUCCESS {
          mode = .issuing
          turnOff("the driver does not record it", device)
        }
      } else {
        mode = .issuing
        (last, notes) = (notes, [])
      }
    }

    func take(_ work: CUDAWork, _ source: UnsafeRawPointer?, _ device: CUDADevice) {
      // Ranks decide for themselves whether a step is a graph, and NCCL wants all or none of them to record what they do together.
      if case .gather = work {
        interrupt(device)
        return device.issueNow(work)
      }
      switch mode {
      case .issuing:
        notes.append(work)
        device.issueNow(work, source)
      case .recording:
        // What cannot be recorded may still be done.
        guard let staged = inputs!.staged(work, source), device.issue(staged) == nil else {
          return leave(for: work, source, device)
        }
        notes.append(staged)
      case .comparing:
        guard place < notes.count, let staged = inputs!.staged(work, source), staged == notes[place] else {
          return leave(for: work, source, device)
        }
        place += 1
      }
    }

    private func leave(for work: CUDAWork, _ source: UnsafeRawPointer?, _ device: CUDADevice) {
      leave(device)
      take(work, source, device)
    }

    func interrupt(_ device: CUDADevice) {
      reads += 1
      if mode != .issuing { leave(device) }
    }

    /// Issues what was held back; the rest of the step is issued as it comes.
    private func leave(_ device: CUDADevice) {
      let held = mode == .recording ? notes[...] : notes[..<place]
      if mode == .recording { drop(endRecording(device).graph, device) }
      wasted += 1
      forget(device)
      catchUp(held, device)
      // With places in the inputs where others have uploads: equal to no step.
      (mode, last, notes) = (.issuing, nil, [])
    }

    private func catchUp(_ held: ArraySlice<CUDAWork>, _ device: CUDADevice) {
      guard device.isReady() else { return }
      inputs!.send(device)
      for work in held { device.issueNow(work) }
    }

    /// - Returns: whether the step was launched as a graph.
    func end(_ device: CUDADevice) -> Bool {
      // After a failure nothing is launched.
      if mode != .issuing, !device.isReady() { leave(device) }
      if mode == .comparing, place < notes.count { leave(device) }
      switch mode {
      case .issuing:
        plain += 1
        if wasted >= 3 {
          turnOff("three recordings in a row served no other step", device)
        } else if plain >= 30 {
          turnOff(reads > 0 ? "it reads \(reads) numbers on its way" : "no two are the same", device)
        }
        // A step that reads is equal to none, as it could not be held back.
        if reads > 0 {
          last = nil
        } else if last == notes {
          let bytes = notes.reduce(0) { $0 + CUDAInputs.room($1.uploadedBytes) }
          if inputs.map({ $0.bytes < bytes }) ?? true { inputs = CUDAInputs(bytes: bytes + bytes / 4, device) }
        }
        return false
      case .recording:
        let (status, recorded) = endRecording(device)
        defer { drop(recorded, device) }
        var made: CUgraphExec?
        let driver = device.libraries.driver
        guard status == CCUDA_SUCCESS, driver.cuGraphInstantiateWithFlags(&made, recorded, 0) == CCUDA_SUCCESS else {
          catchUp(notes[...], device)
          turnOff("the driver does not record it", device)
          return false
        }
        graph = made
        return launch(device)
      case .comparing:
        (plain, wasted) = (0, 0)
        return launch(device)
      }
    }

    private func launch(_ device: CUDADevice) -> Bool {
      inputs!.send(device)
      return device.did("cuGraphLaunch", device.libraries.driver.cuGraphLaunch(graph, device.stream))
    }

    private func endRecording(_ device: CUDADevice) -> (status: CUresult, graph: CUgraph?) {
      var graph: CUgraph?
      return (device.libraries.driver.cuStreamEndCapture(device.stream, &graph), graph)
    }

    private func drop(_ graph: CUgraph?, _ device: CUDADevice) {
      if let graph { device.did("cuGraphDestroy", device.libraries.driver.cuGraphDestroy(graph)) }
    }

    private func forget(_ device: CUDADevice) {
      if let graph { device.did("cuGraphExecDestroy", device.libraries.driver.cuGraphExecDestroy(graph)) }
      graph = nil
    }

    /// Begins again with the next step. The present one has been interrupted before.
    func reset(_ device: CUDADevice) {
      guard mode == .issuing || graph != nil else { return }
      forget(device)
      (mode, last, notes) = (.issuing, nil, [])
    }

    private func turnOff(_ why: String, _ device: CUDADevice) {
      forget(device)
      (reason, last, notes, inputs) = (why, nil, [], nil)
    }
  }
}

/// The processor's numbers of one step, for a graph: gathered in pinned memory, sent as one block.
private final class CUDAInputs {
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
