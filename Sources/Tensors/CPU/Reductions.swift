import CKernels

extension Kernel {
  /// Sums neighboring axes, keeping each as 1.
  static func sum(_ x: Tensor, over axes: ClosedRange<Int>) -> Tensor {
    let outer = x.shape[..<axes.lowerBound].reduce(1, *)
    let size = x.shape[axes].reduce(1, *)
    let inner = x.shape[(axes.upperBound + 1)...].reduce(1, *)
    // Parts only where the first axis is summed: a batch of one is added up as each item of a larger one.
    let inParts = axes.lowerBound == 0
    var shape = x.shape
    for axis in axes { shape[axis] = 1 }
    return Tensor(shape: shape) { buffer in
      guard buffer.count > 0 else { return }
      nonisolated(unsafe) let (from, to) = (x.storage.pointer, buffer.baseAddress!)
      if inner == 1 {
        // A long row is summed in parts, and the parts in order.
        let part = 65_536
        if inParts, size > part {
          let parts = (size + part - 1) / part
          withScratch(parts) { partial in
            nonisolated(unsafe) let partial = partial
            parallel(count: parts, grain: 1) { range in
              for i in range { partial[i] = ck_sum(from + i * part, min(part, size - i * part)) }
            }
            to[0] = ck_sum(partial, parts)
          }
        } else {
          parallel(count: outer, grain: max(1, grain / max(size, 1))) { rows in
            for row in rows { to[row] = ck_sum(from + row * size, size) }
          }
        }
      } else {
        sumRows(from, outer: outer, size: size, inner: inner, inParts: inParts, to: to)
      }
    }
  }

  /// `[outer, size, inner]` to `[outer, inner]`.
  static func sumRows(
    _ from: UnsafePointer<Float>, outer: Int, size: Int, inner: Int, inParts: Bool, to: UnsafeMutablePointer<Float>
  ) {
    nonisolated(unsafe) let (from, to) = (from, to)
    let block = max(16, grain / inner)
    let blocks = (size + block - 1) / block
    guard inParts, blocks > 1 else {
      return parallel(count: outer, grain: max(1, grain / max(size * inner, 1))) { cells in
        for cell in cells {
          (to + cell * inner).update(repeating: 0, count: inner)
          for row in 0..<size { ck_accumulate(from + (cell * size + row) * inner, to + cell * inner, inner) }
        }
      }
    }
    withScratch(blocks * inner) { partial in
      nonisolated(unsafe) let partial = partial
      parallel(count: blocks, grain: 1) { range in
        for i in range {
          (partial + i * inner).update(repeating: 0, count: inner)
          for row in i * block..<min(size, (i + 1) * block) {
            ck_accumulate(from + row * inner, partial + i * inner, inner)
          }
        }
      }
      to.update(from: partial, count: inner)
      for i in 1..<blocks { ck_accumulate(partial + i * inner, to, inner) }
    }
  }

  static func largest(_ x: Tensor, axis: Int) -> (values: Tensor, places: IndexTensor) {
    let (outer, size, inner) = x.split(at: axis)
    let from = x.storage.pointer
    let values = Tensor.zeros([outer, inner])
    let to = values.storage.pointer
    let places = IndexTensor(shape: [outer, inner], below: max(size, 1)) { places in
      for cell in places.indices {
        let base = cell / inner * size * inner + cell % inner
        let place = (1..<max(size, 1)).reduce(0) { from[base + $1 * inner] > from[base + $0 * inner] ? $1 : $0 }
        places[cell] = Int32(place)
        if size > 0 { to[cell] = from[base + place * inner] }
      }
    }
    return (values, places)
  }

  static func largestGradient(_ outputGradient: Tensor, _ places: IndexTensor, shape: [Int], axis: Int) -> Tensor {
    let (size, inner) = (shape[axis], shape[(axis + 1)...].reduce(1, *))
    return Tensor(shape: shape) { buffer in
      buffer.update(repeating: 0)
      guard !buffer.isEmpty else { return }
      let from = outputGradient.storage.pointer
      places.withUnsafeBufferPointer { places in
        for cell in places.indices {
          buffer[(cell / inner * size + Int(places[cell])) * inner + cell % inner] += from[cell]
        }
      }
    }
  }

  /// Memory for the length of `body`, from the pool.
  static func withScratch<Result>(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Result) -> Result {
    let storage = Storage(count: count, kind: .scratch)
    return withExtendedLifetime(storage) { body(storage.pointer) }
  }
}
