import Demonstrations
import Evaluation
import Foundation
import Synchronization

/// Collects the demonstrations of one task from worker processes, each kept as soon as it is there.
///
/// Attempts are numbered, and the first `count` that succeed are kept, whichever worker was faster: an interrupted collection
/// goes on where it stopped and ends with the same episodes.
struct DemonstrationCollection {
  let title: String
  let count: Int
  let store: EpisodeStore
  let pool: WorkerPool
  let interruption: Interruption
  let request: (_ attempt: Int) -> WorkerRequest
  /// Why to give up, given how many attempts failed and how many were kept so far.
  let giveUp: (_ failed: Int, _ kept: Int) -> String?

  struct Collected {
    /// The attempts that are kept.
    var kept: [Int]
    var failed: Int
    let bar: ProgressBar
  }

  /// - Throws: `CommandFailure` when a worker broke, it was given up, or `interruption` asked to stop.
  func run() throws -> Collected {
    var failed = Set(store.failedAttempts)
    var attempts = count + failed.count
    let bar = ProgressBar(
      title, total: count, unit: "demos", first: count - min(count, store.missing(of: attempts).count - failed.count))
    while true {
      let open = store.missing(of: attempts).filter { !failed.contains($0) }
      if open.isEmpty { break }
      let done = Atomic(count - open.count)
      let outcomes = pool.run(
        open.map(request), responding: WorkerResponse.self, shouldStop: { [interruption] in interruption.isAsked }
      ) { _, outcome in
        if case .success(.recorded) = outcome { bar.update(done.add(1, ordering: .relaxed).newValue) }
      }
      for (attempt, outcome) in zip(open, outcomes) {
        switch outcome {
        case .success(.recorded): break
        case .success:
          failed.insert(attempt)
          try store.markFailed(attempt)
        case .failure(let reason): throw CommandFailure("\(title), attempt \(attempt): \(reason)")
        case .notStarted: throw Interruption.failure
        }
      }
      if let reason = giveUp(failed.count, attempts - failed.count) { throw CommandFailure(reason) }
      attempts = count + failed.count
    }
    return Collected(kept: (0..<attempts).filter { !failed.contains($0) }, failed: failed.count, bar: bar)
  }
}
