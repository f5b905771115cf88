import Tensors

/// Many arrays of one shape in memory.
final class SightStore {
  let shape: [Int]
  private var values: [Float]
  private let size: Int

  init(count: Int, shape: [Int]) {
    self.shape = shape
    size = shape.reduce(1, *)
    values = [Float](repeating: 0, count: count * size)
  }

  func set(_ tensor: Tensor, at place: Int) {
    tensor.withUnsafeBufferPointer { from in
      values.withUnsafeMutableBufferPointer {
        ($0.baseAddress! + place * size).update(from: from.baseAddress!, count: from.count)
      }
    }
  }

  /// `[places.count] + shape`.
  func rows(_ places: [Int]) -> Tensor {
    Tensor(shape: [places.count] + shape) { buffer in
      values.withUnsafeBufferPointer { from in
        for (number, place) in places.enumerated() {
          (buffer.baseAddress! + number * size).update(from: from.baseAddress! + place * size, count: size)
        }
      }
    }
  }
}
