import Demonstrations
import Foundation
import GaussianWorld
import Imitation
import Layers
import Tensors
import Training

/// The demonstrations that a world model learns from: frames as views, and clips of frames with actions and rewards.
final class WorldData {
  /// One moment of an episode.
  struct Frame: Hashable, Sendable {
    var episode: Int
    var step: Int
  }

  let demonstrations: Demonstrations
  let training: [Int]
  let heldOut: [Int]
  let blueprint: WorldModel.Blueprint
  /// What the files hold, SHA-256.
  let fingerprints: [String]
  private let cameras: [CameraKeys]
  private let geometry: Bool

  /// - Parameter needsDepth: whether a lift cannot do without depths.
  init(_ recipe: WorldRecipe, place: DatasetPlace, needsDepth: Bool) throws {
    let registry = try place.registry(recipe.data.registry)
    let split = try registry.split(recipe.data.split)
    let root = place.root(of: registry, recipe: recipe.data.root)
    let selections = try recipe.data.tasks.map {
      Demonstrations.Selection(
        path: try registry.path(task: $0, split: recipe.data.split, root: root), task: $0, key: split.key,
        heldOutKey: recipe.data.validationKey)
    }
    cameras = recipe.world.cameras.map { CameraKeys($0) }
    geometry = recipe.world.geometry || needsDepth
    let bar = ProgressBar("open demonstrations", total: 1, unit: "episodes")
    var opened = 0
    demonstrations = try Demonstrations(
      selections, images: cameras.map(\.image),
      vectors: geometry ? cameras.flatMap { [$0.depth, $0.calibration] } : [],
      memory: Int(recipe.data.memoryGigabytes * 1e9)
    ) { done, total in
      opened = total
      bar.update(done, of: total)
    }
    let sizes = Set(demonstrations.schema.images.values)
    guard sizes.count == 1, let size = sizes.first else {
      throw GaussianWorldError.cameraSizes(cameras.map(\.name))
    }
    for camera in geometry ? cameras : [] {
      for (key, wanted) in [(camera.depth, size.height * size.width), (camera.calibration, CameraCalibration.width)] {
        let found = demonstrations.schema.vectors[key] ?? 0
        guard found == wanted else { throw GaussianWorldError.geometrySize(key, found: found, wanted: wanted) }
      }
    }
    blueprint = WorldModel.Blueprint(
      context: LiftContext(
        cameras: cameras.map(\.name), size: size, fieldsOfView: recipe.world.fieldsOfView),
      actionWidth: demonstrations.actionWidth)
    (training, heldOut) = TrainingData.divide(demonstrations, recipe.data, seed: recipe.seed)
    fingerprints = try zip(selections, demonstrations.linkedFiles).flatMap { selection, linked in
      try ([selection.path] + linked).map { try DigestCache().digest($0).sha256 }
    }
    bar.update(opened, of: opened)
    bar.finish(note: "\(training.count) to train on, \(heldOut.count) held out")
    for note in demonstrations.notes { tell("note: \(note)") }
  }

  /// What a stage's weights depend on.
  func identity(of stage: WorldRecipe.Stage, _ recipe: WorldRecipe) -> String {
    (fingerprints + [recipe.identity(of: stage)]).joined(separator: "\n")
  }

  func frames(of episodes: [Int]) -> [Frame] {
    episodes.flatMap { episode in
      (0..<demonstrations.episodes[episode].length).map { Frame(episode: episode, step: $0) }
    }
  }

  /// Some moments as all cameras saw them.
  func views(_ frames: [Frame]) throws -> CameraViews {
    let size = blueprint.context.size
    func rows(_ key: String, width: Int) throws -> [Float] {
      try frames.flatMap { frame in
        try demonstrations.vectors(key, episode: frame.episode, rows: frame.step..<frame.step + 1)
      }
    }
    let count = size.height * size.width
    return CameraViews(
      size: size,
      images: try cameras.map { camera in
        let pixels = try frames.flatMap {
          try demonstrations.images(camera.image, episode: $0.episode, rows: [$0.step])
        }
        return Tensor.images(
          pixels, count: frames.count, height: size.height, width: size.width, crop: (size.height, size.width),
          offsets: Array(repeating: (0, 0), count: frames.count))
      },
      depths: !geometry
        ? nil
        : try cameras.map {
          Tensor(try rows($0.depth, width: count), shape: [frames.count, size.height, size.width])
        },
      calibrations: !geometry
        ? nil
        : try cameras.map { camera in
          let width = CameraCalibration.width
          let all = try rows(camera.calibration, width: width)
          return frames.indices.map { CameraCalibration(Array(all[$0 * width..<($0 + 1) * width])) }
        })
  }

  /// The actions that follow moments, `[frames, steps, actionWidth]`.
  func actions(after frames: [Frame], steps: Int) throws -> Tensor {
    let width = blueprint.actionWidth
    let values = try frames.flatMap { frame in
      try demonstrations.actions(episode: frame.episode)[frame.step * width..<(frame.step + steps) * width]
    }
    return Tensor(values, shape: [frames.count, steps, width])
  }

  /// The reward of each step of an episode.
  ///
  /// The last action leads to a state that no file holds, and a demonstration that ends with success has its only reward there:
  /// it counts for the action before, the last whose outcome is seen.
  func rewards(episode: Int) throws -> [Float] {
    var rewards = try demonstrations.rewards(episode: episode)
    let last = rewards.count - 1
    if last > 0 { rewards[last - 1] = max(rewards[last - 1], rewards[last]) }
    return rewards
  }

  /// What the actions after moments brought, `[frames, steps]`.
  /// - Parameter all: the rewards of each episode.
  func rewards(after frames: [Frame], steps: Int, _ all: [[Float]]) -> Tensor {
    Tensor(frames.flatMap { all[$0.episode][$0.step..<$0.step + steps] }, shape: [frames.count, steps])
  }
}
