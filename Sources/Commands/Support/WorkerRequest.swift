import ArgumentParser
import Foundation
import ImitationKit
import Reports

/// What a worker process is asked to do.
enum WorkerRequest: Codable, Sendable {
  /// A demonstration that is kept in a store when it solves its task.
  struct Attempt: Codable, Sendable {
    var task: String
    var number: Int
    var seed: UInt64
    var horizon: Int
    var store: String
  }

  case record(Attempt)
  /// From these demonstrations of a file.
  case generate(Attempt, source: String, demos: [String], settings: DemonstrationGenerator.Settings)
  /// The images of a generated demonstration, whose states are in a file.
  case draw(task: String, number: Int, states: String, store: String)
  /// With the checkpoint of this step: a newer one may be written while others are tried. `video` is a folder for frames.
  case rollout(EpisodeResult, horizon: Int, step: Int, video: String?)
}

enum WorkerResponse: Codable, Sendable {
  case recorded(steps: Int)
  /// The expert, or what was generated, did not solve it; another seed is needed.
  case notSolved
  /// The simulator, or who acted in it, crashed.
  case broke(String)
  case tried(EpisodeResult)
}

/// `imitate worker`: a child process of `record`, `generate` and `evaluate`, not for people.
struct Worker: Verb {
  static let configuration = CommandConfiguration(
    abstract: "Serve a recording or an evaluation over standard input and output.", shouldDisplay: false)

  @Option(help: "The recipe whose simulator to run.") var recipe: String
  @Option(name: .customLong("run"), help: "The run whose policy to try.") var runFolder: String?

  func run(in session: Session) throws {
    let recipe = try Recipe(path: recipe)
    let bench = Workbench(recipe: recipe, run: runFolder, catalog: session.catalog)
    Threads.$isSerial.withValue(true) {
      WorkerLoop.run(WorkerRequest.self) { try bench.answer($0, progress: $1) }
    }
  }
}

/// What a worker keeps between requests: the simulators, and the policy once it is needed.
final class Workbench {
  private let recipe: Recipe
  private let run: String?
  private let catalog: Catalog
  private var simulator: (draws: Bool, made: any Environment)?
  private var agent: (step: Int, agent: Agent)?

  init(recipe: Recipe, run: String?, catalog: Catalog) {
    (self.recipe, self.run, self.catalog) = (recipe, run, catalog)
  }

  /// As the recipe has it, or without images: experts and random policies look at nothing.
  private func simulator(drawing: Bool) throws -> any Environment {
    if let simulator, simulator.draws == drawing { return simulator.made }
    // One renderer a process.
    simulator = nil
    let made = try catalog.makeSimulator(recipe.evaluation.simulator, drawing: drawing)
    simulator = (drawing, made)
    return made
  }

  /// - Parameter progress: called as often as it gets on.
  func answer(_ request: WorkerRequest, progress: @escaping () -> Void) throws -> WorkerResponse {
    switch request {
    case .record(let attempt): try record(attempt, progress)
    case .generate(let attempt, let source, let demos, let settings):
      try generate(attempt, from: source, demos, settings, progress)
    case .draw(let task, let number, let states, let store): try draw(task, number, states, store, progress)
    case .rollout(let blank, let horizon, let step, let video): try rollout(blank, horizon, step, video, progress)
    }
  }

  /// - Parameter play: makes an episode of the first observation.
  private func answer(
    _ attempt: WorkerRequest.Attempt, in simulator: any Environment, _ progress: () -> Void,
    play: (Observation) throws -> (episode: RecordedEpisode, solved: Bool)
  ) throws -> WorkerResponse {
    let played: (episode: RecordedEpisode, solved: Bool)
    do {
      let observation = try simulator.reset(
        EpisodeSpec(task: attempt.task, seed: attempt.seed, pool: .training))
      progress()
      played = try play(observation)
    } catch let error as CommandFailure {
      throw error
    } catch {
      return .broke("\(error)")
    }
    guard played.solved else { return .notSolved }
    try EpisodeStore(opened: attempt.store).write(played.episode, at: attempt.number)
    return .recorded(steps: played.episode.length)
  }

  private func expert(_ simulator: any Environment, task: String, seed: UInt64) throws -> any Behavior {
    guard let expert = (simulator as? any ExpertProviding)?.expert(seed: seed, noise: 1) else {
      throw CommandFailure("the simulator has no expert for \(task)")
    }
    return expert
  }

