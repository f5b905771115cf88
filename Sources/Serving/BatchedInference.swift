import Foundation
import Imitation
import Tensors

/// What a policy predicted for one request.
package struct Prediction: Sendable {
  /// Whole actions, the present one first.
  package var actions: [[Float]]
  /// What the forward pass took, and how long the request had waited for it.
  package var pass, waited: Duration
  /// How many requests the pass was for.
  package var rows: Int
}

/// One thread that predicts for all connections: those that wait when a forward pass begins share it.
///
/// Nobody waits for others to join. A row of a batch does not depend on the others, so an answer's bits are those of a request
/// that is alone.
package final class BatchedInference: Sendable {
  package typealias Answer = @Sendable (Result<Prediction, any Error>) -> Void

  private struct Job {
    var connection: Int
    var request: ActionRequest
    var since = ContinuousClock.now
    var answer: Answer
  }

  private struct State {
    var waiting: [Job] = []
    var gone: [Int] = []
    var isEnding = false
    var hasEnded = false
    var failure: (any Error)?
  }

  /// An agent, and which of its connection's episodes it is in.
  private struct Acting {
    var agent: Agent
    var episode = -1
  }

  /// Guarded by `condition`.
  private nonisolated(unsafe) var state = State()
  /// Called by the thread alone.
  private nonisolated(unsafe) let make: () -> Agent
  private let condition = NSCondition()
  private let mostRows: Int
  /// What it computes on: that of the thread that makes it.
  private let device = Device.current
  private let metrics: ServingMetrics

  /// - Parameters:
  ///   - mostRows: how many requests one forward pass may be for.
  ///   - agent: makes agents of one policy.
  package init(mostRows: Int, metrics: ServingMetrics, agent: @escaping () -> Agent) {
    // A device's libraries choose by the number of rows how to add: row by row there, so that an answer's bits stay its own.
    (self.mostRows, self.metrics, make) = (device == nil ? max(1, mostRows) : 1, metrics, agent)
    let thread = Thread { [self] in Device.with(device) { run() } }
    // Networks are deep; a thread's usual half megabyte is meant for less.
    thread.stackSize = 8 << 20
    thread.start()
  }

  /// Predicts for a request, after those that came before it. One request of a connection at a time.
  ///
  /// - Parameter answer: called on the thread that predicts.
  package func submit(_ request: ActionRequest, of connection: Int, answer: @escaping Answer) {
    condition.withLock {
      state.waiting.append(Job(connection: connection, request: request, answer: answer))
      condition.signal()
    }
  }

  /// A connection is closed: what it waits for is not computed, and its history is forgotten.
  package func forget(_ connection: Int) {
    condition.withLock {
      state.waiting.removeAll { $0.connection == connection }
      state.gone.append(connection)
      condition.signal()
    }
  }

  /// Ends the thread after all that waits is answered, and waits for it.
  package func end() {
    condition.withLock {
      state.isEnding = true
      condition.broadcast()
      while !state.hasEnded { condition.wait() }
    }
  }

  /// What is wrong with the device, if something is: a lost one answers nothing any more.
  package var failure: (any Error)? { condition.withLock { state.failure } }

  private func run() {
    var acting: [Int: Acting] = [:]
    while let (jobs, gone) = next() {
      for connection in gone { acting[connection] = nil }
      if !jobs.isEmpty { predict(jobs, &acting) }
    }
    condition.withLock {
      state.hasEnded = true
      condition.broadcast()
    }
  }

  /// The next batch and who has gone since the last one; nil at the end.
  private func next() -> ([Job], gone: [Int])? {
    condition.withLock {
      while state.waiting.isEmpty, state.gone.isEmpty {
        if state.isEnding { return nil }
        condition.wait()
      }
      let jobs = Array(state.waiting.prefix(mostRows))
      state.waiting.removeFirst(jobs.count)
      defer { state.gone = [] }
      return (jobs, state.gone)
    }
  }

  private func predict(_ jobs: [Job], _ acting: inout [Int: Acting]) {
    // A request that gets no actions changes nothing, so that it can be sent again.
    var before: [Int: (episode: Int, memory: Agent.Memory)] = [:]
    for job in jobs {
      var own = acting[job.connection] ?? Acting(agent: make())
      before[job.connection] = (own.episode, own.agent.memory)
      if own.episode < 0 || job.request.begins {
        own.episode += 1
        own.agent.begin(seed: job.request.seed ?? UInt64(own.episode))
      }
      acting[job.connection] = own
    }
    let start = ContinuousClock.now
    let outcomes = Agent.chunks(
      of: jobs.map { acting[$0.connection]!.agent }, seeing: jobs.map(\.request.frames),
      continuing: jobs.map(\.request.prefix))
    let pass = ContinuousClock.now - start
    do { try Device.check() } catch { condition.withLock { state.failure = error } }
    metrics.passed(rows: jobs.count, in: pass)
    for (job, outcome) in zip(jobs, outcomes) {
      if case .failure = outcome, let (episode, memory) = before[job.connection] {
        acting[job.connection]?.episode = episode
        acting[job.connection]?.agent.memory = memory
      }
      job.answer(outcome.map { Prediction(actions: $0, pass: pass, waited: start - job.since, rows: jobs.count) })
    }
  }
}
