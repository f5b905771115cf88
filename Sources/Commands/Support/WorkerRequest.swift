import ArgumentParser
import Foundation
import ImitationKit
import Reports

/// What a worker process is asked to do: an episode to record, or one to try.
enum WorkerRequest: Codable, Sendable {
  case record(RecordRequest)
  case generate(GenerateRequest)
  case draw(DrawRequest)
  case rollout(RolloutRequest)
}

struct RecordRequest: Codable, Sendable {
  var task: String
  var attempt: Int
  var seed: UInt64
  var horizon: Int
  var store: String
}

struct GenerateRequest: Codable, Sendable {
  var task: String
  var attempt: Int
  var seed: UInt64
  var horizon: Int
  var store: String
  /// The file of demonstrations to generate from, and which of them.
  var source: String
  var demos: [String]
  var settings: DemonstrationGenerator.Settings
}

/// A generated demonstration whose images to draw.
struct DrawRequest: Codable, Sendable {
  var task: String
  var number: Int
  /// The file with its states.
  var states: String
  var store: String
}

struct RolloutRequest: Codable, Sendable {
  var blank: EpisodeResult
  var horizon: Int
  /// The checkpoint's step: a newer one may be written while others are tried.
  var step: Int
  /// Keep frames for the report in this folder.
  var video: String?
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
    let bench = try Workbench(recipe: recipe, run: runFolder.map(RunFolder.init), catalog: session.catalog)
    Threads.$isSerial.withValue(true) {
      WorkerLoop.run(WorkerRequest.self) { try bench.answer($0, progress: $1) }
    }
  }
}

/// What a worker keeps between requests: the simulators, and the policy once it is needed.
final class Workbench {
  private let recipe: Recipe
  private let run: RunFolder?
  private let catalog: Catalog
  private var simulators: [String: any Environment] = [:]
  private var agent: (step: Int, agent: Agent)?

  init(recipe: Recipe, run: RunFolder?, catalog: Catalog) throws {
    self.recipe = recipe
    self.run = run
    self.catalog = catalog
  }

  /// As the recipe has it, or without images: experts and random policies look at nothing.
  private func simulator(drawing: Bool) throws -> any Environment {
    let key = drawing ? "drawing" : "blind"
    if let known = simulators[key] { return known }
    // One renderer a process.
    simulators = [:]
    let made = try catalog.makeSimulator(recipe.evaluation.simulator, drawing: drawing)
    simulators[key] = made
    return made
  }

  /// - Parameter progress: called as often as it gets on.
  func answer(_ request: WorkerRequest, progress: @escaping () -> Void) throws -> WorkerResponse {
    switch request {
    case .record(let request): try record(request, progress)
    case .generate(let request): try generate(request, progress)
    case .draw(let request): try draw(request, progress)
    case .rollout(let request): try rollout(request, progress)
    }
  }

  private func record(_ request: RecordRequest, _ progress: () -> Void) throws -> WorkerResponse {
    let simulator = try simulator(drawing: true)
    var observation: Observation
    do {
      observation = try simulator.reset(task: request.task, seed: request.seed, pool: .training)
    } catch {
      return .broke("\(error)")
    }
    progress()
    guard let expert = simulator.expert(seed: request.seed, noise: 1) else {
      throw CommandFailure("the simulator has no expert for \(request.task)")
    }
    expert.begin(seed: request.seed)
    var episode = RecordedEpisode(
      actionWidth: simulator.actionSchema.count, description: simulator.description)
    episode.seed = request.seed
    let generative = simulator as? any GenerativeEnvironment
    // The last step is the one that solves it. Rows of standing still behind it would teach a policy to stop just short.
    var solved = false
    func act() throws {
      let action = try expert.action(for: observation)
      let (state, recorded) = (simulator.state, simulator.recorded(action))
      if let generative, let info = generative.generationInfo {
        episode.generation.append(info)
        episode.targets.append(generative.target(of: action))
      }
      let step = try simulator.step(action)
      progress()
      episode.append(
        observation, action: recorded.relative, absolute: recorded.absolute, state: state, success: step.success)
      observation = step.observation
      solved = step.success
    }
    do {
      while !solved, episode.length < request.horizon { try act() }
    } catch {
      return .broke("\(error)")
    }
    guard solved else { return .notSolved }
    try EpisodeStore(opened: request.store).write(episode, at: request.attempt)
    return .recorded(steps: episode.length)
  }

