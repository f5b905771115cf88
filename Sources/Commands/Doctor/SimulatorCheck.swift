import ArgumentParser
import Foundation
import ImitationKit

/// Starts a simulator, resets it and looks at what it draws.
struct SimulatorCheck {
  /// Seconds.
  var deadline: Double

  /// What came of it; what it says is one line of JSON.
  struct Report: Codable {
    var name: String
    var versions: [String: String]
    var tasks: Int
    var task: String
    /// Width and height by camera.
    var cameras: [String: [Int]]
    /// Until it said what it is, and until it was reset.
    var startSeconds, resetSeconds: Double
    /// What is wrong with what it drew.
    var problem: String?
    /// What its seeds do not do; nil when they choose the scene.
    var seeds: String?

    var text: String {
      let sizes = Set(cameras.values.map { "\($0[0])x\($0[1])" }).sorted().joined(separator: ", ")
      let drawn =
        cameras.isEmpty
        ? "without cameras" : "drawn by \(cameras.count) camera\(cameras.count == 1 ? "" : "s") of \(sizes)"
      let times = String(format: "start %.1f s, reset %.1f s", startSeconds, resetSeconds)
      return "\(versions.listed); \(task) \(drawn); \(tasks) task\(tasks == 1 ? "" : "s"); \(times)"
        + (seeds.map { "; \($0)" } ?? "")
    }
  }

  /// - Parameter task: the first one when nil.
  func finding(_ choice: Choice, task: String? = nil, named name: String) -> Finding {
    switch report(choice, task: task) {
    case .success(let report):
      Finding(
        name, report.problem == nil ? .ok : .broken, report.problem ?? report.text, versions: report.versions)
    case .failure(let failure): Finding(name, .broken, failure.description)
    }
  }

  func report(_ choice: Choice, task: String?) -> Result<Report, CommandFailure> {
    let arguments =
      ["doctor-check", "--simulator", choice.setting.json, "--deadline", "\(deadline)"]
      + (task.map { ["--task", $0] } ?? [])
    do {
      // A simulator in a process of its own is ended by its own deadlines, which say more.
      return .success(try DoctorCheck.answer(Report.self, to: arguments, seconds: 5 * deadline + 30))
    } catch {
      // What the child says of it, as this command says things.
      let (text, ours) = ("\(error)", "ended (exit code 1): imitate: ")
      return .failure(CommandFailure(text.hasPrefix(ours) ? String(text.dropFirst(ours.count)) : text))
    }
  }
}

/// `imitate doctor-check`: a child of `imitate doctor`, not for people: what it looks at may crash or hang.
struct DoctorCheck: Verb {
  static let configuration = CommandConfiguration(
    commandName: "doctor-check", abstract: "Look at one thing for imitate doctor.", shouldDisplay: false)

  @Option(help: "A simulator as JSON; the GPU when left out.") var simulator: String?
  @Option(help: "Its task.") var task: String?
  @Option(help: "Seconds for each of its answers.") var deadline = 60.0

  func run(in session: Session) throws {
    // Standard output is for the answer alone, whatever a library prints.
    let answers = FileHandle(fileDescriptor: dup(STDOUT_FILENO), closeOnDealloc: false)
    dup2(STDERR_FILENO, STDOUT_FILENO)
    let encoder = JSONEncoder()
    let answer =
      try simulator.map { try encoder.encode(report($0, session.catalog)) }
      ?? encoder.encode(GraphicsProcessor())
    try answers.write(contentsOf: answer)
  }

  /// What a child answers.
  /// - Throws: one line that says why it does not.
  static func answer<Answer: Decodable>(
    _: Answer.Type, to arguments: [String], seconds: Double
  ) throws -> Answer {
    let output = try PipedChild.output(of: WorkerPool.program, arguments, seconds: seconds)
    return try JSONDecoder().decode(Answer.self, from: Data(output.utf8))
  }

  private func report(_ text: String, _ catalog: Catalog) throws -> SimulatorCheck.Report {
    var choice = try Choice(Setting(json: text), path: "simulator")
    if catalog.processEnvironment(choice.kind) != nil { choice = choice.limited(to: deadline) }
    let start = ContinuousClock.now
    let environment = try catalog.makeSimulator(choice)
    let started = ContinuousClock.now
    let spec = environment.spec
    let task = try spec.task(task ?? spec.tasks[0].name).name
    func scene(_ seed: UInt64) throws -> Observation {
      try environment.reset(EpisodeSpec(task: task, seed: seed, pool: .training))
    }
    let first = try scene(1)
    let reset = ContinuousClock.now
    let action = spec.actions.dimensions.map { (($0.low ?? 0) + ($0.high ?? 0)) / 2 }
    let second = try environment.step(action).observation
    let seeds: String? =
      if try !first.isMeasured(like: scene(1)) {
        "the same seed gives another scene: episodes cannot be repeated, nor policies compared scene by scene"
      } else if try first == scene(2) {
        "seeds 1 and 2 give the same scene: with more of them alike, many episodes tell no more than one"
      } else {
        nil
      }
    let blank = [first, second].flatMap(\.images).filter(\.value.isBlank).map(\.key).min()
    return SimulatorCheck.Report(
      name: spec.name, versions: spec.versions, tasks: spec.tasks.count, task: task,
      cameras: spec.schema.images.mapValues { [$0.width, $0.height] },
      startSeconds: (started - start) / .seconds(1), resetSeconds: (reset - started) / .seconds(1),
      problem: blank.map { "camera '\($0)' shows one color only: its renderer does not work" }, seeds: seeds)
  }
}

extension Observation {
  /// Whether what can be measured is the same; images, which renderers may draw otherwise, only where there is nothing else.
  fileprivate func isMeasured(like other: Observation) -> Bool {
    vectors.isEmpty ? images == other.images : vectors == other.vectors
  }
}

extension Choice {
  /// The same with deadlines of so many seconds, where it has none of its own.
  fileprivate func limited(to seconds: Double) -> Choice {
    guard case .map(var entries) = options.value else { return self }
    for key in ["deadline", "start_deadline"] where options[key] == nil {
      entries.append(.init(key: key, line: 0, setting: seconds.setting))
    }
    return Choice(kind: kind, options: Setting(.map(entries)))
  }
}

extension [String: String] {
  /// "metaworld 3.1.1, mujoco 3.3.0".
  var listed: String { sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ") }
}
