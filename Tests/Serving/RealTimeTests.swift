import Foundation
import Imitation
import Policies
import Serving
import Support
import Synchronization
import Tensors
import Testing

/// Where predictions wait while it is closed.
private final class Gate: Sendable {
  private let condition = NSCondition()
  private let state = Mutex(true)
  private let waiting = Mutex(0)

  var isOpen: Bool {
    get { state.withLock { $0 } }
    set {
      condition.lock()
      state.withLock { $0 = newValue }
      condition.broadcast()
      condition.unlock()
    }
  }

  func pass() {
    condition.lock()
    waiting.withLock { $0 += 1 }
    while !isOpen { condition.wait() }
    waiting.withLock { $0 -= 1 }
    condition.unlock()
  }

  /// Whether a prediction comes to wait within ten seconds.
  var isAskedFor: Bool {
    for _ in 0..<1000 where waiting.withLock({ $0 }) == 0 { usleep(10_000) }
    return waiting.withLock { $0 } > 0
  }
}

/// Says in each action for which step it is, at which step it was predicted, and which step was the oldest that it saw; goes on
/// with actions that are given. An observation is the number of its step.
private struct Counting: Policy {
  struct Options: PluginOptions { init() {} }
  static let name = "counting"
  static let help = "For tests."
  let encoder: any ObservationEncoder
  let window = Window(observations: -2...0, actions: 0...7)
  let continuesChunks = true
  var seconds = 0.0
  var gate: Gate?

  init(seconds: Double = 0, gate: Gate? = nil) { (encoder, self.seconds, self.gate) = (Echo().encoder, seconds, gate) }

  init(options: Options, encoder: any ObservationEncoder, actionWidth: Int, random: inout Random) {
    self.encoder = encoder
  }

  func loss(on batch: Batch) -> PolicyLoss { PolicyLoss(batch.actions.sum()) }

  func actions(for observations: ObservationBatch, randoms: inout [Random]) -> Tensor {
    Thread.sleep(forTimeInterval: seconds)
    gate?.pass()
    let seen = encoder(observations).pooled.scalars
    var rows: [Float] = []
    for row in 0..<observations.count {
      let (oldest, present) = (seen[3 * row], seen[3 * row + 2])
      for index in 0..<8 { rows += [present + Float(index), present, oldest] }
    }
    return Tensor(rows, shape: [observations.count, 8, 3])
  }

  func actions(
    for observations: ObservationBatch, randoms: inout [Random], continuing prefixes: [[[Float]]]
  ) throws -> Tensor {
    let predicted = actions(for: observations, randoms: &randoms)
    var values = predicted.scalars
    for (row, prefix) in prefixes.enumerated() {
      for (index, value) in prefix.joined().enumerated() { values[row * 24 + index] = value }
    }
    return Tensor(values, shape: predicted.shape)
  }

  /// An agent that changes no number.
  func agent() -> Agent {
    Agent(
      policy: self,
      normalizer: Normalizer(keys: [
        "x": .init(scale: [1], offset: [0]), "actions": .init(scale: [1, 1, 1], offset: [0, 0, 0]),
      ]), schema: Echo.schema, execute: 8)
  }
}

/// Requests with given actions, and the client that makes them before it runs out of actions.
@Suite(.serialized) struct RealTimeTests {
  /// Seven actions of three numbers, of which a small diffusion policy has two.
  private func diffusing() throws -> Agent {
    var random = Random(seed: 2)
    let policy = try DiffusionUnet(
      options: .init(
        Setting(
          json: """
            {"widths": [32, 64], "step_width": 16, "horizon": 8, "context": 2, "sampler": "ddim", "inference_steps": 4, "clip_sample": false}
            """)), encoder: Echo().encoder, actionWidth: 2, random: &random)
    for (_, parameter) in policy.parameters() {
      parameter.value = parameter.value + .normal(parameter.value.shape, deviation: 0.05, random: &random)
    }
    return Agent(
      policy: policy,
      normalizer: Normalizer(keys: [
        "x": .init(scale: [2], offset: [1]), "actions": .init(scale: [0.5, 3], offset: [0, 0.5]),
      ]), schema: Echo.schema, actions: ActionLayout(learned: [0, 2], template: [0, -1, 0]), execute: 4)
  }

  private let given: [[Float]] = [[0.25, -1, 1], [-0.3, -1, 2.5], [0.1, -1, -1], [0.4, -1, 0], [0, -1, 3]]