  private var generators: [String: DemonstrationGenerator] = [:]

  private func generative(drawing: Bool) throws -> any GenerativeEnvironment {
    guard let simulator = try simulator(drawing: drawing) as? any GenerativeEnvironment else {
      throw GenerationError.notAnEnvironment(recipe.evaluation.simulator.kind)
    }
    return simulator
  }

  private func generate(_ request: GenerateRequest, _ progress: () -> Void) throws -> WorkerResponse {
    let simulator = try generative(drawing: false)
    let generator =
      try generators[request.source]
      ?? {
        let file = try DemonstrationFile(path: request.source)
        let subtasks = try simulator.subtasks(of: request.task)
        return DemonstrationGenerator(
          sources: try request.demos.map { try SourceDemonstration(file, demo: $0, subtasks: subtasks) },
          subtasks: subtasks, settings: request.settings)
      }()
    generators[request.source] = generator
    let attempt: (episode: RecordedEpisode, solved: Bool)
    do {
      let observation = try simulator.reset(task: request.task, seed: request.seed, pool: .training)
      progress()
      attempt = try generator.attempt(
        in: simulator, from: observation, seed: request.seed, horizon: request.horizon, stepped: progress)
    } catch {
      return .broke("\(error)")
    }
    guard attempt.solved else { return .notSolved }
    try EpisodeStore(opened: request.store).write(attempt.episode, at: request.attempt)
    return .recorded(steps: attempt.episode.length)
  }

  private func draw(_ request: DrawRequest, _ progress: () -> Void) throws -> WorkerResponse {
    let simulator = try generative(drawing: true)
    let file = try HDF5File(forReading: request.states)
    let demo = "data/demo_\(request.number)"
    let steps = try EpisodeStore(opened: request.store).redraw(demo, of: file, at: request.number) { seed, states in
      _ = try simulator.reset(task: request.task, seed: seed, pool: .training)
      return try states.map { state in
        progress()
        return try simulator.observation(of: state)
      }
    }
    return .recorded(steps: steps)
  }

  private func rollout(_ request: RolloutRequest, _ progress: () -> Void) throws -> WorkerResponse {
    let drawing = request.blank.policy != "expert" && request.blank.policy != "random"
    let simulator = try simulator(drawing: drawing)
    let rollout = Rollout(horizon: request.horizon, pool: recipe.evaluation.pool)
    var video: [Image] = []
    var result = rollout.run(request.blank, in: simulator) {
      switch request.blank.policy {
      case "expert":
        guard let expert = simulator.expert(seed: request.blank.seed, noise: 1) else {
          throw CommandFailure("the simulator has no expert for \(request.blank.task)")
        }
        return expert
      case "random": return try RandomBehavior(schema: simulator.actionSchema)
      default: return try learned(step: request.step)
      }
    } watch: { observation in
      progress()
      // Cameras above one another, so that a strip of moments stays readable.
      if request.video != nil, !observation.images.isEmpty {
        video.append(.composed(observation.images.sorted { $0.key < $1.key }.map(\.value), columns: 1))
      }
    }
    let scene = try EpisodeMetadata(simulator.description.metadata)
    (result.layout, result.style, result.object) = (scene.layout, scene.style, scene.category)
    if let folder = request.video {
      do {
        try VideoStrip(video).write(
          // Without a rate the video has to run at some speed.
          to: folder, result, framesPerSecond: max(1, Int((simulator.actionSchema.controlHertz ?? 20).rounded())))
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
    let made = try TrainedPolicy(run: run.path, step: step, catalog: catalog).agent()
    agent = (step, made)
    return made
  }
}

extension WorkerPool {
  /// Children of this very program, each with one thread for arithmetic and one for drawing: there is one a core.
  ///
  /// - Parameter workers: one a core when nil.
  static func imitate(recipe: String, run: String?, workers: Int?, deadline: WorkerDeadline) -> WorkerPool {
    WorkerPool(
      executable: Bundle.main.executablePath ?? CommandLine.arguments[0],
      arguments: ["worker", "--recipe", recipe] + (run.map { ["--run", $0] } ?? []),
      // This process is their parent, whoever is its own.
      environment: ["LP_NUM_THREADS": "1", Parent.variable: "\(ProcessInfo.processInfo.processIdentifier)"],
      workers: workers ?? ProcessorCores.count, deadline: Double(deadline.seconds))
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
