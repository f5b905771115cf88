import Imitation
import Layers
import Tensors

/// A codec's loss on pairs of frames that follow each other, with the anchors of up to nine time steps before, as in roll-outs.
package struct CodecObjective: Objective {
  package struct Pairs {
    var frames: [EpisodeStep]
    var anchors: [EpisodeStep]
    var views: CameraViews
    /// Whether latents get noise from `random`.
    var isNoisy: Bool
    var random: Random
  }

  private let model: GaussianWorldModel
  private let data: WorldFrames
  private let lifted: LiftedFrames
  private let frames: [EpisodeStep]
  private let heldOut: [EpisodeStep]
  private let batch: Int

  /// Lets the codec find out from the training frames where scenes are, too.
  ///
  /// - Parameter batch: frames a step, two for each pair.
  /// - Throws: what the reader threw.
  package init(_ model: GaussianWorldModel, _ data: WorldFrames, _ lifted: LiftedFrames, batch: Int) throws {
    (self.model, self.data, self.lifted, self.batch) = (model, data, lifted, batch)
    frames = data.frames(of: data.training)
    heldOut = data.frames(of: data.heldOut).spread(32)
    let some = frames.spread(64)
    let isPlaced = model.options.frame == .base
    try model.codec.prepare(
      CodecSample(
        encodings: try lifted(some), gripper: try data.gripper(frames.spread(4096)) ?? [],
        camera: isPlaced ? try data.views([some[0]]).calibrations![0][0] : nil))
  }

  package var module: any Module { model.codec }

  /// Pairs of frames.
  package func parts(of batch: Int) -> Int { max(1, batch / 2) }

  package func batch(_ step: Int, random: Random) throws -> Pairs {
    var random = random
    let firsts = (0..<parts(of: batch)).map { _ in random.choice(frames) }
    let mine = data.rows(firsts.count)
    return try pairs(Array(firsts[mine]), random: random.part(mine, of: firsts.count), noisy: true)
  }

  private func pairs(_ firsts: [EpisodeStep], random: Random, noisy: Bool) throws -> Pairs {
    func moved(_ frame: EpisodeStep, by steps: Int) -> EpisodeStep {
      let last = data.reader.episodes[frame.episode].length - 1
      return .init(episode: frame.episode, step: min(max(0, frame.step + steps), last))
    }
    var random = random
    // Those that go with the gripper are where it is at the newer frame, or was.
    let newest = model.codec.followsGripper ? 1 : 0
    let anchors = firsts.map { moved($0, by: newest - model.codec.age(of: &random)) }
    let both = firsts + firsts.map { moved($0, by: 1) }
    return Pairs(
      frames: both, anchors: anchors + anchors, views: try data.views(both), isNoisy: noisy, random: random)
  }

  package func loss(on pairs: Pairs) throws -> PolicyLoss {
    var random = pairs.random
    let views = pairs.views
    let context = data.blueprint.context
    // Without poses the first camera alone is known to look along its own axes. In its frame others are left to the lift.
    let cameras = context.frame == .base ? Array(views.images.indices) : [0]
    let from = cameras.map {
      views.views(from: $0, in: context.frame) ?? Array(repeating: context.view, count: pairs.frames.count)
    }
    let encodings = try lifted(pairs.frames, seen: views)
    return model.codec.loss(
      on: CodecBatch(
        encodings: encodings, references: try references(of: pairs) ?? encodings,
        images: cameras.map { views.images[$0] }, views: from, weights: try weights(pairs, from),
        isNoisy: pairs.isNoisy), random: &random)!
  }

  /// The encodings whose anchors count, those of a pair the same; nil where none do.
  private func references(of pairs: Pairs) throws -> Tensor? {
    guard model.codec.usesReference else { return nil }
    let half = try lifted(Array(pairs.anchors.prefix(pairs.anchors.count / 2)))
    return .concatenated([half, half], axis: 0)
  }

  /// How much each pixel counts, by camera: more where the images of a pair differ or near the gripper; of mean 1.
  private func weights(_ pairs: Pairs, _ views: [[SplattingView]]) throws -> [Tensor]? {
    let focus = model.options.focus
    guard focus > 1 else { return nil }
    let grippers = try data.gripper(pairs.frames)
    let size = data.blueprint.context.size
    let (half, pixels) = (pairs.frames.count / 2, size.height * size.width)
    return views.indices.map { camera in
      let image = pairs.views.images[camera].scalars
      var weights = [Float](repeating: 1, count: pairs.frames.count * pixels)
      for item in pairs.frames.indices {
        let (mine, other) = (item * pixels, (item < half ? item + half : item - half) * pixels)
        let gripper = grippers.flatMap { views[camera][item].place(of: $0[item]) }
        for pixel in 0..<pixels {
          let changes = (0..<3).contains {
            abs(image[3 * (mine + pixel) + $0] - image[3 * (other + pixel) + $0]) > 0.05
          }
          let offset = gripper.map {
            SIMD2(Float(pixel % size.width) + 0.5, Float(pixel / size.width) + 0.5) - $0.pixel
          }
          // Within 8 cm, as far as the gripper is.
          let isNear = offset.map { ($0 * $0).sum().squareRoot() < 0.08 * gripper!.pixelsPerMeter } ?? false
          if changes || isNear { weights[mine + pixel] = focus }
        }
      }
      let mean = weights.reduce(0, +) / Float(weights.count)
      return Tensor(weights.map { $0 / mean }, shape: [pairs.frames.count, size.height, size.width, 1])
    }
  }

  package func validate() throws -> ValidationLoss? {
    guard !heldOut.isEmpty else { return nil }
    return ValidationLoss(try loss(on: pairs(heldOut, random: Random(seed: 0), noisy: false)))
  }
}

extension StateCodec {
  /// How many time steps ago a clip's anchors were chosen, as in roll-outs. Policies see tokens that go with the gripper where it is
  /// now, so half of those are.
  func age(of random: inout Random) -> Int {
    guard followsGripper else { return random.below(10) }
    return random.below(2) == 0 ? 0 : random.below(10)
  }
}

extension SplattingView {
  /// Where a point is seen, and how many pixels a meter beside it takes; nil for one that is behind.
  fileprivate func place(of point: SIMD3<Float>) -> (pixel: SIMD2<Float>, pixelsPerMeter: Float)? {
    let seen =
      SIMD3(
        (rotation[0] * point).sum(), (rotation[1] * point).sum(), (rotation[2] * point).sum()) + translation
    guard seen.z > 0.02 else { return nil }
    return (focal * SIMD2(seen.x, seen.y) / seen.z + center, focal.x / seen.z)
  }
}
