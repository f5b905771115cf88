import Foundation
import Tensors

/// Makes the next batches on threads of its own while the present one is learned from.
///
/// Batch `n` is the same whoever makes it and when, so results do not depend on the number of workers.
package final class Loader<Batch>: @unchecked Sendable {
  private let condition = NSCondition()
  // Guarded by `condition`.
  private var ready: [Int: Result<Batch, any Error>] = [:]
  private var next: Int
  private var taken: Int
  private var isStopped = false
  private var running: Int
  /// How long batches were waited for since this was last set to zero.
  package var waited = Duration.zero

  /// Makes the batches `first..<last`, handed out in order.
  ///
  /// - Parameters:
  ///   - workers: the threads. One makes the batches one after the other; several call `make` at the same time. One batch more
  ///     than there are workers waits at most.
  package init(from first: Int, to last: Int, workers: Int = 1, _ make: @escaping (Int) throws -> Batch) {
    next = first
    taken = first
    running = max(1, workers)
    let depth = running + 1
    nonisolated(unsafe) let make = make
    for _ in 0..<running {
      let thread = Thread { [self] in
        // One core is enough for each, and the pool belongs to the training step.
        Threads.$isSerial.withValue(true) {
          while let number = wanted(before: last, depth: depth) {
            let batch = Result { try make(number) }
            change { ready[number] = batch }
          }
        }
        change { running -= 1 }
      }
      thread.name = "batches"
      thread.start()
    }
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
  package func callAsFunction(_ number: Int) throws -> Batch {
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

  /// Waits until the batches in the making are made, so that nobody makes another at the same time.
  package func stop() {
    condition.lock()
    isStopped = true
    condition.broadcast()
    while running > 0 { condition.wait() }
    condition.unlock()
  }
}
