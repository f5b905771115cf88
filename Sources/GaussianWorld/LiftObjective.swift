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
    let chosen = (0..<batch).map { _ in random.choice(frames) }
    return try data.views(Array(chosen[data.rows(batch)]))
  }

  package func loss(on views: CameraViews) -> PolicyLoss { lift.loss(on: views)! }

  package func validate() throws -> ValidationLoss? {
    heldOut.isEmpty ? nil : ValidationLoss(lift.loss(on: try data.views(heldOut))!)
  }
}

extension Array {
  /// Every n-th element, about `count` of them.
  func spread(_ count: Int) -> [Element] {
    stride(from: 0, to: self.count, by: Swift.max(1, self.count / count)).map { self[$0] }
  }
}
