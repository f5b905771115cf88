import Evaluation
import Foundation
import Imitation
import Support
import Synchronization
import Testing

/// Goes where actions say, as slowly as its seed says; breaks when it is told to.
private final class Walking: Environment {
  struct Broken: Error, CustomStringConvertible { var description: String { "the leg came off" } }
  let spec = EnvironmentSpec(
    name: "walking", schema: Echo.schema, actions: ActionSchema(dimensions: [.init(name: "a", low: -1, high: 1)]),
    tasks: [SimulatedTask(name: "t", group: "g", horizon: 12)])
  private var (place, seed) = (Float(0), UInt64(0))
  private let breaks: () -> Bool
  init(breaks: @escaping () -> Bool = { false }) { self.breaks = breaks }

  func reset(_ episode: EpisodeSpec) throws -> Observation {
    (place, seed) = (Float(episode.seed) / 100, episode.seed)
    return Observation(vectors: ["x": [place]], instruction: "walk")
  }

  func step(_ action: [Float]) throws -> Transition {
    if breaks() { throw Broken() }
    usleep(UInt32(seed % 5) * 500)
    place = 0.9 * place + 0.1 * action[0]
    return Transition(observation: Observation(vectors: ["x": [place]]), success: seed % 7 == 3 && place > 0.2)
  }
}

/// A behavior elsewhere that may be lost at its third action.
private final class Wire: Behavior {
  struct Cut: ConnectionLoss, CustomStringConvertible { var description: String { "the wire is cut" } }
  private let loses: Bool
  private var actions = 0
  init(loses: Bool) { self.loses = loses }
  func begin(seed: UInt64) { actions = 0 }
  func action(for observation: Observation) throws -> [Float] {
    actions += 1
    if loses, actions == 3 { throw Cut() }
    return [0]
  }
}

@Suite struct VectorRolloutTests {
  private let trials = (0..<24).map { Trial(task: "t", policy: "echo", episode: $0, seed: UInt64($0)) }

  private func scheduler(noise: Float = 0.3, thinking: UInt32 = 0) -> ActionScheduler {
    ActionScheduler(cores: 2) {
      var policy = Echo()
      (policy.noise, policy.thinking) = (noise, thinking)
      return policy.agent(execute: 2)
    }
  }

  private func run(
    _ trials: [Trial], slots: Int, _ scheduler: ActionScheduler,
    environment: @escaping @Sendable (Bool) throws -> any Environment = { _ in Walking() },
    shouldStop: @escaping @Sendable () -> Bool = { false }
  ) -> [EpisodeResult] {
    let results = Mutex<[EpisodeResult]>([])
    VectorRollout(slots: slots, horizons: ["t": 12], pool: .evaluation).run(
      trials, with: .init(environment: environment), acting: .here(scheduler), shouldStop: shouldStop
    ) { result in results.withLock { $0.append(result) } }
    return results.withLock { $0 }.sorted { $0.episode < $1.episode }
  }

  /// One slot or eight: the same actions, successes and rewards, each episode once.
  @Test func slotsDoNotMatter() {
    // Longer than the environments take, so that they have to share.
    let (one, eight) = (scheduler(), scheduler(thinking: 3000))
    let alone = run(trials, slots: 1, one)
    let together = run(trials, slots: 8, eight)
    #expect(alone.map(\.episode) == Array(0..<24) && together.map(\.episode) == Array(0..<24))
    #expect(alone.map(\.trace) == together.map(\.trace) && Set(alone.map(\.trace)).count == 24)
    #expect(alone.map(\.success) == together.map(\.success) && alone.map(\.reward) == together.map(\.reward))
    #expect(one.batches.keys.allSatisfy { $0 == 1 })
    #expect(eight.batches.keys.contains { $0 > 1 })
    // Every prediction was made for someone: six looks of two actions in each whole episode.
    #expect(eight.batches.reduce(0) { $0 + $1.key * $1.value } == together.reduce(0) { $0 + $1.latencies!.count })
  }

  /// With a core for each of two slots one need not wait for the other's forward pass; with one core it does.
  @Test(arguments: [1, 2]) func freeCoresPredictAtTheSameTime(_ cores: Int) {
    let under = Mutex(0)
    let most = Mutex(0)
    let scheduler = ActionScheduler(cores: cores) {
      var policy = Echo()
      policy.whenAsked = {
        let now = under.withLock { passes in
          passes += 1
          return passes
        }
        most.withLock { $0 = max($0, now) }
        // Long enough for the other slot to ask, until once both have been here.
        for _ in 0..<30 where most.withLock({ $0 }) < 2 { usleep(1000) }
        under.withLock { $0 -= 1 }
      }
      return policy.agent(execute: 2)
    }
    _ = run(Array(trials[..<4]), slots: 2, scheduler)
    #expect(most.withLock { $0 } == cores)
  }

