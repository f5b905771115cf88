import Foundation
import Synchronization

/// Threads that take turns at numbered jobs: who is done with one takes the next.
package enum Turns {
  /// Runs `body` on some threads at once and waits for all of them. Threads, not tasks: each blocks on a process.
  ///
  /// - Parameters:
  ///   - count: how many jobs there are; no more threads than that are started.
  ///   - body: is given its thread's number, and what takes the next job: nil when none is left.
  package static func run(
    _ count: Int, threads: Int, _ body: @escaping @Sendable (_ thread: Int, _ next: () -> Int?) -> Void
  ) {
    let taken = Mutex(0)
    let group = DispatchGroup()
    for number in 0..<min(threads, count) {
      group.enter()
      let thread = Thread {
        body(number) {
          taken.withLock { taken in
            guard taken < count else { return nil }
            defer { taken += 1 }
            return taken
          }
        }
        group.leave()
      }
      // Networks are deep; a thread's usual half megabyte is meant for less.
      thread.stackSize = 8 << 20
      thread.start()
    }
    group.wait()
  }
}
