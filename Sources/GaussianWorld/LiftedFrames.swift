import Imitation
import Tensors

/// What the frozen lift makes of frames: computed once and kept where all have room in memory, otherwise whenever it is asked
/// for.
package struct LiftedFrames {
  private let data: WorldFrames
  private let model: GaussianWorldModel
  private let store: TensorStore?
  private let indices: [EpisodeStep: Int]

  /// - Throws: what the reader threw, or `precomputation` to stop.
  package init(_ data: WorldFrames, _ model: GaussianWorldModel, _ precomputation: Precomputation) throws {
    (self.data, self.model) = (data, model)
    let frames = data.frames(of: data.training + data.heldOut)
    store = try precomputation.stored(
      "lifted frames", count: frames.count, shape: model.codec.encodingShape, batch: 32, isShared: true
    ) {
      model.encoding(try data.views(Array(frames[$0])))
    }
    indices = store == nil ? [:] : Dictionary(uniqueKeysWithValues: frames.enumerated().map { ($1, $0) })
  }

  /// See `GaussianWorldModel.encoding`: `[frames.count, rows, width]`.
  ///
  /// - Parameter views: what cameras saw of them, where it is at hand.
  package func callAsFunction(_ frames: [EpisodeStep], seen views: CameraViews? = nil) throws -> Tensor {
    if let store { return store.rows(frames.map { indices[$0]! }) }
    return model.encoding(try views ?? data.views(frames))
  }
}
