import ArgumentParser
import Foundation
import ImitationKit

/// `imitate probe`: what a policy's features know, by linear regression.
struct Probe: Verb {
  static let configuration = CommandConfiguration(
    abstract: "Regress recorded observations linearly on the features of trained policies' encoders.",
    discussion: """
      The features are those of the images alone: the low-dimensional observations that the encoder hands through are left \
      out. Ridge regression on the frames of the training demonstrations; reported is the fraction of the variance (R²) that it \
      explains on the held-out ones, averaged over the values of the observation that vary.
      """)

  @Argument(help: "The run folders to compare; all of the same data.") var runs: [String]
  @Option(help: "The observations to find, separated by commas.") var targets =
    "object,robot0_base_to_eef_pos,robot0_gripper_qpos"
  @Option(help: "Frames to regress on, spread evenly.") var frames = 3000
  @Option(help: "text or json.") var format: OutputFormat = .text
  @OptionGroup var place: DatasetPlace

  func validate() throws { try requirePositive(("frames", frames)) }

  func run(in session: Session) throws {
    let keys = targets.split(separator: ",").map(String.init)
    var findings: [FeatureProbe.Finding] = []
    for path in runs {
      let policy = try TrainedPolicy(run: path, catalog: session.catalog)
      _ = try RunFolder(path).toldRecipe()
      let probe = FeatureProbe(path: path, policy: policy, place: place, catalog: session.catalog, frames: frames)
      findings.append(try probe.finding(keys))
    }
    guard format == .text else { return print(try OutputFormat.json(findings)) }
    print(
      table(
        ["run", "encoder", "features"] + keys,
        findings.map { finding in
          [finding.run, finding.encoder, "\(finding.features)"]
            + keys.map { String(format: "%.3f", finding.explained[$0] ?? .nan) }
        }))
    print("R² on frames of held-out demonstrations, by ridge regression on those of the others")
  }
}
