import Foundation
import Imitation
import Tensors

/// Predicts for many episodes at once: those that need a prediction at about the same time get theirs from one batched forward pass.
///
/// No episode waits for one that does not ask: whoever finds a core free computes a forward pass for all that wait, and those who
/// find none share the next. A row of a batch does not depend on the others, so an episode's actions are the same with any number
/// of slots.
package final class ActionScheduler: Sendable {
  /// What an agent was given, or why nothing.
  private struct Answer {
    var outcome: Result<[Float], any Error>
    /// What the forward pass took.
    var seconds: Double
  }

  private struct Waiting {
    var agent: Agent
    var observation: Observation
    var slot: Int
  }

  private struct State {
    var waiting: [Waiting] = []
    var answers: [Int: Answer] = [:]
    /// Episodes under way that act by this policy.
    var acting = 0
    /// Those of them that wait for a prediction.
    var asking = 0
    /// Cores that forward passes under way compute on.
    var predicting = 0
    var batches: [Int: Int] = [:]
  }

  /// Agents are handed from thread to thread, never used by two at once: a slot waits while its agent is with the scheduler.
  private nonisolated(unsafe) var state = State()
  /// Asked under the lock.
  private nonisolated(unsafe) let make: () throws -> Agent
  private let condition = NSCondition()
  /// What the policy computes on: of whoever made this.
  private let device = Device.current
  private let cores: Int

  /// - Parameters:
  ///   - cores: how many there are for simulators and predictions together.
  ///   - agent: makes agents of one policy.
  package init(cores: Int = ProcessorCores.count, agent: @escaping () throws -> Agent) {
    (self.cores, make) = (cores, agent)
  }

  /// Another agent of the policy.
  func agent() throws -> Agent { try condition.withLock { try make() } }

  /// How many forward passes had how many rows.
  package var batches: [Int: Int] { condition.withLock { state.batches } }

  /// An episode that may ask begins or ends.
  package func enter() { condition.withLock { state.acting += 1 } }
  package func leave() {
    condition.withLock { state.acting -= 1 }
  }

  /// An agent's action, from a batch with others. Whoever finds a core free computes it.
  ///
  /// - Parameter slot: whose agent it is; one request of it at a time.
  /// - Returns: the action, and how many seconds the forward pass took.
  package func action(of agent: Agent, for observation: Observation, slot: Int) throws -> (
    action: [Float], seconds: Double
  ) {
    condition.lock()
    defer { condition.unlock() }
    state.waiting.append(Waiting(agent: agent, observation: observation, slot: slot))
    state.asking += 1
    while true {
      if let answer = state.answers.removeValue(forKey: slot) {
        return (try answer.outcome.get(), answer.seconds)
      }
      guard mayPredict, !state.waiting.isEmpty else {
        condition.wait()
        continue
      }
      predict()
    }
  }

  /// Whether a core is free: the others simulate or predict. On a device there is one pass at a time.
  private var mayPredict: Bool {
    state.predicting == 0 || device == nil && state.acting - state.asking + state.predicting < cores
  }

  /// Answers all that wait. The lock is held when it is called and when it returns, and not in between.
  private func predict() {
    let batch = state.waiting
    state.waiting = []
    // Simulators and other passes may keep the other cores busy meanwhile.
    let isAlone = state.predicting == 0 && state.acting - batch.count < cores - 1
    let taken = isAlone ? cores : 1
    state.predicting += taken
    condition.unlock()
    let start = ContinuousClock.now
    // A device's libraries choose by the number of rows how to add, and that follows from who asks when: row by row there.
    let passes = device == nil ? [batch] : batch.map { [$0] }
    let outcomes = Threads.$isSerial.withValue(!isAlone || Threads.isSerial) {
      Device.with(device) {
        passes.flatMap { rows in Agent.outcomes(of: rows.map(\.agent), for: rows.map(\.observation)) }
      }
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    condition.lock()
    for (row, outcome) in zip(batch, outcomes) { state.answers[row.slot] = Answer(outcome: outcome, seconds: seconds) }
    state.predicting -= taken
    state.asking -= batch.count
    for rows in passes { state.batches[rows.count, default: 0] += 1 }
    condition.broadcast()
  }
}

/// An agent that predicts together with others.
final class ScheduledAgent: Behavior {
  private let agent: Agent
  private let scheduler: ActionScheduler
  private let slot: Int
  private(set) var planningSeconds: Double?

  init(_ agent: Agent, _ scheduler: ActionScheduler, slot: Int) {
    (self.agent, self.scheduler, self.slot) = (agent, scheduler, slot)
  }

  func begin(seed: UInt64) { agent.begin(seed: seed) }

  var plansNext: Bool { agent.plansNext }

  func action(for observation: Observation) throws -> [Float] {
    guard agent.plansNext else { return try agent.action(for: observation) }
    let (action, seconds) = try scheduler.action(of: agent, for: observation, slot: slot)
    planningSeconds = seconds
    return action
  }
}
