import Foundation
import Imitation
import Tensors

/// The demonstrations that a world model learns from: frames as views, and clips of frames with actions and rewards.
package final class WorldFrames {
  package let reader: any EpisodeReader
  package let training: [Int]
  package let heldOut: [Int]
  package let blueprint: WorldModel.Blueprint
  private let cameras: [CameraKeys]
  private let geometry: Bool

  /// What a world model's demonstrations have to hold.
  ///
  /// - Parameter needsDepth: whether the lift cannot do without depths.
  package static func keys(
    _ options: WorldModel.Options, needsDepth: Bool
  ) -> (images: [String], vectors: [String]) {
    let cameras = options.cameras.map { CameraKeys($0) }
    let geometry = options.geometry || needsDepth
    return (cameras.map(\.image), geometry ? cameras.flatMap { [$0.depth, $0.calibration] } : [])
  }

  /// - Parameters:
  ///   - training: the episodes to learn from.
  ///   - heldOut: those to measure on.
  /// - Throws: `GaussianWorldError` when cameras, depths or calibrations have the wrong sizes.
  package init(
    _ reader: any EpisodeReader, _ options: WorldModel.Options, needsDepth: Bool, training: [Int], heldOut: [Int]
  ) throws {
    self.reader = reader
    self.training = training
    self.heldOut = heldOut
    cameras = options.cameras.map { CameraKeys($0) }
    geometry = options.geometry || needsDepth
    let sizes = Set(cameras.map { reader.schema.images[$0.image] })
    guard sizes.count == 1, let size = sizes.first ?? nil else {
      throw GaussianWorldError.cameraSizes(cameras.map(\.name))
    }
    for camera in geometry ? cameras : [] {
      for (key, wanted) in [(camera.depth, size.height * size.width), (camera.calibration, CameraCalibration.width)] {
        let found = reader.schema.vectors[key] ?? 0
        guard found == wanted else { throw GaussianWorldError.geometrySize(key, found: found, wanted: wanted) }
      }
    }
    blueprint = WorldModel.Blueprint(
      context: LiftContext(cameras: cameras.map(\.name), size: size, fieldsOfView: options.fieldsOfView),
      actionWidth: reader.actionWidth)
  }

  /// All time steps of some episodes.
  package func frames(of episodes: [Int]) -> [EpisodeStep] {
    episodes.flatMap { episode in
      (0..<reader.episodes[episode].length).map { EpisodeStep(episode: episode, step: $0) }
    }
  }

  /// Some time steps as all cameras saw them.
  package func views(_ frames: [EpisodeStep]) throws -> CameraViews {
    try CameraViews(
      cameras, size: blueprint.context.size, count: frames.count, geometry: geometry,
      pixels: { key in try frames.flatMap { try reader.images(key, episode: $0.episode, rows: [$0.step]) } },
      rows: { key in
        try frames.flatMap { try reader.vectors(key, episode: $0.episode, rows: $0.step..<$0.step + 1) }
      })
  }

  /// The actions that follow time steps, `[frames, steps, actionWidth]`.
  package func actions(after frames: [EpisodeStep], steps: Int) throws -> Tensor {
    let width = blueprint.actionWidth
    let values = try frames.flatMap { frame in
      try reader.actions(episode: frame.episode)[frame.step * width..<(frame.step + steps) * width]
    }
    return Tensor(values, shape: [frames.count, steps, width])
  }

  /// The reward of each step of an episode.
  ///
  /// The last action leads to a state that no file holds, and a demonstration that ends with success has its only reward there:
  /// it counts for the action before, the last whose outcome is seen.
  package func rewards(episode: Int) throws -> [Float] {
    var rewards = try reader.rewards(episode: episode)
    let last = rewards.count - 1
    if last > 0 { rewards[last - 1] = max(rewards[last - 1], rewards[last]) }
    return rewards
  }

  /// The rewards of the actions after time steps, `[frames, steps]`.
  /// - Parameter all: the rewards of each episode.
  package func rewards(after frames: [EpisodeStep], steps: Int, _ all: [[Float]]) -> Tensor {
    Tensor(frames.flatMap { all[$0.episode][$0.step..<$0.step + steps] }, shape: [frames.count, steps])
  }
}
