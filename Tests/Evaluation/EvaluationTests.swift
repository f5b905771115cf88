import Evaluation
import Foundation
import Imitation
import Testing

/// Counts to three and is solved, unless asked to break.
private final class Counting: Environment {
  var breaks = false
  /// What the second step says of itself.
  var (terminates, truncates) = (false, false)
  var rewards: [Float] = [0.25, 0.5, 1]
  var count = 0
  let spec = EnvironmentSpec(
    name: "counting", schema: ObservationSchema(images: [:], vectors: ["n": 1]),
    actions: ActionSchema(dimensions: [.init(name: "a", unit: "1", low: -1, high: 1)], controlHertz: 1),
    tasks: [SimulatedTask(name: "t", group: "g", horizon: 10)])
  struct Broken: Error, CustomStringConvertible { var description: String { "the arm came off" } }

  func reset(_ episode: EpisodeSpec) -> Observation {
    count = 0
    return Observation(vectors: ["n": [0]], instruction: "count")
  }
  func step(_ action: [Float]) throws -> Transition {
    if breaks { throw Broken() }
    count += 1
    return .init(
      observation: Observation(vectors: ["n": [Float(count)]]), reward: rewards[count - 1], success: count == 3,
      terminated: terminates && count == 2, truncated: truncates && count == 2)
  }
}

@Suite struct EvaluationTests {
  let blank = Trial(task: "t", split: "s", policy: "p", episode: 0, seed: 7)

  /// Newcombe 1998, table I, score method: 81/263, 15/148, 0/20, 1/29.
  @Test(arguments: [
    (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718),
  ])
  func wilsonIntervalsAreThePublishedOnes(_ successes: Int, _ episodes: Int, _ low: Double, _ high: Double) {
    let interval = SuccessRate(successes: successes, episodes: episodes).interval
    #expect(abs(interval.lowerBound - low) < 5e-5 && abs(interval.upperBound - high) < 5e-5)
  }

  /// What had more or fewer steps to succeed is no episode of this evaluation; results of before do not say how many they had.
  @Test func episodesUnderAnotherHorizonDoNotCount() {
    let result = run(Counting(), horizon: 10)
    #expect(result.horizon == 10)
    func tried(_ horizons: [String: Int], _ episode: EpisodeResult) -> EpisodeResult? {
      var tried = TriedEpisodes(
        folder: "/nowhere", evaluation: "/nowhere", step: 1,
        conditions: .init(simulator: "s", options: "{}", seed: 1, pool: "evaluation"), horizons: horizons)
      tried.add(episode)
      return tried[blank]
    }
    #expect(tried(["t": 10], result) == result && tried([:], result) == result && tried(["t": 5], result) == nil)
    var old = result
    old.horizon = nil
    #expect(tried(["t": 5], old) == old)
  }

  @Test func stopsAtTheFirstSuccess() {
    let environment = Counting()
    let result = Rollout(horizon: 10, pool: .evaluation).run(blank, in: environment) {
      try RandomBehavior(schema: environment.spec.actions)
    }
    #expect(result.success && result.steps == 3 && result.error == nil && result.instruction == "count")
  }

  private func run(_ environment: Counting, horizon: Int = 10) -> EpisodeResult {
    Rollout(horizon: horizon, pool: .evaluation).run(blank, in: environment) {
      try RandomBehavior(schema: environment.spec.actions)
    }
  }

  @Test func anEpisodeEndsWhereTheEnvironmentSaysSo() {
    for flag in [\.terminates, \.truncates] as [ReferenceWritableKeyPath<Counting, Bool>] {
      let environment = Counting()
      environment[keyPath: flag] = true
      let result = run(environment)
      #expect(!result.success && result.steps == 2 && result.error == nil && result.reward == 0.75)
    }
  }

  @Test func rewardsAreSummed() throws {
    #expect(run(Counting()).reward == 1.75 && run(Counting(), horizon: 1).reward == 0.25)
    // No JSON has it: a sum that is no number is none.
    let odd = Counting()
    odd.rewards[1] = .nan
    let result = run(odd)
    #expect(result.success && result.reward == nil)
    _ = try JSONEncoder().encode(result)
    // Results of before there were rewards.
    let old =
      #"{"task": "t", "split": "", "policy": "p", "episode": 0, "seed": 7, "instruction": "", "success": true, "steps": 3}"#
    let read = try JSONDecoder().decode(EpisodeResult.self, from: Data(old.utf8))
    #expect(read.reward == nil && read.steps == 3)
    let again = try JSONDecoder().decode(EpisodeResult.self, from: JSONEncoder().encode(run(Counting())))
    #expect(again.reward == 1.75)
  }

