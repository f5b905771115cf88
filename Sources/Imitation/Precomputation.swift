import Tensors

/// Many arrays of one shape in memory.
package final class TensorStore {
  package let shape: [Int]
  private var values: [Float]
  private let size: Int

  package init(count: Int, shape: [Int]) {
    self.shape = shape
    size = shape.reduce(1, *)
    values = [Float](repeating: 0, count: count * size)
  }

  package func set(_ tensor: Tensor, at index: Int) {
    tensor.withUnsafeBufferPointer { from in
      values.withUnsafeMutableBufferPointer {
        ($0.baseAddress! + index * size).update(from: from.baseAddress!, count: from.count)
      }
    }
  }

  /// `[indices.count] + shape`.
  package func rows(_ indices: [Int]) -> Tensor {
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
/// shown how far it is. One belongs to one model and its demonstrations.
public struct Precomputation {
  /// Whether `count` arrays of a shape may be kept; asked with a name for them.
  public var keeps: (_ name: String, _ count: Int, _ shape: [Int]) throws -> Bool
  /// Called after each batch; throws to stop.
  public var progress: (_ name: String, _ done: Int, _ total: Int) throws -> Void
  private let kept = Kept()

  /// What several stages need.
  private final class Kept { var stores: [String: TensorStore] = [:] }

  /// Asks and shows by these.
  public init(
    keeps: @escaping (_ name: String, _ count: Int, _ shape: [Int]) throws -> Bool,
    progress: @escaping (_ name: String, _ done: Int, _ total: Int) throws -> Void
  ) {
    self.keeps = keeps
    self.progress = progress
  }

  /// The arrays that `compute` makes of `0..<count`, so many at once; nil when they are not to be kept.
  ///
  /// - Parameter isShared: whether the next one who asks by this name gets the same.
  package func stored(
    _ name: String, count: Int, shape: [Int], batch: Int, isShared: Bool = false,
    _ compute: (Range<Int>) throws -> Tensor
  ) throws -> TensorStore? {
    if isShared, let store = kept.stores[name] { return store }
    guard try keeps(name, count, shape) else { return nil }
    let store = TensorStore(count: count, shape: shape)
    for start in stride(from: 0, to: count, by: batch) {
      let range = start..<min(count, start + batch)
      try progress(name, start, count)
      store.set(try compute(range), at: start)
    }
    try progress(name, count, count)
    if isShared { kept.stores[name] = store }
    return store
  }
}
