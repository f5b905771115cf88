import CCUDA
import Foundation
import Synchronization
import Tensors

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

  /// Issues what has been held back, and runs `body`, which wants to see numbers or must not be part of a graph.
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
