import Foundation
import Imitation
import Layers
import Tensors

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
    let mine = data.rows(batch)
    return try clips(Array(chosen[mine]), of: training, heldOut: false, random: random.part(mine, of: batch))
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

extension Random {
  /// For a part of a batch: a stream of its own, so that no noise comes twice; the same where the part is the whole.
  func part(_ rows: Range<Int>, of batch: Int) -> Random {
    rows.count == batch ? self : split("rows").split(rows.lowerBound)
  }
}