  @Test func failsAtTheHorizon() {
    let environment = Counting()
    let result = Rollout(horizon: 2, pool: .evaluation).run(blank, in: environment) {
      try RandomBehavior(schema: environment.spec.actions)
    }
    #expect(!result.success && result.steps == 2)
  }

  @Test func anErrorIsAFailedEpisodeAndIsTold() {
    let environment = Counting()
    environment.breaks = true
    let result = Rollout(horizon: 10, pool: .evaluation).run(blank, in: environment) {
      try RandomBehavior(schema: environment.spec.actions)
    }
    #expect(!result.success && result.error == "the arm came off")
    let rows = EvaluationResult.rows(of: [result])
    #expect(rows[0].episodes == 1 && rows[0].successes == 0 && rows[0].errors == 1)
  }

  @Test func everyPolicyMeetsTheSameScenes() {
    let seeds = (0..<50).map { EpisodeResult.seed(3, task: "OpenDrawer", episode: $0) }
    #expect(Set(seeds).count == 50)
    #expect(seeds == (0..<50).map { EpisodeResult.seed(3, task: "OpenDrawer", episode: $0) })
    #expect(seeds[0] != EpisodeResult.seed(4, task: "OpenDrawer", episode: 0))
    #expect(seeds.allSatisfy { $0 < 1 << 53 })
  }
}

/// The pool against small scripts that stand in for workers.
@Suite struct WorkerPoolTests {
  struct Request: Codable, Sendable { var n: Int }
  struct Response: Codable, Sendable, Equatable { var twice: Int }

  func pool(_ script: String, workers: Int = 2, deadline: Double = 60) -> WorkerPool {
    WorkerPool(executable: "/bin/bash", arguments: ["-c", script], workers: workers, deadline: deadline)
  }

  /// Reads `{"n":K}` and answers; `special` may do something else with a number first.
  func script(_ special: String) -> String {
    """
    while read -r line; do n=${line//[^0-9]/}; \(special); echo "{\\"response\\":{\\"twice\\":$((2 * n))}}"; done
    """
  }

  func numbers(_ outcomes: [WorkerOutcome<Response>]) -> [Int?] {
    outcomes.map { if case .success(let response) = $0 { response.twice } else { nil } }
  }

  @Test func resultsComeInTheOrderOfTheRequests() {
    let outcomes = pool(script("[ $n = 0 ] && sleep 0.3")).run(
      (0..<12).map { Request(n: $0) }, responding: Response.self
    ) {
      _, _ in
    }
    #expect(numbers(outcomes) == (0..<12).map { 2 * $0 })
  }

  @Test(arguments: [
    ("[ $n = 4 ] && exit 3", "exit code 3"), ("[ $n = 4 ] && kill -SEGV $$", "signal 11"),
    ("[ $n = 4 ] && { echo nonsense; continue; }", "something else than a result"),
    ("[ $n = 4 ] && { echo last words >&2; exit 1; }", "last words"),
    ("[ $n = 4 ] && { echo '{\"error\":\"no drawer\"}'; continue; }", "no drawer"),
  ])
  func aFailureTakesOneJobAndIsTold(_ special: String, _ words: String) {
    let outcomes = pool(script(special)).run((0..<8).map { Request(n: $0) }, responding: Response.self) { _, _ in }
    #expect(numbers(outcomes) == (0..<8).map { $0 == 4 ? nil : 2 * $0 })
    switch outcomes[4] {
    // Only one that is still there says so itself.
    case .failure(let reason): #expect(words == "no drawer" && reason.contains(words), "\(reason)")
    case .crashed(let reason): #expect(words != "no drawer" && reason.contains(words), "\(reason)")
    default: Issue.record("job 4 did not fail")
    }
  }

