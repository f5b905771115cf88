import ArgumentParser
import Foundation
import ImitationKit
import Reports

/// `imitate probe`: what the features of a policy or a world model know, by linear regression.
struct Probe: Verb {
  static let configuration = CommandConfiguration(
    commandName: "probe",
    abstract: "Find positions by linear regression on the features of world models and policies, stage by stage.",
    discussion: """
      Ridge regression on frames of the training demonstrations, its penalty chosen on every fifth of them; reported is how \
      far it is off on the held-out ones, apart before and after the grasp. Stages of a world model: Gaussians, latents, tokens \
      after each block. Of a policy: what its encoder makes of images, before and after training. Each RUN keeps its result as \
      probe.json; a page with charts goes to --output.
      """)

  @Argument(help: "The run folders.") var runs: [String]
  @Option(
    help: ArgumentHelp(
      "What to find, separated by commas: object, poses of datagen_info, observations.",
      discussion: "When left out: the object and the poses that vary, in the frame of the robot's base."))
  var targets: String?
  @Option(help: "Frames to regress on, spread evenly; half as many are held out.") var frames = 2000
  @Option(help: "Where the page goes; probe.html in the first run folder when left out.") var output: String?
  @Option(help: "text or json.") var format: OutputFormat = .text
  @OptionGroup var device: DeviceChoice
  @OptionGroup var place: DatasetPlace

  func validate() throws {
    guard !runs.isEmpty else { throw ValidationError("name at least one run folder") }
    guard frames >= 20 else { throw ValidationError("--frames must be 20 or more") }
    for run in runs where !FileManager.default.fileExists(atPath: RunFolder(run).recipe) {
      throw RunError.notARun(folder: run)
    }
  }

  func run(in session: Session) throws {
    let names = targets?.split(separator: ",").map(String.init)
    let results = try device.run(.float32) {
      try runs.map { try ProbedRun($0, targets: names, place, session.catalog).probe(frames: frames) }
    }
    let page = output ?? "\(runs[0])/probe.html"
    try AtomicFile.write(Data(ProbeReport(results).html.utf8), to: page)
    print(format == .json ? try OutputFormat.json(results) : results.map(\.text).joined(separator: "\n\n"))
    tell(page)
  }
}
