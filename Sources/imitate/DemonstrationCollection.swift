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
  /// Whether an attempt may fail, and another takes its place.
  var mayFail = true
  let request: (_ attempt: Int) -> WorkerRequest
  /// Why to give up, given how many attempts failed and how many were kept so far.
  var giveUp: (_ failed: Int, _ kept: Int) -> String? = { _, _ in nil }

  struct Collected {
    /// The attempts that are kept.
    var kept: [Int]
    /// How many of those before the last of them failed.
    var failed: Int
    let bar: ProgressBar
  }

  /// - Throws: `CommandFailure` when the attempts of a round broke, it was given up, or `interruption` asked to stop.
  func run() throws -> Collected {
    var failed = Set(store.failedAttempts)
    // The fewest attempts that hold `count` successes, as far as failures are known.
    func attempts() -> Int {
      var attempts = count
      while true {
        let wanted = count + failed.count { $0 < attempts }
        if wanted == attempts { return attempts }
        attempts = wanted
      }
    }
    func waiting() -> [Int] { store.missing(of: attempts()).filter { !failed.contains($0) } }
    let bar = ProgressBar(title, total: count, unit: "demos", first: count - min(count, waiting().count))
    while true {
      let open = waiting()
      if open.isEmpty { break }
      let progress = Mutex((done: count - open.count, lost: nil as String?))
      let outcomes = pool.run(
        open.map(request), responding: WorkerResponse.self, shouldStop: { [interruption] in interruption.isAsked }
      ) { [store] place, outcome in
        progress.withLock { state in
          switch outcome {
          case .success(.recorded):
            state.done += 1
            bar.update(state.done)
          case .success:
            // At once: a kill must not cost what is known.
            do { try store.markFailed(open[place]) } catch { state.lost = "\(error)" }
          case .failure, .notStarted: break
          }
        }
      }
      if let lost = progress.withLock({ $0.lost }) {
        throw CommandFailure("\(store.folder): cannot be written: \(lost)")
      }
      var (broken, succeeded): ([(attempt: Int, reason: String)], Int) = ([], 0)
      for (attempt, outcome) in zip(open, outcomes) {
        switch outcome {
        case .success(.recorded): succeeded += 1
        case .success: failed.insert(attempt)
        case .failure(let reason): broken.append((attempt, reason))
        case .notStarted: throw Interruption.failure
        }
      }
      // One that broke has failed; when several do and nothing else happens, something is wrong with all of them.
      let kept = attempts() - store.missing(of: attempts()).count
      if let first = broken.first, !mayFail || kept == 0 || (succeeded == 0 && broken.count > 3) {
        throw CommandFailure("\(title), attempt \(first.attempt): \(first.reason)")
      }
      for (attempt, reason) in broken {
        failed.insert(attempt)
        try store.markFailed(attempt, reason: reason)
      }
      let all = attempts()
      if let reason = giveUp(
        failed.count { $0 < all }, count - store.missing(of: all).filter { !failed.contains($0) }.count)
      {
        throw CommandFailure(reason)
      }
    }
    let all = attempts()
    return Collected(kept: (0..<all).filter { !failed.contains($0) }, failed: all - count, bar: bar)
  }
}