  /// A slow environment does not hold up the others.
  @Test func nobodyWaitsForASlowOne() {
    let isSlow = Mutex(true)
    let start = ContinuousClock.now
    let ends = Mutex<[Int: Double]>([:])
    VectorRollout(slots: 2, horizons: ["t": 12], pool: .evaluation).run(
      Array(trials[..<2]),
      with: .init(environment: { _ in
        // The first one made sleeps a fifth of a second at each step.
        let slow = isSlow.withLock { slow in
          defer { slow = false }
          return slow
        }
        return Walking {
          if slow { usleep(200_000) }
          return false
        }
      }), acting: .here(scheduler())
    ) { result in
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      ends.withLock { $0[result.episode] = seconds }
    }
    let times = ends.withLock { $0.values.sorted() }
    #expect(times.count == 2 && times[1] > 2.2 && times[0] < 1, "\(times)")
  }

  @Test func aBrokenEnvironmentIsReplacedAndItsEpisodeTriedAgain() {
    let made = Mutex(0)
    let ofThread = Mutex<[ObjectIdentifier: Int]>([:])
    let broken = run(trials, slots: 3, scheduler()) { _ in
      made.withLock { $0 += 1 }
      let number = ofThread.withLock { counts in
        counts[ObjectIdentifier(Thread.current), default: 0] += 1
        return counts[ObjectIdentifier(Thread.current)]!
      }
      // A slot's environments break early and late in turn, so that no episode meets three that do, however threads run.
      let last = number % 2 == 1 ? 5 : 40
      let steps = Mutex(0)
      return Walking {
        steps.withLock { steps in
          steps += 1
          return steps == last
        }
      }
    }
    let whole = run(trials, slots: 1, scheduler())
    #expect(broken.map(\.trace) == whole.map(\.trace) && broken.allSatisfy { $0.error == nil })
    #expect(made.withLock { $0 } > 5)
    // One that always breaks fails its episodes, after three attempts each.
    made.withLock { $0 = 0 }
    let never = run(Array(trials[..<2]), slots: 1, scheduler()) { _ in
      made.withLock { $0 += 1 }
      return Walking { true }
    }
    #expect(never.map(\.error) == ["the leg came off", "the leg came off"] && made.withLock { $0 } == 6)
    // And so does one that cannot be made.
    let none = run(Array(trials[..<1]), slots: 1, scheduler()) { _ in throw Walking.Broken() }
    #expect(none.map(\.error) == ["the leg came off"])
  }

  /// A lost connection costs a connection and not the environment; the third loss is the episode's result.
  @Test func aLostConnectionIsReplacedAndItsEpisodeTriedAgain() {
    let environments = Mutex(0)
    let connections = Mutex(0)
    func play(losing: Int) -> [EpisodeResult] {
      environments.withLock { $0 = 0 }
      connections.withLock { $0 = 0 }
      let results = Mutex<[EpisodeResult]>([])
      VectorRollout(slots: 1, horizons: ["t": 12], pool: .evaluation).run(
        Array(trials[..<1]),
        with: .init(environment: { _ in
          environments.withLock { $0 += 1 }
          return Walking()
        }),
        acting: .elsewhere {
          Wire(
            loses: connections.withLock {
              $0 += 1
              return $0 <= losing
            })
        }
      ) { result in results.withLock { $0.append(result) } }
      return results.withLock { $0 }
    }
    #expect(play(losing: 1).map(\.error) == [nil] && play(losing: 1).map(\.steps) == [12])
    #expect(connections.withLock { $0 } == 2 && environments.withLock { $0 } == 1)
    #expect(play(losing: 3).map(\.error) == ["the wire is cut"])
    #expect(connections.withLock { $0 } == 3 && environments.withLock { $0 } == 1)
  }

  /// Who cannot act has failed at once: another environment would not help.
  @Test func aPolicyThatCannotActIsNotTriedAgain() {
    let made = Mutex(0)
    let failed = run(Array(trials[..<1]), slots: 1, scheduler(noise: .infinity)) { _ in
      made.withLock { $0 += 1 }
      return Walking()
    }
    #expect(failed[0].error == "\(AgentError.notFinite)" && made.withLock { $0 } == 1)
  }

  @Test func expertsAndRandomPoliciesNeedNoPolicy() {
    let drawn = Mutex<[Bool]>([])
    let blind = ["expert", "random"].enumerated().map { Trial(task: "t", policy: $1, episode: $0, seed: 1) }
    let results = run(blind, slots: 1, ActionScheduler { throw Walking.Broken() }) { drawing in
      drawn.withLock { $0.append(drawing) }
      return Walking()
    }
    #expect(results[0].error == "walking has no expert for t" && results[1].error == nil)
    #expect(results[1].steps == 12 && drawn.withLock { $0 } == [false])
  }

  @Test func stopsBetweenEpisodes() {
    // Each slot's first step waits for the other's: on a busy machine one of them could be through before the other begins.
    let made = Mutex(0)
    let begun = Mutex<Set<Int>>([])
    let results = run(
      trials, slots: 2, scheduler(),
      environment: { _ in
        let slot = made.withLock { made in
          made += 1
          return made
        }
        return Walking {
          _ = begun.withLock { $0.insert(slot) }
          let end = ContinuousClock.now + .seconds(60)
          while begun.withLock({ $0.count }) < 2, ContinuousClock.now < end { usleep(1000) }
          return false
        }
      }, shouldStop: { begun.withLock { $0.count } == 2 })
    #expect(results.count == 2 && results.allSatisfy { $0.steps == 12 || $0.success })
  }
}
