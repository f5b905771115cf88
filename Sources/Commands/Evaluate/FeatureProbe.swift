import Foundation
import ImitationKit

/// How well low-dimensional observations follow linearly from a trained policy's features of images.
struct FeatureProbe {
  let path: String
  let policy: TrainedPolicy
  let place: DatasetPlace
  let catalog: Catalog
  /// How many to regress on.
  let frames: Int

  struct Finding: Codable {
    var run: String
    var encoder: String
    var features: Int
    /// R² on held-out frames by observation.
    var explained: [String: Double]
  }

  /// - Parameter keys: the observations to explain.
  /// - Throws: `CommandFailure` when nothing was held out, or there are no features of images.
  func finding(_ keys: [String]) throws -> Finding {
    let recipe = policy.recipe
    let registry = try place.registry(recipe.data.registry)
    let root = place.root(of: registry, recipe: recipe.data.root)
    let format = try catalog.makeReader(recipe.data.reader)
    let data = try TrainingData(recipe, registry: registry, root: root, format: format)
    // The observations are often none that the policy sees.
    var asked = recipe
    asked.observations.images = []
    asked.observations.vectors = keys
    let observed = try TrainingData(asked, registry: registry, root: root, format: format).reader
    guard !data.heldOut.isEmpty else {
      throw CommandFailure("\(path): no demonstration was held out; data.validation is 0")
    }
    guard !policy.policy.encoder.layout.columns(from: FeatureLayout.images).isEmpty else {
      throw CommandFailure(
        "\(path): encoder '\(recipe.encoder.kind)' gives no pooled features of images to regress on")
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
        let batch = try data.reader.batch(some, window: policy.policy.view)
        rows += policy.policy.encoder.imageRows(try policy.normalizer.normalized(batch.observations))
        done += some.count
        bar.update(done)
      }
      return rows
    }
    let (fit, test) = (try features(known), try features(hidden))
    bar.finish()
    var explained: [String: Double] = [:]
    for key in keys {
      let width = observed.schema.vectors[key]!
      func values(_ frames: [EpisodeStep]) throws -> [[Double]] {
        try frames.map { frame in
          let all = try observed.vectors(key, episode: frame.episode)
          return (0..<width).map { Double(all[frame.step * width + $0]) }
        }
      }
      explained[key] = RidgeRegression.explained(fit, try values(known), test, try values(hidden))
    }
    return Finding(run: path, encoder: recipe.encoder.kind, features: fit[0].count, explained: explained)
  }
}
