import ArgumentParser
import Foundation
import ImitationKit

/// What a worker process is asked to do.
enum WorkerRequest: Codable, Sendable {
  /// A demonstration that is kept in a store when it solves its task.
  struct Attempt: Codable, Sendable {
    var task: String
    var number: Int
    var seed: UInt64
    var horizon: Int
    /// Steps that are kept after the one that solves the task.
    var afterSuccess = 0
    var store: String
  }

  case record(Attempt)
  /// From these demonstrations of a file.
  case generate(Attempt, source: String, demos: [String], settings: DemonstrationGenerator.Settings)
  /// What is seen in the states of a file's demonstration, in the scene of its seed or else in that of its model.
  case draw(task: String, demo: String, number: Int, states: String, bySeed: Bool, store: String)
}

enum WorkerResponse: Codable, Sendable {
  case recorded(steps: Int)
  /// The expert, or what was generated, did not solve it; another seed is needed.
  case notSolved
  /// The simulator, or who acted in it, crashed.
  case broke(String)
}

/// `imitate worker`: a child process of `record` and `generate`, not for people.
struct Worker: Verb {
  static let configuration = CommandConfiguration(
    commandName: "worker", abstract: "Serve a recording over standard input and output.", shouldDisplay: false)

  @Option(help: "The recipe whose simulator to run.") var recipe: String

  func run(in session: Session) throws {
    let bench = Workbench(settings: try EvaluationSettings(ofRecipe: recipe), catalog: session.catalog)
    Threads.$isSerial.withValue(true) {
      WorkerLoop.run(WorkerRequest.self) { try bench.answer($0, progress: $1) }
    }
  }
}

/// What a worker keeps between requests: the simulator.
final class Workbench {
  private let settings: EvaluationSettings
  private let catalog: Catalog
  private var simulator: (draws: Bool, made: any Environment)?

  init(settings: EvaluationSettings, catalog: Catalog) { (self.settings, self.catalog) = (settings, catalog) }

  /// As the recipe has it, or without images: experts and random policies look at nothing.
  private func simulator(drawing: Bool) throws -> any Environment {
    if let simulator, simulator.draws == drawing { return simulator.made }
    // One renderer a process.
    simulator = nil
    var attempt = 1
    while true {
      do {
        let made = try catalog.makeSimulator(settings.simulator, drawing: drawing)
        simulator = (drawing, made)
        return made
      } catch ProcessEnvironmentError.down where attempt < WorkerPool.attempts {
        attempt += 1
      }
    }
  }

  /// Does something with a simulator, and once more when the simulator's process went down over it: that may have been
  /// killed for nothing of its own.
  private func attempting<Result>(
    in simulator: any Environment, _ body: () throws -> Result, failed: (Result) -> Bool
  ) rethrows -> Result {
    for _ in 1..<WorkerPool.attempts {
      let result = try body()
      guard failed(result), (simulator as? ProcessEnvironment)?.isDown == true else { return result }
    }
    return try body()
  }

  /// - Parameter progress: called as often as it gets on.
  func answer(_ request: WorkerRequest, progress: @escaping @Sendable () -> Void) throws -> WorkerResponse {
    // A simulator in a process of its own has its own deadline.
    try ProcessEnvironment.$listener.withValue(WaitingListener(progress)) {
      switch request {
      case .record(let attempt): try record(attempt, progress)
      case .generate(let attempt, let source, let demos, let settings):
        try generate(attempt, from: source, demos, settings, progress)
      case .draw(let task, let demo, let number, let states, let bySeed, let store):
        try draw(task, demo, number, states, bySeed, store, progress)
      }
    }
  }

  /// - Parameter play: makes an episode of the first observation.
  private func answer(
    _ attempt: WorkerRequest.Attempt, in simulator: any Environment, _ progress: () -> Void,
    play: (Observation) throws -> (episode: RecordedEpisode, solved: Bool)
  ) throws -> WorkerResponse {
    try attempting(in: simulator) {
      let played: (episode: RecordedEpisode, solved: Bool)
      do {
        let observation = try simulator.reset(
          EpisodeSpec(task: attempt.task, seed: attempt.seed, pool: .training))
        progress()
        played = try play(observation)
      } catch let error as NoExpert {
        throw error
      } catch {
        return .broke("\(error)")
      }
      guard played.solved else { return .notSolved }
      try EpisodeStore(opened: attempt.store).write(played.episode, at: attempt.number)
      return .recorded(steps: played.episode.length)
    } failed: {
      if case .broke = $0 { true } else { false }
    }
  }

