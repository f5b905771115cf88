import Foundation
import Imitation
import Support
import Tensors
import Testing

@Suite struct AgentTests {
  let schema = Echo.schema

  func agent(execute: Int, normalizer: Normalizer? = nil) throws -> Agent {
    Echo().agent(execute: execute, normalizer: normalizer)
  }

  func see(_ value: Float) -> Observation { Observation(vectors: ["x": [value]]) }

  @Test func repeatsTheFirstObservationForTheMissingHistory() throws {
    let agent = try agent(execute: 1)
    agent.begin(seed: 0)
    #expect(try agent.action(for: see(1)) == [1])
    #expect(try agent.action(for: see(2)) == [1])
    #expect(try agent.action(for: see(3)) == [1])
    #expect(try agent.action(for: see(4)) == [2])
    agent.begin(seed: 0)
    #expect(try agent.action(for: see(9)) == [9])
  }

  /// The policy gives one number of three; the others are constants.
  @Test func fillsInWhatThePolicyDoesNotGive() throws {
    let plain = try agent(execute: 1)
    let agent = Agent(
      policy: plain.policy, normalizer: plain.normalizer, schema: schema,
      actions: ActionLayout(learned: [1], template: [0.5, 0, -1]), execute: 1)
    agent.begin(seed: 0)
    #expect(try agent.action(for: see(7)) == [0.5, 7, -1])
  }

  @Test func executesAChunkBeforeItLooksAgain() throws {
    let agent = try agent(execute: 2)
    agent.begin(seed: 0)
    #expect(try agent.action(for: see(1)) == [1])
    #expect(try agent.action(for: see(2)) == [1])  // still from the first look: its second action
    #expect(try agent.action(for: see(3)) == [1])  // looks: oldest of (1, 2, 3)
    #expect(try agent.action(for: see(4)) == [3])  // its second action: the newest it saw
  }

  /// ACT's weights: the oldest prediction counts 1, the next exp(-m), and so on.
  @Test func blendsAllPredictionsOfAMoment() throws {
    let plain = try agent(execute: 1)
    let agent = Agent(
      policy: plain.policy, normalizer: plain.normalizer, schema: schema, execute: 1, ensemble: 0.5)
    agent.begin(seed: 0)
    let (second, third) = (Float(exp(-0.5)), Float(exp(-1.0)))
    #expect(try agent.action(for: see(1)) == [1])  // predicts 1, 1, 2
    let blended = try agent.action(for: see(2))[0]  // predicts 1, 2, 3; the first said 1
    #expect(abs(blended - (1 + 1 * second) / (1 + second)) < 1e-6)
    let last = try agent.action(for: see(3))[0]  // predicts 1, 3, 4; the first said 2, the second 2
    #expect(abs(last - (2 + 2 * second + 1 * third) / (1 + second + third)) < 1e-6)
    // The first prediction has ended: the second said 3, the third 3, the new one 2.
    let next = try agent.action(for: see(4))[0]
    #expect(abs(next - (3 + 3 * second + 2 * third) / (1 + second + third)) < 1e-6)
  }

  /// Agents in step and out of it, with draws of their own, act together as each does alone.
  @Test func severalActAsEachAlone() throws {
    let plain = try agent(execute: 1)
    var policy = try #require(plain.policy as? Echo)
    policy.noise = 1
    func agents() -> [Agent] {
      [(1, nil), (2, nil), (3, nil), (1, Float(0.5))].enumerated().map { place, made in
        let agent = Agent(
          policy: policy, normalizer: plain.normalizer, schema: schema, execute: made.0, ensemble: made.1)
        agent.begin(seed: UInt64(place))
        return agent
      }
    }
    let (alone, together) = (agents(), agents())
    var seen: Set<[Float]> = []
    for moment in 0..<7 {
      let observations = alone.indices.map { see(Float(10 * $0 + moment)) }
      let actions = try Agent.actions(of: together, for: observations)
      #expect(try zip(alone, observations).map { try $0.action(for: $1) } == actions)
      seen.formUnion(actions)
    }
    // Each draws its own.
    #expect(seen.count > 20)
  }

  /// One whose observation is wrong, or whose numbers are none, costs the others nothing.
  @Test func oneThatCannotActLeavesTheOthersAlone() throws {
    let (alone, together) = (
      try agent(execute: 1), [try agent(execute: 1), try agent(execute: 1), try agent(execute: 1)]
    )
    for agent in together + [alone] { agent.begin(seed: 0) }
    for moment in 0..<4 {
      let good = see(Float(moment))
      let outcomes = Agent.outcomes(of: together, for: [good, Observation(), see(.nan)])
      #expect(try outcomes[0].get() == alone.action(for: good))
      #expect(throws: AgentError.missingVector(key: "x", available: [])) { try outcomes[1].get() }
      #expect(throws: (any Error).self) { try outcomes[2].get() }
    }
  }

  @Test func saysWhenItHasToThink() throws {
    let agent = try agent(execute: 2)
    agent.begin(seed: 0)
    var thought: [Bool] = []
    for value in 1...5 {
      thought.append(agent.plansNext)
      _ = try agent.action(for: see(Float(value)))
    }
    #expect(thought == [true, false, true, false, true])
  }

  @Test func normalizesOnTheWayInAndOut() throws {
    let agent = try agent(
      execute: 1,
      normalizer: Normalizer(keys: [
        "x": .init(scale: [2], offset: [10]), "actions": .init(scale: [5], offset: [1]),
      ]))
    agent.begin(seed: 0)
    #expect(try agent.action(for: see(14)) == [11])  // (14 - 10) / 2 = 2, and 2 * 5 + 1
  }

  @Test func namesWhatAnObservationLacks() throws {
    let agent = try agent(execute: 1)
    agent.begin(seed: 0)
    #expect(throws: AgentError.missingVector(key: "x", available: ["y"])) {
      try agent.action(for: Observation(vectors: ["y": [1]]))
    }
    #expect(throws: AgentError.vectorWidth(key: "x", expected: 1, found: 2)) {
      try agent.action(for: Observation(vectors: ["x": [1, 2]]))
    }
  }

  @Test func refusesAnActionThatIsNotANumber() throws {
    let agent = try agent(execute: 1)
    agent.begin(seed: 0)
    #expect(throws: AgentError.notFinite) { try agent.action(for: see(.nan)) }
  }
}
