import Foundation
import Tensors

/// Makes the next few batches on a thread of its own while the present one is learned from.
///
/// Batch `n` is the same whoever makes it and when, so results do not depend on it.
final class Prefetcher<Batch>: @unchecked Sendable {
  private let condition = NSCondition()
  // Guarded by `condition`.
  private var ready: [Int: Result<Batch, any Error>] = [:]
  private var next: Int
  private var taken: Int
  private var isStopped = false
  private var isRunning = true
  /// How long batches were waited for since this was last set to zero.
  var waited = Duration.zero

  /// Makes the batches `first..<last` in order, of which `depth` wait at most.
  init(from first: Int, to last: Int, depth: Int = 2, _ make: @escaping (Int) throws -> Batch) {
    next = first
    taken = first
    nonisolated(unsafe) let make = make
    let thread = Thread { [self] in
      // One core is enough for this, and the pool belongs to the training step.
      Threads.$isSerial.withValue(true) {
        while let number = wanted(before: last, depth: depth) {
          let batch = Result { try make(number) }
          change { ready[number] = batch }
        }
      }
      change { isRunning = false }
    }
    thread.name = "batches"
    thread.start()
  }

  /// Changes what is guarded and wakes whoever waits for it.
  private func change(_ body: () -> Void) {
    condition.withLock {
      body()
      condition.broadcast()
    }
  }

  private func wanted(before last: Int, depth: Int) -> Int? {
    condition.lock()
    defer { condition.unlock() }
    while !isStopped, next < last, next >= taken + depth { condition.wait() }
    guard !isStopped, next < last else { return nil }
    defer { next += 1 }
    return next
  }

  /// Batch `number`; waits until it is made.
  func callAsFunction(_ number: Int) throws -> Batch {
    condition.lock()
    defer { condition.unlock() }
    if ready[number] == nil {
      let start = ContinuousClock.now
      while ready[number] == nil { condition.wait() }
      waited += ContinuousClock.now - start
    }
    let batch = ready.removeValue(forKey: number)!
    taken = number + 1
    condition.broadcast()
    return try batch.get()
  }

  /// Waits until the batch in the making is made, so that nobody makes another at the same time.
  func stop() {
    condition.lock()
    isStopped = true
    condition.broadcast()
    while isRunning { condition.wait() }
    condition.unlock()
  }
}