  private func record(_ attempt: WorkerRequest.Attempt, _ progress: () -> Void) throws -> WorkerResponse {
    let simulator = try simulator(drawing: true).recording()
    return try answer(attempt, in: simulator, progress) { first in
      let expert = try simulator.expert(for: attempt.task, seed: attempt.seed)
      expert.begin(seed: attempt.seed)
      var episode = RecordedEpisode(actionWidth: simulator.spec.actions.count, description: simulator.description)
      episode.seed = attempt.seed
      var (observation, solved, isOver) = (first, false, false)
      // Unless more is asked for, the last step is the one that solves it: rows of standing still behind it would teach a policy to
      // stop just short.
      var left = attempt.afterSuccess
      while !isOver, solved || episode.length < attempt.horizon {
        let step = try episode.take(expert.action(for: observation), seeing: observation, in: simulator)
        progress()
        observation = step.observation
        solved = solved || step.success
        isOver = step.terminated || step.truncated || solved && left == 0
        if solved { left -= 1 }
      }
      return (episode, solved)
    }
  }

  private var generators: [String: DemonstrationGenerator] = [:]

  private func generate(
    _ attempt: WorkerRequest.Attempt, from source: String, _ demos: [String],
    _ settings: DemonstrationGenerator.Settings, _ progress: () -> Void
  ) throws -> WorkerResponse {
    let simulator = try simulator(drawing: false).generative()
    let generator =
      try generators[source]
      ?? {
        let file = try DemonstrationFile(path: source)
        let subtasks = try simulator.subtasks(of: attempt.task)
        return DemonstrationGenerator(
          sources: try demos.map { try SourceDemonstration(file, demo: $0, subtasks: subtasks) },
          subtasks: subtasks, settings: settings)
      }()
    generators[source] = generator
    return try answer(attempt, in: simulator, progress) { first in
      try generator.attempt(
        in: simulator, from: first, seed: attempt.seed, horizon: attempt.horizon, stepped: progress)
    }
  }

  private func draw(
    _ task: String, _ demo: String, _ number: Int, _ states: String, _ bySeed: Bool, _ store: String,
    _ progress: () -> Void
  ) throws -> WorkerResponse {
    let simulator = try simulator(drawing: true).restoring()
    let file = try DemonstrationFile(path: states)
    return try attempting(in: simulator) {
      do {
        let steps = try EpisodeStore(opened: store).redraw(demo, of: file, at: number) {
          seed, description, states in
          let episode = EpisodeSpec(task: task, seed: seed ?? 0, pool: .training)
          let description = bySeed && seed != nil ? EpisodeDescription(metadata: "", model: "") : description
          return try states.map { state in
            progress()
            return try simulator.observe(state, of: episode, as: description)
          }
        }
        return .recorded(steps: steps)
      } catch let error as ProcessEnvironmentError {
        return .broke("\(demo): \(error)")
      }
    } failed: {
      if case .broke = $0 { true } else { false }
    }
  }
}

extension WorkerPool {
  /// The path of this very program.
  static var program: String { Bundle.main.executablePath ?? CommandLine.arguments[0] }

  /// Children of this very program, each with one thread for arithmetic and one for drawing: there is one a core.
  static func imitate(recipe: String, options: WorkerOptions) -> WorkerPool {
    WorkerPool(
      executable: program,
      arguments: ["worker", "--recipe", recipe],
      environment: ["LP_NUM_THREADS": "0"],
      workers: options.count ?? ProcessorCores.count, deadline: Double(options.deadline.seconds))
  }
}

extension EvaluationSettings {
  /// Workers read these settings from a file, changes included: its path.
  static func writtenForWorkers(_ text: String) throws -> String {
    let path = NSTemporaryDirectory() + "/imitate-\(ProcessInfo.processInfo.processIdentifier).yaml"
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }
}
