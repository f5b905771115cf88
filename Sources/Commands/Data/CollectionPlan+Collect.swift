import Foundation
import ImitationKit
import Synchronization

extension CollectionPlan {
  /// How many attempts in a row may crash before something must be wrong with all of them. Were it fewer, a simulator that
  /// crashes now and then would stop a long collection by chance.
  private static let mostBrokenOff = 10

  struct Collected {
    /// The attempts that are kept.
    var kept: [Int]
    /// How many of those before the last of them failed.
    var failed: Int
    let bar: ProgressBar
  }

  /// Collects demonstrations of one task from the worker processes, each kept in `store` as soon as it is there.
  ///
  /// Attempts are numbered, and the first `count` that succeed are kept, whichever worker was faster: an interrupted
  /// collection goes on where it stopped and ends with the same episodes.
  ///
  /// - Parameter giveUp: why to, given how many attempts failed and how many were kept so far; nil when none may fail.
  /// - Throws: `CommandFailure` when a worker failed, too many attempts in a row crashed, it was given up, or `interruption`
  ///   asked to stop.
  func collect(
    _ title: String, count: Int, in store: EpisodeStore, giveUp: ((_ failed: Int, _ kept: Int) -> String?)? = nil,
    request: (_ attempt: Int) -> WorkerRequest
  ) throws -> Collected {
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
    let limit = giveUp == nil ? 1 : CollectionPlan.mostBrokenOff
    let trouble = Mutex((broken: BrokenAttempts(limit: limit), reason: nil as String?))
    let bar = ProgressBar(title, total: count, unit: "demos", first: count - min(count, waiting().count))
    while true {
      let open = waiting()
      if open.isEmpty { break }
      let all = attempts()
      let failures = failed.count { $0 < all }
      if let reason = giveUp?(failures, count - open.count) { throw CommandFailure(reason) }
      let outcomes = pool.run(
        open.map(request), responding: WorkerResponse.self,
        shouldStop: { [interruption] in interruption.isAsked || trouble.withLock { $0.reason != nil } }
      ) { place, outcome in
        // At once: a kill must not cost what is known.
        trouble.withLock { state in
          func stop(_ reason: String) {
            state.reason = state.reason ?? "\(title), attempt \(open[place]): \(reason)"
          }
          func ended(failing: Bool) {
            do {
              // Once it is to stop, those in a row are nobody's failure.
              for other in state.reason == nil ? state.broken.settle() : [] {
                try store.markFailed(other.attempt, reason: other.reason)
              }
              if failing { try store.markFailed(open[place]) }
            } catch {
              stop(CommandFailure.line(error))
            }
          }
          switch outcome {
          case .success(.recorded):
            ended(failing: false)
            bar.advance()
          case .success(.notSolved): ended(failing: true)
          case .success(.broke(let reason)), .crashed(let reason):
            if state.broken.add(open[place], reason: reason) { stop(reason) }
          // What failed outside the simulator, a full disk for example, says nothing of an attempt.
          case .failure(let reason): stop(reason)
          case .notStarted: break
          }
        }
      }
      if let reason = trouble.withLock({ $0.reason }) { throw CommandFailure(reason) }
      for (attempt, outcome) in zip(open, outcomes) {
        switch outcome {
        case .success(.recorded): break
        case .success, .crashed: failed.insert(attempt)
        case .failure, .notStarted: throw Interruption.failure
        }
      }
    }
    // The last ones, with nothing after them.
    for other in trouble.withLock({ $0.broken.settle() }) {
      try store.markFailed(other.attempt, reason: other.reason)
    }
    bar.update(count)
    let all = attempts()
    return Collected(kept: (0..<all).filter { !failed.contains($0) }, failed: all - count, bar: bar)
  }
}
