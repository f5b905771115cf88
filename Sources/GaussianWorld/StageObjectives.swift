import Foundation
import Imitation
import Layers
import Tensors

/// A lift's loss on views of the training frames.
package struct LiftObjective: Objective {
  private let lift: any GaussianLift
  private let data: WorldFrames
  private let frames: [EpisodeStep]
  private let heldOut: [EpisodeStep]
  private let batch: Int

  /// - Parameter batch: frames a step.
  package init(_ lift: any GaussianLift, _ data: WorldFrames, batch: Int) {
    (self.lift, self.data, self.batch) = (lift, data, batch)
    frames = data.frames(of: data.training)
    heldOut = data.frames(of: data.heldOut).spread(32)
  }

  /// Whether the lift has something to learn.
  /// - Throws: what the reader threw.
  package var isTrained: Bool {
    get throws { try frames.first.map { lift.loss(on: try data.views([$0])) != nil } ?? false }
  }

  package var module: any Module { lift }

  package func batch(_ step: Int, random: Random) throws -> CameraViews {
    var random = random
    return try data.views((0..<batch).map { _ in random.choice(frames) })
  }

  package func loss(on views: CameraViews) -> PolicyLoss { lift.loss(on: views)! }

  package func validate() throws -> ValidationLoss? {
    heldOut.isEmpty ? nil : ValidationLoss(lift.loss(on: try data.views(heldOut))!)
  }
}

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
    model.codec.prepare(
      CodecSample(
        encodings: try lifted(some), gripper: try data.gripper(frames.spread(4096)) ?? [],
        camera: isPlaced ? try data.views([some[0]]).calibrations![0][0] : nil))
  }

  package var module: any Module { model.codec }

  package func batch(_ step: Int, random: Random) throws -> Pairs {
    var random = random
    let firsts = (0..<max(1, batch / 2)).map { _ in random.choice(frames) }
    return try pairs(firsts, random: random, noisy: true)
  }

  private func pairs(_ firsts: [EpisodeStep], random: Random, noisy: Bool) throws -> Pairs {
    func moved(_ frame: EpisodeStep, by steps: Int) -> EpisodeStep {
      let last = data.reader.episodes[frame.episode].length - 1
      return .init(episode: frame.episode, step: min(max(0, frame.step + steps), last))
    }
    var random = random
    let anchors = firsts.map { moved($0, by: -random.below(10)) }
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
    return model.codec.loss(
      on: CodecBatch(
        encodings: try lifted(pairs.frames), references: try lifted(pairs.anchors),
        images: cameras.map { views.images[$0] }, views: from, weights: try weights(pairs, from),
        isNoisy: pairs.isNoisy), random: &random)!
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

/// The dynamics' loss on clips of frames.
package struct DynamicsObjective: Objective {
  package struct Clips {
    /// Numbers of clips.
    var chosen: [Int]
    var isHeldOut: Bool
    /// `[clips, horizon, actionWidth]` in recorded units.
    var actions: Tensor
    /// `[clips, horizon]`.
    var rewards: Tensor
    var random: Random
  }

  /// What is trained and saved: the network, and the statistics that standardize its states and actions.
  private struct Saved: Module {
    let dynamics: LatentDynamics
    let even: [Buffer]
  }

  private let model: GaussianWorldModel
  private let data: WorldFrames
  private let training: EncodedClips
  private let heldOut: EncodedClips
  private let rewards: [[Float]]
  private let batch: Int
  package let module: any Module

  /// Computes the statistics of states and actions, too.
  ///
  /// - Parameters:
  ///   - batch: clips a step.
  ///   - seed: of the choice of anchors.
  /// - Throws: `GaussianWorldError.tooFewClips`, what the reader threw, or `precomputation` to stop.
  package init(
    _ model: GaussianWorldModel, _ data: WorldFrames, _ lifted: LiftedFrames, batch: Int, seed: UInt64,
    _ precomputation: Precomputation
  ) throws {
    (self.model, self.data, self.batch) = (model, data, batch)
    module = DynamicsObjective.saved(of: model)
    rewards = try data.reader.episodes.indices.map(data.rewards)
    training = try EncodedClips(data.training, model, data, lifted, seed: seed, "clips", precomputation)
    guard training.present.count >= batch else {
      throw GaussianWorldError.tooFewClips(training.present.count, batch: batch)
    }
    heldOut = try EncodedClips(data.heldOut, model, data, lifted, seed: seed, "held-out clips", precomputation)
    let length = LatentDynamics.context + model.dynamics.options.horizon
    let count = training.present.count
    if data.blueprint.context.frame == .base, let first = training.present.first,
      let camera = try data.views([first]).calibrations?[0][0]
    {
      model.stand(at: camera)
    }
    let some = try Array(0..<count).spread(256).map { try training.states([$0]).squeezed(0) }
    model.standardize(rawStates: some)
    model.standardize(
      changes: some.map { raw in
        let states = model.even(state: raw)
        return states.sliced(axis: 0, 1..<length) - states.sliced(axis: 0, 0..<length - 1)
      })
    model.standardize(
      actions: .init(
        .gaussian, statistics: try data.reader.statistics(of: Normalizer.actions, episodes: data.training)))
  }

  /// The part of a world model that this stage trains and saves.
  package static func saved(of model: GaussianWorldModel) -> any Module {
    Saved(dynamics: model.dynamics, even: model.statistics)
  }

  private func clips(_ chosen: [Int], of encoded: EncodedClips, heldOut: Bool, random: Random) throws -> Clips {
    let (frames, steps) = (chosen.map { encoded.present[$0] }, model.dynamics.options.horizon)
    return Clips(
      chosen: chosen, isHeldOut: heldOut, actions: try data.actions(after: frames, steps: steps),
      rewards: data.rewards(after: frames, steps: steps, rewards), random: random)
  }

  package func batch(_ step: Int, random: Random) throws -> Clips {
    var random = random
    let chosen = (0..<batch).map { _ in random.below(training.present.count) }
    return try clips(chosen, of: training, heldOut: false, random: random)
  }

  package func loss(on clips: Clips) throws -> PolicyLoss {
    var random = clips.random
    let states = try (clips.isHeldOut ? heldOut : training).states(clips.chosen)
    return model.dynamicsLoss(
      states: model.even(state: states), actions: clips.actions, rewards: clips.rewards, random: &random)
  }

  package func validate() throws -> ValidationLoss? {
    guard !heldOut.present.isEmpty else { return nil }
    let some = Array(heldOut.present.indices).spread(64)
    return ValidationLoss(try loss(on: clips(some, of: heldOut, heldOut: true, random: Random(seed: 0))))
  }
}

/// Clips of frames with their states, not standardized.
private struct EncodedClips {
  /// The present time step of each: the last of its context.
  let present: [EpisodeStep]
  /// The states of some of them, `[clips, context + horizon, tokens, numbers]`.
  let states: ([Int]) throws -> Tensor

  init(
    _ episodes: [Int], _ model: GaussianWorldModel, _ data: WorldFrames, _ lifted: LiftedFrames, seed: UInt64,
    _ name: String,
    _ precomputation: Precomputation
  ) throws {
    let (context, horizon) = (LatentDynamics.context, model.dynamics.options.horizon)
    let length = context + horizon
    var random = Random(seed: seed).split("clips")
    var present: [EpisodeStep] = []
    var anchors: [EpisodeStep] = []
    for frame in data.frames(of: episodes)
    where frame.step >= context - 1 && frame.step + horizon < data.reader.episodes[frame.episode].length {
      present.append(frame)
      // Roll-outs keep the anchors of their first time step, so that those of a while ago must do as well.
      let first = frame.step - context + 1
      anchors.append(.init(episode: frame.episode, step: max(0, first - random.below(10))))
    }
    let (clips, references) = (present, anchors)
    self.present = present
    func encoded(_ chosen: [Int]) throws -> Tensor {
      let frames = chosen.flatMap { clip in
        (1 - context...horizon).map { EpisodeStep(episode: clips[clip].episode, step: clips[clip].step + $0) }
      }
      let raw = model.codec.encode(
        try lifted(frames), reference: try lifted(chosen.flatMap { Array(repeating: references[$0], count: length) }))
      return raw.reshaped([chosen.count, length] + raw.shape.dropFirst())
    }
    let codec = model.codec
    if type(of: codec).isTrained, !codec.usesReference {
      // Tokens of a frame are the same in every clip that it is in.
      let all = data.frames(of: episodes)
      let store = try precomputation.stored(
        name, count: all.count, shape: [codec.tokenCount, codec.tokenWidth], batch: 32
      ) { range in
        let encoding = try lifted(Array(all[range]))
        return codec.encode(encoding, reference: encoding)
      }
      if let store {
        let places = Dictionary(uniqueKeysWithValues: all.enumerated().map { ($1, $0) })
        states = { chosen in
          store.rows(
            chosen.flatMap { clip in
              let place = places[clips[clip]]!
              return (1 - context...horizon).map { place + $0 }
            }
          ).reshaped([chosen.count, length] + store.shape)
        }
        return
      }
    }
    // Without a VAE states are the lifted frames in another order, made as they are needed; latents are made once if they fit.
    guard type(of: model.codec).isTrained, !present.isEmpty else {
      states = encoded
      return
    }
    let shape = Array(try encoded([0]).shape.dropFirst())
    let store = try precomputation.stored(name, count: present.count, shape: shape, batch: 16) {
      try encoded(Array($0))
    }
    states = store?.rows ?? encoded
  }
}

extension Array {
  /// Every n-th element, about `count` of them.
  fileprivate func spread(_ count: Int) -> [Element] {
    stride(from: 0, to: self.count, by: Swift.max(1, self.count / count)).map { self[$0] }
  }
}