  /// A killed process that waits for a core on a busy machine is still listed for a moment: it gets ten seconds to go.
  func expectGone(_ process: Substring) {
    var facts = ""
    for _ in 0..<1000 {
      facts = (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)) ?? ""
      if facts.isEmpty || facts.contains(") Z ") { return }
      usleep(10_000)
    }
    Issue.record("still there: \(facts)")
  }

  /// Silent, deaf to signals, stopped, or with a child that keeps its output open: each is ended with all it has started.
  @Test(arguments: [
    "sleep 1000 & echo $! >> $LIST; wait", "trap '' TERM INT HUP; sleep 1000", "echo $BASHPID >> $LIST; kill -STOP $$",
    "{ sleep 1000 & } ; echo $! >> $LIST; exec 1>&-; exec sleep 1000",
  ])
  func oneThatHangsIsEndedAndToldOf(_ special: String) throws {
    let list = FileManager.default.temporaryDirectory.path + "/hanging-\(UUID().uuidString)"
    defer { unlink(list) }
    let special = special.replacingOccurrences(of: "$LIST", with: list)
    let outcomes = pool(script("[ $n = 4 ] && { \(special); }"), deadline: 3).run(
      (0..<8).map { Request(n: $0) }, responding: Response.self
    ) { _, _ in }
    #expect(numbers(outcomes) == (0..<8).map { $0 == 4 ? nil : 2 * $0 })
    guard case .crashed(let reason) = outcomes[4] else {
      Issue.record("job 4 did not fail")
      return
    }
    #expect(reason.contains("no answer within 3 s (signal 9)"), "\(reason)")
    let started = (try? String(contentsOfFile: list, encoding: .utf8))?.split(separator: "\n") ?? []
    #expect(started.count == (special.contains(list) ? 3 : 0), "it has three attempts")
    for process in started { expectGone(process) }
  }

  /// One that takes long but says that it gets on is left alone; one that never ends a line is not.
  @Test func signsOfLifeCount() {
    let slow = "for i in 1 2 3 4 5 6; do sleep 1; echo '\"working\"'; done"
    let alive = pool(script("[ $n = 1 ] && { \(slow); }"), deadline: 4).run(
      (0..<3).map { Request(n: $0) }, responding: Response.self
    ) { _, _ in }
    #expect(numbers(alive) == [0, 2, 4])
    let endless = "while sleep 0.1; do echo -n x; done"
    let babbling = pool(script("[ $n = 1 ] && { \(endless); }"), deadline: 2).run(
      (0..<3).map { Request(n: $0) }, responding: Response.self
    ) { _, _ in }
    #expect(numbers(babbling) == [0, nil, 4])
  }

  /// Requests that a pipe does not hold: who does not read them hangs too.
  @Test func oneThatDoesNotReadIsEnded() {
    struct Long: Codable, Sendable { var text = String(repeating: "x", count: 1 << 20) }
    let outcomes = pool("exec sleep 1000", deadline: 1).run([Long()], responding: Response.self) { _, _ in }
    guard case .crashed(let reason) = outcomes[0] else {
      Issue.record("it did not fail")
      return
    }
    #expect(reason.contains("no answer within 1 s"), "\(reason)")
  }

  /// A worker that does not leave when there is nothing more to do, and what it has started.
  @Test func nothingIsLeftBehind() throws {
    let list = FileManager.default.temporaryDirectory.path + "/leaving-\(UUID().uuidString)"
    defer { unlink(list) }
    for ending in ["sleep 1000", ":"] {
      let loop = script(":") + "; sleep 1000 & echo $! >> \(list); \(ending)"
      let outcomes = pool(loop, workers: 1).run([Request(n: 3)], responding: Response.self) { _, _ in }
      #expect(numbers(outcomes) == [6])
    }
    let started = try String(contentsOfFile: list, encoding: .utf8).split(separator: "\n")
    #expect(started.count == 2)
    for process in started { expectGone(process) }
  }

  @Test func stopsBetweenJobs() {
    let outcomes = pool(script(":"), workers: 1).run(
      (0..<5).map { Request(n: $0) }, responding: Response.self, shouldStop: { true }
    ) { _, _ in }
    #expect(numbers(outcomes) == [nil, nil, nil, nil, nil])
  }
}
