import ArgumentParser
import Demonstrations
import Foundation
import Imitation
import ImitationKit
import Tensors
import Training

/// `imitate probe`: what a policy's features know, by linear regression.
struct Probe: Verb {
  static let configuration = CommandConfiguration(
    abstract: "Regress recorded readings linearly on the features of trained policies' encoders.",
    discussion: """
      The features are those of the pictures alone: the low-dimensional readings that the encoder hands through are left \
      out. Ridge regression on the frames of the training demonstrations; told is the share of the variance (R²) that it \
      explains on the held-out ones, averaged over the numbers of the reading that vary.
      """)

  @Argument(help: "The run folders to compare; all of the same data.") var runs: [String]
  @Option(help: "The readings to find, separated by commas.") var targets =
    "object,robot0_base_to_eef_pos,robot0_gripper_qpos"
  @Option(help: "Frames to regress on, spread evenly.") var frames = 3000
  @Option(help: "text or json.") var format: OutputFormat = .text
  @OptionGroup var place: DatasetPlace

  func validate() throws { try requirePositive(("frames", frames)) }

  struct Finding: Codable {
    var run: String
    var encoder: String
    var features: Int
    /// R² on held-out frames by reading.
    var explained: [String: Double]
  }

  func run(in session: Session) throws {
    let keys = targets.split(separator: ",").map(String.init)
    var findings: [Finding] = []
    for path in runs {
      let loaded = try TrainedPolicy(run: path, catalog: session.catalog)
      if let note = try RunFolder(path).trainedRecipe().note { tell("note: \(note)") }
      findings.append(try probe(loaded, path: path, keys: keys))
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

  private func probe(_ loaded: TrainedPolicy, path: String, keys: [String]) throws -> Finding {
    let recipe = loaded.recipe
    let registry = try place.registry(recipe.data.registry)
    let root = place.root(of: registry, recipe: recipe.data.root)
    let data = try TrainingData(recipe, registry: registry, root: root, format: HDF5Format(options: .init()))
    // The readings are often none that the policy sees.
    var asked = recipe
    asked.observations.images = []
    asked.observations.vectors = keys
    let readings = try TrainingData(asked, registry: registry, root: root, format: HDF5Format(options: .init())).reader
    guard !data.heldOut.isEmpty else {
      throw CommandFailure("\(path): no demonstration was held out; data.validation is 0")
    }
    guard !loaded.policy.encoder.layout.columns(from: FeatureLayout.pictures).isEmpty else {
      throw CommandFailure("\(path): encoder '\(recipe.encoder.kind)' gives no pooled features of pictures to regress on")
    }
    func spread(_ episodes: [Int], _ count: Int) -> [EpisodeStep] {
      let all = episodes.flatMap { episode in
        (0..<data.reader.episodes[episode].length).map { EpisodeStep(episode: episode, step: $0) }
      }
      return all.count <= count ? all : (0..<count).map { all[$0 * all.count / count] }
    }
    let (known, hidden) = (spread(data.training, frames), spread(data.heldOut, max(100, frames / 4)))
    let bar = ProgressBar("features of \(path)", total: known.count + hidden.count, unit: "frames")
    var done = 0
    func features(_ frames: [EpisodeStep]) throws -> [[Double]] {
      var rows: [[Double]] = []
      for start in stride(from: 0, to: frames.count, by: 32) {
        let some = Array(frames[start..<min(frames.count, start + 32)])
        let batch = try data.reader.batch(some, window: loaded.policy.view)
        rows += loaded.policy.encoder.pictureRows(try loaded.normalizer.normalized(batch.observations))
        done += some.count
        bar.update(done)
      }
      return rows
    }
    let (fit, test) = (try features(known), try features(hidden))
    bar.finish()
    var explained: [String: Double] = [:]
    for key in keys {
      let width = readings.schema.vectors[key]!
      func values(_ frames: [EpisodeStep]) throws -> [[Double]] {
        try frames.map { frame in
          let all = try readings.vectors(key, episode: frame.episode)
          return (0..<width).map { Double(all[frame.step * width + $0]) }
        }
      }
      explained[key] = RidgeRegression.explained(fit, try values(known), test, try values(hidden))
    }
    return Finding(run: path, encoder: recipe.encoder.kind, features: fit[0].count, explained: explained)
  }
}
