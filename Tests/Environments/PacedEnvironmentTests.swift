import Environments
import Foundation
import Imitation
import Support
import Synchronization
import Testing

@Suite struct PacedEnvironmentTests {
  /// However long the policy and the robot take within a period, steps go out at their times: nothing adds up.
  @Test func stepsGoOutAtTheirTimes() throws {
    let (clock, arm) = make()
    let paced = try PacedEnvironment(arm, limits: nil, clock: clock)
    _ = try paced.reset(arm.episode)
    for step in 0..<200 {
      clock.advance(0.03 + 0.02 * Double(step % 3))
      arm.answer = 0.005 * Double(step % 5)
      _ = try paced.step([0])
    }
    let first = arm.sent[0]
    #expect(arm.sent.enumerated().allSatisfy { abs($1 - first - 0.1 * Double($0)) < 1e-9 })
    #expect(paced.pace.lateAnswers == 0 && paced.pace.lateActions == 0 && paced.pace.holds == 0)
    #expect(paced.pace.steps == 200 && abs(paced.pace.rate! - 10) < 1e-9)
  }

  @Test func lateAnswersAreCounted() throws {
    let (clock, arm) = make()
    let paced = try PacedEnvironment(arm, limits: nil, clock: clock)
    _ = try paced.reset(arm.episode)
    for step in 0..<10 {
      arm.answer = step == 3 ? 0.13 : step == 6 ? 0.17 : 0.05
      _ = try paced.step([0])
    }
    #expect(paced.pace.lateAnswers == 2 && abs(paced.pace.worstLateness - 0.07) < 1e-9)
    // The actions after them are late, too, and go out at once. The times stay as they were; one that is 0.03 after the late
    // action of step 7 would be too soon, and is left out.
    #expect(paced.pace.lateActions == 2 && abs(paced.pace.worstActionLateness - 0.07) < 1e-9)
    let times = arm.sent.map { (($0 - arm.sent[0]) * 100).rounded() / 100 }
    #expect(times == [0, 0.1, 0.2, 0.3, 0.43, 0.5, 0.6, 0.77, 0.9, 1])
    _ = try paced.reset(arm.episode)
    #expect(paced.pace == PaceReport())
  }

  /// Without an action the robot is asked to hold, once, and goes on when there is one again.
  @Test func holdsWithoutAnAction() throws {
    let (clock, arm) = make()
    let paced = try PacedEnvironment(arm, limits: nil, holdAfter: 0.3, clock: clock)
    _ = try paced.reset(arm.episode)
    clock.advance(5)
    #expect(arm.held.isEmpty)
    for _ in 0..<3 { _ = try paced.step([0]) }
    let last = arm.sent.last!
    clock.advance(0.39)
    #expect(arm.held.isEmpty)
    clock.advance(3)
    #expect(arm.held.count == 1 && arm.held[0] > last + 0.4 && arm.held[0] < last + 0.43)
    for _ in 0..<3 { _ = try paced.step([0]) }
    #expect(abs(arm.sent[4] - arm.sent[3] - 0.1) < 1e-9 && abs(arm.sent[5] - arm.sent[3] - 0.2) < 1e-9)
    #expect(paced.pace.holds == 1 && paced.pace.lateActions == 1 && abs(paced.pace.rate! - 10) < 1e-9)
    // At the end of an episode nothing is due any more.
    try paced.hold()
    clock.advance(5)
    #expect(arm.held.count == 2 && paced.pace.holds == 1)
    // A hold that fails reaches whoever acts next.
    _ = try paced.reset(arm.episode)
    _ = try paced.step([0])
    arm.isLost = true
    clock.advance(1)
    #expect(throws: Arm.Lost.self) { _ = try paced.step([0]) }
    #expect(arm.sent.count == 7)
  }

  @Test func withoutARateThereIsNoClock() throws {
    let (clock, arm) = make()
    arm.spec.actions.controlHertz = nil
    #expect(throws: RobotError.noRate("arm")) { _ = try PacedEnvironment(arm, limits: nil, clock: clock) }
  }

  @Test func theSystemsClockRunsAndTicks() {
    let clock = MonotonicClock()
    let start = clock.now
    let ticks = Atomic(0)
    let ticking = clock.repeating(every: 0.005) { ticks.add(1, ordering: .relaxed) }
    clock.sleep(until: start + 0.1)
    #expect(clock.now - start >= 0.1)
    clock.sleep(until: start)
    withExtendedLifetime(ticking) { #expect(ticks.load(ordering: .relaxed) > 2) }
  }

  private func make() -> (FakeClock, Arm) {
    let clock = FakeClock()
    return (clock, Arm(clock))
  }
}

/// A clock that stands until it is moved, or somebody sleeps.
final class FakeClock: ControlClock {
  private final class Ticker: Sendable {
    let every: Double
    let next: Mutex<Double>
    let body: @Sendable () -> Void
    init(_ every: Double, from now: Double, _ body: @escaping @Sendable () -> Void) {
      (self.every, self.body) = (every, body)
      next = Mutex(now + every)
    }
  }

  private struct Weak: Sendable { weak var ticker: Ticker? }
  private let time = Mutex(1000.0)
  private let tickers = Mutex<[Weak]>([])

  var now: Double { time.withLock { $0 } }
  func sleep(until time: Double) { advance(time - now) }

  func repeating(every seconds: Double, _ body: @escaping @Sendable () -> Void) -> AnyObject {
    let ticker = Ticker(seconds, from: now, body)
    tickers.withLock { $0.append(Weak(ticker: ticker)) }
    return ticker
  }

  func advance(_ seconds: Double) {
    let end = now + seconds
    while let due = tickers.withLock({ $0 }).compactMap(\.ticker).min(by: {
      $0.next.withLock { $0 } < $1.next.withLock { $0 }
    }),
      due.next.withLock({ $0 }) <= end
    {
      time.withLock { $0 = due.next.withLock { $0 } }
      due.next.withLock { $0 += due.every }
      due.body()
    }
    if end > now { time.withLock { $0 = end } }
  }
}

/// An arm of one joint that answers after a while.
final class Arm: RealTimeEnvironment {
  struct Lost: Error {}
  var spec = EnvironmentSpec(
    name: "arm", schema: ObservationSchema(images: [:], vectors: ["arm": 1]),
    actions: ActionSchema(dimensions: [.init()], controlHertz: 10),
    tasks: [SimulatedTask(name: "wave", group: "wave", horizon: 10)])
  let episode = EpisodeSpec(task: "wave", seed: 1, pool: .evaluation)
  let clock: FakeClock
  /// Seconds that an answer takes.
  var answer = 0.02
  var isLost = false
  /// When it was asked.
  var sent: [Double] = []
  var held: [Double] = []
  var pace: PaceReport { PaceReport() }

  init(_ clock: FakeClock) { self.clock = clock }

  private var seen: Observation { Observation(vectors: ["arm": [0]], instruction: "") }
  func reset(_ episode: EpisodeSpec) -> Observation { seen }
  func step(_ action: [Float]) -> Transition {
    sent.append(clock.now)
    clock.advance(answer)
    return Transition(observation: seen, success: false)
  }
  func hold() throws {
    if isLost { throw Lost() }
    held.append(clock.now)
  }
}
