import ArgumentParser
import Foundation
import ImitationKit

/// `imitate replay`: whether recorded actions still solve their task.
struct Replay: Verb {
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Play the recorded actions of demonstrations in an environment and count how many succeed again.",
    discussion: """
      Each demonstration starts in the scene of its recorded seed, in its first recorded state where the environment can \
      restore states. What the actions mean is compared with the environment before the first step.
      """)

  @Argument(help: "A file of demonstrations of one task.") var file: String
  @OptionGroup var environment: EnvironmentChoice
  @Option(help: "A recipe whose simulator to take, in place of --environment.") var recipe: String?
  @Option(help: "Play the first so many demonstrations; all when left out.") var demos: Int?
  @Option(help: "The array that has the actions; actions_abs has goals of the hand.") var actions = "actions"
  @OptionGroup var workers: WorkerOptions
  @Flag(help: "Act although the file does not say what its actions mean.") var trustActions = false
  @Option(help: "text or json.") var format: OutputFormat = .text

  func validate() throws {
    try requirePositive(("demos", demos))
    guard environment.environment != nil || recipe != nil else {
      throw ValidationError("where to replay is missing: --environment NAME, or --recipe RECIPE")
    }
  }

  func run(in session: Session) throws {
    let source = try DemonstrationFile(path: file)
    let choice = try environment.simulator(session.catalog, recipe: recipe)
    try session.catalog.refuseRobot(choice)
    let task = environment.task ?? source.task
    guard !task.isEmpty else { throw CommandFailure("\(file): does not name its task; --environment NAME:TASK does") }
    let names = Array(source.demos.prefix(demos ?? .max))
    let spec = try session.catalog.startSimulator(choice, drawing: false).spec
    _ = try spec.task(task)
    try check(source, names[0], spec)
    let replayed = try play(names, of: source, choice, task, session.catalog)
    let report = ReplayReport(
      file: file, environment: spec.name, versions: spec.versions, task: task, actions: actions, demos: replayed)
    print(format == .json ? try OutputFormat.json(report) : report.text)
  }

  /// Refuses actions that mean something else there; notes versions that may move things otherwise.
  private func check(_ source: DemonstrationFile, _ demo: String, _ spec: EnvironmentSpec) throws {
    let shape = try source.file(of: demo).shape(source.array(actions, of: demo))
    let schema = try source.actionSchema(of: actions, width: shape.count > 1 ? shape[1] : 1)
    if let unknown = try schema.check(acting: spec, trusting: trustActions) {
      tell(note: "nobody knows of the recording's actions \(unknown)")
    }
    let recorded = source.environmentArguments["versions"] as? [String: String] ?? [:]
    for (name, version) in recorded.sorted(by: { $0.key < $1.key }) {
      guard let present = spec.versions[name], present != version else { continue }
      tell(note: "recorded with \(name) \(version), played with \(present): the same actions may move things otherwise")
    }
  }
}
