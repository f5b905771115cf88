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
  private let pool: WorkerPool
  private let interruption: Interruption
  let request: (_ attempt: Int) -> WorkerRequest
  /// Why to give up, given how many attempts failed and how many were kept so far; nil when none may fail.
  let giveUp: ((_ failed: Int, _ kept: Int) -> String?)?

  init(
    title: String, _ plan: CollectionPlan, count: Int, store: EpisodeStore,
    request: @escaping (Int) -> WorkerRequest, giveUp: ((Int, Int) -> String?)? = nil
  ) {
    (self.title, self.count, self.store) = (title, count, store)
    (pool, interruption) = (plan.pool, plan.interruption)
    (self.request, self.giveUp) = (request, giveUp)
  }

  /// How many attempts may break off before one succeeds.
  private static let mostBrokenOff = 3

  struct Collected {
    /// The attempts that are kept.
    var kept: [Int]
    /// How many of those before the last of them failed.
    var failed: Int
    let bar: ProgressBar
  }

  /// - Throws: `CommandFailure` when a worker failed or the first attempts all broke off, it was given up, or `interruption` asked to stop.
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
    var brokenOff = 0
    let bar = ProgressBar(title, total: count, unit: "demos", first: count - min(count, waiting().count))
    while true {
      let open = waiting()
      if open.isEmpty { break }
      let progress = Mutex((done: count - open.count, lost: nil as String?))
      let hasFailed = Atomic(false)
      let outcomes = pool.run(
        open.map(request), responding: WorkerResponse.self,
        shouldStop: { [interruption] in interruption.isAsked || hasFailed.load(ordering: .relaxed) }
      ) { [store] place, outcome in
        progress.withLock { state in
          switch outcome {
          case .success(.recorded):
            state.done += 1
            bar.update(state.done)
          case .success(.notSolved):
            // At once: a kill must not cost what is known.
            do { try store.markFailed(open[place]) } catch { state.lost = CommandFailure.line(error) }
          case .failure: hasFailed.store(true, ordering: .relaxed)
          case .success, .crashed, .notStarted: break
          }
        }
      }
      if let lost = progress.withLock({ $0.lost }) { throw CommandFailure(lost) }
      for (attempt, outcome) in zip(open, outcomes) {
        switch outcome {
        // What failed outside the simulator, a full disk for example, says nothing of an attempt.
        case .failure(let reason): throw CommandFailure("\(title), attempt \(attempt): \(reason)")
        case .crashed(let reason), .success(.broke(let reason)):
          if giveUp == nil { throw CommandFailure("\(title), attempt \(attempt): \(reason)") }
        case .success, .notStarted: break
        }
      }
      let kept = attempts() - store.missing(of: attempts()).count
      for (attempt, outcome) in zip(open, outcomes) {
        switch outcome {
        case .success(.recorded): break
        case .success(.broke(let reason)), .crashed(let reason):
          // One that broke off has failed; when that is all that happens, something is wrong with all of them.
          brokenOff += 1
          guard kept > 0 || brokenOff < DemonstrationCollection.mostBrokenOff else {
            throw CommandFailure("\(title), attempt \(attempt): \(reason)")
          }
          if kept > 0 { try store.markFailed(attempt, reason: reason) }
          failed.insert(attempt)
        case .success: failed.insert(attempt)
        case .failure, .notStarted: throw Interruption.failure
        }
      }
      let all = attempts()
      if let reason = giveUp?(
        failed.count { $0 < all }, count - store.missing(of: all).filter { !failed.contains($0) }.count)
      {
        throw CommandFailure(reason)
      }
    }
    let all = attempts()
    return Collected(kept: (0..<all).filter { !failed.contains($0) }, failed: all - count, bar: bar)
  }
}