  private func message(_ x: Float, _ prefix: NumericArray?, seed: Int64 = 3) -> [UInt8] {
    guard
      case .map(var entries) = MessagePack.map([
        "x": .number(Double(x)), "prompt": .text("go"), "reset": .bool(true), "seed": .integer(seed),
      ])
    else { return [] }
    if let prefix { entries.append(.init(key: .text("action_prefix"), value: MessagePack(prefix))) }
    return MessagePack.map(entries).encoded
  }

  /// What a policy of this process predicts for a batch.
  private func here(_ agent: Agent, _ rows: [(x: Float, prefix: [[Float]])]) throws -> [[[Float]]] {
    let agents = rows.map { _ in
      Agent(
        policy: agent.policy, normalizer: agent.normalizer, schema: agent.schema, actions: agent.actions, execute: 4)
    }
    for agent in agents { agent.begin(seed: 3) }
    return try Agent.chunks(
      of: agents, seeing: rows.map { [Observation(vectors: ["x": [$0.x]], instruction: "go")] },
      continuing: rows.map(\.prefix)
    ).map { try $0.get() }
  }

  /// With and without given actions in one forward pass: each gets what it gets alone, here and through a server.
  @Test(.enabled(if: hasVectorKernels)) func givenActionsAreKept() throws {
    let agent = try diffusing()
    let rows: [(x: Float, prefix: [[Float]])] = [0, 2, 0, 5, 1].enumerated().map { row, count in
      (0.3 * Float(row), Array(given.prefix(count)))
    }
    let together = try here(agent, rows)
    for (row, chunk) in zip(rows, together) {
      #expect(try here(agent, [row])[0] == chunk)
      #expect(chunk.count == 7 && chunk.joined().allSatisfy(\.isFinite))
      for (a, b) in zip(chunk.joined(), row.prefix.joined()) { #expect(abs(a - b) < 1e-5) }
      let free = try here(agent, [(row.x, [])])[0]
      #expect((free == chunk) == row.prefix.isEmpty && (free.last == chunk.last) == row.prefix.isEmpty)
    }
    let served = try Served(agent)
    let (first, greeting) = try served.client()
    #expect(try greeting["real_time"] == .bool(true) && PolicyMetadata(greeting).realTime)
    let found = try atOnce(rows.count) { number -> [[[Float]]] in
      let (client, _) = try served.client()
      return try (0..<5).map { _ in
        let prefix = rows[number].prefix
        try client.send(message(rows[number].x, prefix.isEmpty ? nil : NumericArray(prefix, width: 3)))
        return try Served.actions(client.receive())
      }
    }
    for (number, chunks) in found.enumerated() { #expect(chunks.allSatisfy { $0 == together[number] }) }
    first.close()
  }

  /// Both sides are named, and what was refused is forgotten.
  @Test func givenActionsThatDoNotFitAreRefused() throws {
    let served = try Served(diffusing())
    let (client, _) = try served.client()
    func answer(_ prefix: NumericArray?) throws -> WebSocketClient.Message {
      try client.send(message(0.5, prefix))
      return try client.receive()
    }
    let expected = try Served.actions(answer(nil))
    let width = "the policy needs numbers [1 to 6, 3]"
    for (prefix, text) in [
      (NumericArray(given + given.prefix(2), width: 3), "'action_prefix' is float32 [7, 3], \(width)"),
      (NumericArray([[1, 2]], width: 2), "'action_prefix' is float32 [1, 2], \(width)"),
      (NumericArray([], width: 3), "'action_prefix' is float32 [0, 3], \(width)"),
      (
        NumericArray(type: "<f4", shape: [3], data: [UInt8](repeating: 0, count: 12)[...]),
        "'action_prefix' is float32 [3], \(width)"
      ),
      (NumericArray(type: "|b1", shape: [1, 3], data: [0, 0, 0]), "'action_prefix' is bool [1, 3], \(width)"),
      (NumericArray([[0, .nan, 0]], width: 3), "'action_prefix' holds a value that is not a number"),
      (NumericArray([[.infinity, 0, 0]], width: 3), "'action_prefix' holds a value that is not a number"),
      // Finite, and not when the policy's numbers are made of it.
      (NumericArray([[3e38, 0, 0]], width: 3), "'action_prefix' holds a value that is not a number"),
    ] { #expect(try answer(prefix) == .text(text)) }
    #expect(try Served.actions(answer(nil)) == expected)
    #expect(served.server.metrics.refusals(.mismatch) == 8)
  }

  @Test func aPolicyThatContinuesNothingSaysSo() throws {
    let slow = try Served.agent()
    let policy = try #require(slow.policy as? Slow).inner
    let agent = Agent(
      policy: policy, normalizer: slow.normalizer, schema: slow.schema, actions: slow.actions, execute: 3)
    let served = try Served(agent)
    let (client, greeting) = try served.client()
    #expect(try greeting["real_time"] == .bool(false) && !PolicyMetadata(greeting).realTime)
    try client.send(message(0.5, NumericArray([[1, 2, 3]], width: 3)))
    #expect(
      try client.receive()
        == .text(
          "'action_prefix' is float32 [1, 3], and policy 'bc-transformer' cannot continue given actions "
            + "(real_time of the metadata is false)"))
    #expect(throws: PolicyError.continuesNothing(policy: "bc-transformer")) {
      try here(agent, [(0, [[1, 2, 3]])])
    }
    // A server that does not say so does not continue; one that says something else is not understood.
    guard case .map(let entries) = greeting else { throw PolicyClientError.metadata(key: "") }
    let silent = entries.filter { $0.key.name != "real_time" }
    #expect(try !PolicyMetadata(.map(silent)).realTime)
    #expect(throws: PolicyClientError.metadata(key: "real_time")) {
      try PolicyMetadata(.map(silent + [.init(key: .text("real_time"), value: .integer(1))]))
    }
  }

