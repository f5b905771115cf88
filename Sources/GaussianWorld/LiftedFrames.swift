import Foundation
import Imitation
import Tensors

/// Many arrays of one shape in memory.
final class TensorStore {
  let shape: [Int]
  private var values: [Float]
  private let size: Int

  init(count: Int, shape: [Int]) {
    self.shape = shape
    size = shape.reduce(1, *)
    values = [Float](repeating: 0, count: count * size)
  }

  func set(_ tensor: Tensor, at index: Int) {
    tensor.withUnsafeBufferPointer { from in
      values.withUnsafeMutableBufferPointer {
        ($0.baseAddress! + index * size).update(from: from.baseAddress!, count: from.count)
      }
    }
  }

  /// `[indices.count] + shape`.
  func rows(_ indices: [Int]) -> Tensor {
    Tensor(shape: [indices.count] + shape) { buffer in
      values.withUnsafeBufferPointer { from in
        for (number, index) in indices.enumerated() {
          (buffer.baseAddress! + number * size).update(from: from.baseAddress! + index * size, count: size)
        }
      }
    }
  }
}

/// What a stage computes of its demonstrations before it trains, who decides whether that is kept in memory, and who is
/// shown how far it is.
package struct Precomputation {
  /// Whether `count` arrays of a shape may be kept; asked with a name for them.
  package var keeps: (_ name: String, _ count: Int, _ shape: [Int]) throws -> Bool
  /// Called after each batch; throws to stop.
  package var progress: (_ name: String, _ done: Int, _ total: Int) throws -> Void

  package init(
    keeps: @escaping (_ name: String, _ count: Int, _ shape: [Int]) throws -> Bool,
    progress: @escaping (_ name: String, _ done: Int, _ total: Int) throws -> Void
  ) {
    self.keeps = keeps
    self.progress = progress
  }

  /// The arrays that `compute` makes of `0..<count`, so many at once; nil when they are not to be kept.
  func stored(
    _ name: String, count: Int, shape: [Int], batch: Int, _ compute: (Range<Int>) throws -> Tensor
  ) throws -> TensorStore? {
    guard try keeps(name, count, shape) else { return nil }
    let store = TensorStore(count: count, shape: shape)
    for start in stride(from: 0, to: count, by: batch) {
      let range = start..<min(count, start + batch)
      try progress(name, start, count)
      store.set(try compute(range), at: start)
    }
    try progress(name, count, count)
    return store
  }
}

/// What the frozen lift makes of frames: computed once and kept where all have room in memory, otherwise whenever it is asked
/// for.
package struct LiftedFrames {
  private let data: WorldFrames
  private let model: WorldModel
  private let store: TensorStore?
  private let indices: [EpisodeStep: Int]

  /// - Throws: what the reader threw, or `precomputation` to stop.
  package init(_ data: WorldFrames, _ model: WorldModel, _ precomputation: Precomputation) throws {
    (self.data, self.model) = (data, model)
    let frames = data.frames(of: data.training + data.heldOut)
    store = try precomputation.stored("lifted frames", count: frames.count, shape: model.encodingShape, batch: 32) {
      model.encoding(try data.views(Array(frames[$0])))
    }
    indices = store == nil ? [:] : Dictionary(uniqueKeysWithValues: frames.enumerated().map { ($1, $0) })
  }

  /// See `WorldModel.encoding`: `[frames.count, rows, width]`.
  package func callAsFunction(_ frames: [EpisodeStep]) throws -> Tensor {
    if let store { return store.rows(frames.map { indices[$0]! }) }
    return model.encoding(try data.views(frames))
  }
}