  private func record(_ attempt: WorkerRequest.Attempt, _ progress: () -> Void) throws -> WorkerResponse {
    let simulator = try simulator(drawing: true).recording()
    return try answer(attempt, in: simulator, progress) { first in
      let expert = try expert(simulator, task: attempt.task, seed: attempt.seed)
      expert.begin(seed: attempt.seed)
      var episode = RecordedEpisode(actionWidth: simulator.spec.actions.count, description: simulator.description)
      episode.seed = attempt.seed
      var (observation, solved, isOver) = (first, false, false)
      // The last step is the one that solves it. Rows of standing still behind it would teach a policy to stop just short.
      while !isOver, episode.length < attempt.horizon {
        let step = try episode.take(expert.action(for: observation), seeing: observation, in: simulator)
        progress()
        (observation, solved, isOver) = (step.observation, step.success, step.isLast)
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
    _ task: String, _ number: Int, _ states: String, _ store: String, _ progress: () -> Void
  ) throws -> WorkerResponse {
    let simulator = try simulator(drawing: true).restoring()
    let file = try HDF5File(forReading: states)
    let steps = try EpisodeStore(opened: store).redraw("data/demo_\(number)", of: file, at: number) { seed, states in
      try states.map { state in
        progress()
        return try simulator.restore(state, of: EpisodeSpec(task: task, seed: seed, pool: .training))
      }
    }
    return .recorded(steps: steps)
  }

  private func rollout(
    _ blank: EpisodeResult, _ horizon: Int, _ step: Int, _ folder: String?, _ progress: () -> Void
  ) throws -> WorkerResponse {
    let simulator = try simulator(drawing: blank.policy != "expert" && blank.policy != "random")
    var video: [Image] = []
    var result = Rollout(horizon: horizon, pool: recipe.evaluation.pool).run(blank, in: simulator) {
      switch blank.policy {
      case "expert": try expert(simulator, task: blank.task, seed: blank.seed)
      case "random": try RandomBehavior(schema: simulator.spec.actions)
      default: try learned(step: step)
      }
    } watch: { observation in
      progress()
      // Cameras above one another, so that a strip of moments stays readable.
      if folder != nil, !observation.images.isEmpty {
        video.append(.composed(observation.images.sorted { $0.key < $1.key }.map(\.value), columns: 1))
      }
    }
    let scene = try EpisodeMetadata((simulator as? any EpisodeRecording)?.description.metadata ?? "{}")
    (result.layout, result.style, result.object) = (scene.layout, scene.style, scene.category)
    if let folder {
      do {
        try VideoStrip(video).write(
          // Without a rate the video has to run at some speed.
          to: folder, result, framesPerSecond: max(1, Int((simulator.spec.actions.controlHertz ?? 20).rounded())))
      } catch {
        // An episode is what it was, with a video or without.
        tell("\(folder): no video: \(error)")
      }
    }
    return .tried(result)
  }

  private func learned(step: Int) throws -> Agent {
    if let agent, agent.step == step { return agent.agent }
    guard let run else { throw CommandFailure("a worker without a run cannot try a learned policy") }
    let made = try TrainedPolicy(run: run, step: step, catalog: catalog).agent()
    agent = (step, made)
    return made
  }
}

extension WorkerPool {
  /// Children of this very program, each with one thread for arithmetic and one for drawing: there is one a core.
  static func imitate(recipe: String, run: String? = nil, options: WorkerOptions) -> WorkerPool {
    WorkerPool(
      executable: Bundle.main.executablePath ?? CommandLine.arguments[0],
      arguments: ["worker", "--recipe", recipe] + (run.map { ["--run", $0] } ?? []),
      // This process is their parent, whoever is its own.
      environment: ["LP_NUM_THREADS": "1", Parent.variable: "\(ProcessInfo.processInfo.processIdentifier)"],
      workers: options.count ?? ProcessorCores.count, deadline: Double(options.deadline.seconds))
  }
}

extension Recipe {
  /// Workers read the recipe from a file, changes included: its path.
  func writtenForWorkers() throws -> String {
    let path = NSTemporaryDirectory() + "/imitate-\(ProcessInfo.processInfo.processIdentifier).yaml"
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }
}