  // MARK: - The client

  private func client(_ served: Served, execute: Int, realTime: Int?, ensemble: Float? = nil) throws -> PolicyClient {
    let client = try PolicyClient(
      "ws://127.0.0.1:\(served.port)", execute: execute, ensemble: ensemble, seconds: 20)
    client.realTime = realTime
    return client
  }

  private func act(_ client: PolicyClient, _ step: Int) throws -> [Float] {
    try client.action(for: Observation(vectors: ["x": [Float(step)]], instruction: "go"))
  }

  /// Each action is that of its step, whether answers come early or late; the requests are made when they should be, and the policy sees
  /// all frames up to them.
  @Test(arguments: [(8, 2, 0), (6, 2, 0.03), (6, 3, 0), (8, 4, 0.02), (3, 1, 0), (2, 1, 0.01)])
  func actionsJoin(_ execute: Int, _ ahead: Int, _ seconds: Double) throws {
    let served = try Served(Counting(seconds: seconds).agent())
    let client = try client(served, execute: execute, realTime: ahead)
    client.begin(seed: 1)
    var predicted: [Int] = []
    for step in 0..<25 {
      let action = try act(client, step)
      #expect(action[0] == Float(step), "\(action) at \(step)")
      #expect(action[2] == max(0, action[1] - 2))
      predicted.append(Int(action[1]))
      // Some answers come before the last of the old actions is handed out.
      if step % 2 == 0 { usleep(5000) }
    }
    // From the request that follows the first on, an answer's new actions are those after its given ones.
    #expect(predicted == (0..<25).map { max(0, $0 - ahead) / (execute - ahead) * (execute - ahead) })
    client.close()
  }

