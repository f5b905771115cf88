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

  /// When so many attempts in a row break off, something is wrong with all of them.
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
    let patience = giveUp == nil ? 1 : DemonstrationCollection.mostBrokenOff
    // Attempts that broke off since one came to its end, and why to stop.
    let trouble = Mutex((streak: 0, reason: nil as String?))
    let bar = ProgressBar(title, total: count, unit: "demos", first: count - min(count, waiting().count))
    while true {
      let open = waiting()
      if open.isEmpty { break }
      let all = attempts()
      let failures = failed.count { $0 < all }
      if let reason = giveUp?(failures, count - open.count) { throw CommandFailure(reason) }
      let progress = Mutex(count - open.count)
      let outcomes = pool.run(
        open.map(request), responding: WorkerResponse.self,
        shouldStop: { [interruption] in interruption.isAsked || trouble.withLock { $0.reason != nil } }
      ) { [store, title] place, outcome in
        func stop(_ reason: String) {
          trouble.withLock { $0.reason = $0.reason ?? "\(title), attempt \(open[place]): \(reason)" }
        }
        switch outcome {
        case .success(.recorded):
          trouble.withLock { $0.streak = 0 }
          progress.withLock { done in
            done += 1
            bar.update(done)
          }
        case .success(.notSolved):
          trouble.withLock { $0.streak = 0 }
          // At once: a kill must not cost what is known.
          do { try store.markFailed(open[place]) } catch { stop(CommandFailure.line(error)) }
        case .success(.broke(let reason)), .crashed(let reason):
          let streak = trouble.withLock { state in
            state.streak += 1
            return state.streak
          }
          if streak >= patience { stop(reason) }
        // What failed outside the simulator, a full disk for example, says nothing of an attempt.
        case .failure(let reason): stop(reason)
        case .success(.tried): stop("a worker answered another question")
        case .notStarted: break
        }
      }
      if let reason = trouble.withLock({ $0.reason }) { throw CommandFailure(reason) }
      for (attempt, outcome) in zip(open, outcomes) {
        switch outcome {
        case .success(.recorded): break
        case .success(.broke(let reason)), .crashed(let reason):
          try store.markFailed(attempt, reason: reason)
          failed.insert(attempt)
        case .success: failed.insert(attempt)
        case .failure, .notStarted: throw Interruption.failure
        }
      }
    }
    let all = attempts()
    return Collected(kept: (0..<all).filter { !failed.contains($0) }, failed: all - count, bar: bar)
  }
}
