import Foundation
import Imitation

/// Tries episodes in several environments at once, with one policy for all of them.
///
/// Each slot has an environment of its own, usually a process; the policy is here, and predicts for all slots that need it in one
/// batch (`ActionScheduler`). Results do not depend on the number of slots, nor on which of them was faster.
package struct VectorRollout: Sendable {
  /// How often an episode is tried before its environment's failure is its result.
  package static let attempts = 3

  /// How many episodes at once.
  package var slots: Int
  /// Steps after which an attempt has failed, by task.
  package var horizons: [String: Int]
  /// Which scenes it is tried in.
  package var pool: ScenePool

  package init(slots: Int, horizons: [String: Int], pool: ScenePool) {
    (self.slots, self.horizons, self.pool) = (max(1, slots), horizons, pool)
  }

  /// Who predicts.
  package enum Acting: Sendable {
    /// One policy of this process, for all slots.
    case here(ActionScheduler)
    /// A connection for each slot.
    case elsewhere(@Sendable () throws -> any Behavior)

    fileprivate var isElsewhere: Bool { if case .elsewhere = self { true } else { false } }
  }

  /// What the episodes are played with.
  package struct Parts: Sendable {
    /// An environment for a slot; without images where nobody looks at any.
    package var environment: @Sendable (_ drawing: Bool) throws -> any Environment
    /// Sees what a slot's episode shows, from that slot's thread; `step` counts from 0 in every attempt.
    package var watch: @Sendable (_ trial: Trial, _ step: Int, Observation) -> Void
    /// Adds to a result what the environment tells of the episode, from that slot's thread.
    package var finish: @Sendable (inout EpisodeResult, any Environment) -> Void
    /// Hears that a policy elsewhere cannot be reached, or is another one by now: that is no episode's result, and the slot has ended.
    package var lost: @Sendable (any Error) -> Void

    package init(
      environment: @escaping @Sendable (_ drawing: Bool) throws -> any Environment,
      watch: @escaping @Sendable (_ trial: Trial, _ step: Int, Observation) -> Void = { _, _, _ in },
      finish: @escaping @Sendable (inout EpisodeResult, any Environment) -> Void = { _, _ in },
      lost: @escaping @Sendable (any Error) -> Void = { _ in }
    ) {
      (self.environment, self.watch, self.finish, self.lost) = (environment, watch, finish, lost)
    }
  }

  /// Tries all of them.
  ///
  /// - Parameters:
  ///   - shouldStop: asked before each episode.
  ///   - finished: called as each episode ends, from its slot's thread.
  package func run(
    _ trials: [Trial], with parts: Parts, acting: Acting,
    shouldStop: @escaping @Sendable () -> Bool = { false },
    finished: @escaping @Sendable (EpisodeResult) -> Void
  ) {
    Turns.run(trials.count, threads: slots) { number, next in
      var slot = Slot(number: number, rollout: self, parts: parts, acting: acting)
      while !shouldStop(), !slot.isLost, let index = next() {
        if let result = slot.play(trials[index], shouldStop) { finished(result) }
      }
    }
  }

  private struct Slot {
    let number: Int
    let rollout: VectorRollout
    let parts: Parts
    let acting: Acting
    var environment: (draws: Bool, made: any Environment)?
    var agent: Agent?
    var connection: (any Behavior)?
    /// Whether it cannot reach its policy.
    private(set) var isLost = false

    /// - Returns: nil when it was stopped between two attempts, or is lost.
    mutating func play(_ trial: Trial, _ shouldStop: () -> Bool) -> EpisodeResult? {
      var result = EpisodeResult(trial)
      for attempt in 1...VectorRollout.attempts {
        var cause = Rollout.Cause.environment
        do {
          let environment = try environment(drawing: !trial.isBlind)
          if !trial.isBlind {
            do {
              try connect()
            } catch  where acting.isElsewhere {
              guard error is any ConnectionLoss, attempt < VectorRollout.attempts else {
                isLost = true
                parts.lost(error)
                return nil
              }
              throw error
            }
          }
          let played = try play(trial, in: environment)
          result = played.result
          guard let failed = played.cause, failed != .behavior else {
            parts.finish(&result, environment)
            return result
          }
          cause = failed
        } catch {
          result.error = "\(error)"
          if error is any ConnectionLoss { cause = .connection }
        }
        // Its process may have been killed for nothing of its own: another gets the episode before it counts as failed.
        if cause == .environment { environment = nil }
        if cause == .connection {
          connection = nil
          // A server that is started again takes a while.
          if attempt < VectorRollout.attempts { Thread.sleep(forTimeInterval: Double(attempt)) }
        }
        if shouldStop(), attempt < VectorRollout.attempts { return nil }
      }
      return result
    }

    private mutating func environment(drawing: Bool) throws -> any Environment {
      if let environment, environment.draws == drawing { return environment.made }
      // One renderer a process.
      environment = nil
      let made = try parts.environment(drawing)
      environment = (drawing, made)
      return made
    }

    private mutating func play(_ trial: Trial, in environment: any Environment) throws -> (
      result: EpisodeResult, cause: Rollout.Cause?
    ) {
      guard let horizon = rollout.horizons[trial.task] else {
        preconditionFailure("VectorRollout: no horizon for \(trial.task)")
      }
      let (agent, connection) = (agent, connection)
      var (leaves, step) = ({}, 0)
      defer { leaves() }
      let rollout = Rollout(horizon: horizon, pool: rollout.pool)
      return rollout.attempt(trial, in: environment) {
        if !trial.isBlind, let connection { return connection }
        if !trial.isBlind, let agent, case .here(let scheduler) = acting {
          scheduler.enter()
          leaves = { scheduler.leave() }
          return ScheduledAgent(agent, scheduler, slot: number)
        }
        return try trial.policy == "random"
          ? RandomBehavior(schema: environment.spec.actions) : environment.expert(for: trial.task, seed: trial.seed)
      } watch: {
        parts.watch(trial, step, $0)
        step += 1
      }
    }

    /// Has an agent or a connection, the last episode's if there is one.
    private mutating func connect() throws {
      switch acting {
      case .here(let scheduler): agent = try agent ?? scheduler.agent()
      case .elsewhere(let make): connection = try connection ?? make()
      }
    }
  }
}

extension Environment {
  /// The expert of the episode that runs, with the noise of recordings.
  /// - Throws: `NoExpert`.
  package func expert(for task: String, seed: UInt64) throws -> any Behavior {
    let expert = (self as? any ExpertProviding)?.expert(seed: seed, noise: 1)
    guard let expert else { throw NoExpert(task: task, environment: spec.name) }
    return expert
  }
}

/// A task that nobody can show.
package struct NoExpert: Error, CustomStringConvertible {
  var task, environment: String
  package var description: String { "\(environment) has no expert for \(task)" }
}