  /// While the policy computes, who asks ahead is given the actions that are left; who does not waits for it.
  @Test func doesNotWaitWhileActionsAreLeft() throws {
    let gate = Gate()
    let served = try Served(Counting(gate: gate).agent())
    defer { gate.isOpen = true }
    let early = try client(served, execute: 6, realTime: 3)
    early.begin(seed: 1)
    for step in 0..<13 {
      // New actions are needed at 6, 9 and 12, and asked for three steps before.
      if step == 6 { #expect(gate.isAskedFor) }
      gate.isOpen = step == 0 || step >= 6 && step % 3 == 0
      #expect(try act(early, step)[0] == Float(step))
    }
    gate.isOpen = true
    let late = try client(served, execute: 6, realTime: nil)
    late.begin(seed: 1)
    for step in 0..<13 {
      let needsNew = step % 6 == 0
      gate.isOpen = false
      if needsNew {
        Thread {
          Thread.sleep(forTimeInterval: 0.1)
          gate.isOpen = true
        }.start()
      }
      #expect(try act(late, step)[0] == Float(step))
      #expect(gate.isOpen == needsNew, "\(step)")
    }
  }

  /// When nothing is left to hand out it waits, and goes on at the right place.
  @Test func waitsWhenActionsHaveRunOut() throws {
    let served = try Served(Counting(seconds: 0.2).agent())
    let client = try client(served, execute: 6, realTime: 2)
    client.begin(seed: 1)
    for step in 0..<6 { #expect(try act(client, step) == [Float(step), 0, 0]) }
    #expect(client.plansNext)
    let start = ContinuousClock.now
    #expect(try act(client, 6) == [6, 4, 2])
    #expect(ContinuousClock.now - start > .milliseconds(50))
    #expect(!client.plansNext)
  }

  /// An answer to what the last episode asked is dropped, however often another begins.
  @Test func anotherEpisodeBeginsWhileAnAnswerIsComputed() throws {
    let served = try Served(Counting(seconds: 0.1).agent())
    let client = try client(served, execute: 6, realTime: 2)
    for start in [0, 100, 200] {
      client.begin(seed: 1)
      client.begin(seed: UInt64(start))
      for step in start..<start + 5 {
        #expect(try act(client, step) == [Float(step), Float(start), Float(start)])
      }
      // The request of the fifth action is under way.
    }
    client.begin(seed: 9)
    for step in 300..<309 { #expect(try act(client, step)[0] == Float(step)) }
    // Turned off, it takes what it has asked for and then waits for each.
    client.realTime = nil
    for step in 309..<320 { #expect(try act(client, step)[0] == Float(step)) }
  }

  /// In one line, when it acts.
  @Test func whatCannotBeIsRefused() throws {
    let counting = try Served(Counting(seconds: 0).agent())
    func problem(_ client: PolicyClient) -> String {
      client.begin(seed: 1)
      do { _ = try act(client, 0) } catch { return "\(error)" }
      return ""
    }
    #expect(try problem(client(counting, execute: 6, realTime: 3)) == "")
    for wrong in [0, 4, 6, -1] {
      #expect(
        try problem(client(counting, execute: 6, realTime: wrong))
          == "realTime: it is \(wrong) and 6 actions of an answer are carried out; it must be from 1 to half of that"
      )
    }
    // No answer has more than eight.
    #expect(
      try problem(client(counting, execute: 20, realTime: 8)).contains("and 8 actions of an answer are carried out"))
    #expect(
      try problem(client(counting, execute: 6, realTime: 2, ensemble: 0.1)) == "realTime: it does not go with ensemble")
    let both = try client(counting, execute: 6, realTime: 2)
    both.skipsPassedSteps = true
    #expect(problem(both) == "realTime: it does not go with skipsPassedSteps, which it replaces")
    both.realTime = nil
    let ensembling = try client(counting, execute: 6, realTime: nil, ensemble: 0.1)
    ensembling.skipsPassedSteps = true
    #expect(problem(ensembling) == "skipsPassedSteps: it does not go with ensemble")
    (both.skipsPassedSteps, both.realTime) = (false, 2)
    #expect(problem(both) == "")
    #expect(
      try problem(client(Served(), execute: 3, realTime: 1))
        == "realTime: the server's policy 'trial' cannot continue given actions (real_time of its metadata is false)")
  }

  /// A diffusion policy through the real client: the given actions of an answer are those that were handed out.
  @Test(.enabled(if: hasVectorKernels)) func aDiffusionPolicyGoesOn() throws {
    let agent = try diffusing()
    let served = try Served(agent)
    let client = try client(served, execute: 6, realTime: 2)
    client.begin(seed: 3)
    func seen(_ step: Int) -> Observation { Observation(vectors: ["x": [Served.seen(1, step)]], instruction: "go") }
    let found = try (0..<8).map { try client.action(for: seen($0)) }
    let here = Agent(
      policy: agent.policy, normalizer: agent.normalizer, schema: agent.schema, actions: agent.actions, execute: 6)
    here.begin(seed: 3)
    let first = try Agent.chunks(of: [here], seeing: [[seen(0)]])[0].get()
    let second = try Agent.chunks(of: [here], seeing: [(1...4).map(seen)], continuing: [Array(first[4..<6])])[0].get()
    #expect(Array(found[..<5]) == Array(first[..<5]))
    for (a, b) in zip(found[5], first[5]) { #expect(abs(a - b) < 1e-5) }
    #expect(Array(found[6...]) == Array(second[2..<4]))
  }
}
