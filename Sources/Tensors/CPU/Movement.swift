import CKernels

extension Kernel {
  private static func copyRows(
    from: UnsafePointer<Float>, step fromStep: Int, to: UnsafeMutablePointer<Float>, step toStep: Int, rows: Int,
    width: Int
  ) {
    nonisolated(unsafe) let (from, to) = (from, to)
    guard width > 0 else { return }
    parallel(count: rows, grain: max(1, 4 * grain / width)) { range in
      for row in range { (to + row * toStep).update(from: from + row * fromStep, count: width) }
    }
  }

  static func sliced(_ x: Tensor, axis: Int, _ range: Range<Int>) -> Tensor {
    let (outer, size, inner) = x.split(at: axis)
    var shape = x.shape
    shape[axis] = range.count
    return Tensor(shape: shape) { buffer in
      guard buffer.count > 0 else { return }
      copyRows(
        from: x.storage.pointer + range.lowerBound * inner, step: size * inner, to: buffer.baseAddress!,
        step: range.count * inner, rows: outer, width: range.count * inner)
    }
  }

  static func padded(_ x: Tensor, axis: Int, before: Int, after: Int, value: Float) -> Tensor {
    let (outer, size, inner) = x.split(at: axis)
    var shape = x.shape
    shape[axis] = before + size + after
    return Tensor(shape: shape) { buffer in
      buffer.update(repeating: value)
      guard x.count > 0 else { return }
      copyRows(
        from: x.storage.pointer, step: size * inner, to: buffer.baseAddress! + before * inner,
        step: (before + size + after) * inner, rows: outer, width: size * inner)
    }
  }

  static func concatenated(_ tensors: [Tensor], axis: Int, shape: [Int]) -> Tensor {
    let (outer, size, inner) = (shape[..<axis].reduce(1, *), shape[axis], shape[(axis + 1)...].reduce(1, *))
    return Tensor(shape: shape) { buffer in
      guard buffer.count > 0 else { return }
      var start = 0
      for tensor in tensors {
        let width = tensor.shape[axis] * inner
        copyRows(
          from: tensor.storage.pointer, step: width, to: buffer.baseAddress! + start, step: size * inner, rows: outer,
          width: width)
        start += width
      }
    }
  }

  static func gathered(_ x: Tensor, _ places: IndexTensor, axis: Int) -> Tensor {
    let (outer, size, inner) = x.split(at: axis)
    var shape = x.shape
    shape[axis] = places.shape.last!
    return Tensor(shape: shape) { buffer in
      let from = x.storage.pointer
      each(of: places, outer) { cell, row, place in
        (buffer.baseAddress! + row * inner).update(from: from + (cell * size + place) * inner, count: inner)
      }
    }
  }

  /// Calls `body` with every cell before an axis, the slices in it that are chosen counted over all cells, and their places.
  private static func each(
    of places: IndexTensor, _ outer: Int, _ body: (_ cell: Int, _ row: Int, _ place: Int) -> Void
  ) {
    let (count, isOwn) = (places.shape.last!, places.shape.count == 2)
    places.withUnsafeBufferPointer { places in
      for cell in 0..<outer {
        for index in 0..<count { body(cell, cell * count + index, Int(places[isOwn ? cell * count + index : index])) }
      }
    }
  }

  static func permuted(_ x: Tensor, _ axes: [Int]) -> Tensor {
    var strides = [Int](repeating: 1, count: x.rank)
    for axis in stride(from: x.rank - 2, through: 0, by: -1) { strides[axis] = strides[axis + 1] * x.shape[axis + 1] }
    let shape = axes.map { x.shape[$0] }
    guard x.rank > 0, x.count > 0 else { return Tensor(shape: shape, storage: x.storage) }
    if x.rank >= 2, Array(axes.dropLast(2)) == Array(0..<x.rank - 2), axes[x.rank - 1] == x.rank - 2 {
      return transposed(x, shape: shape)
    }
    // Innermost axes that stay together are copied as runs.
    var run = 1
    var outer = x.rank
    while outer > 0, axes[outer - 1] == outer - 1 {
      run *= shape[outer - 1]
      outer -= 1
    }
    guard outer > 0 else { return Tensor(shape: shape, storage: x.storage) }
    let steps = axes[..<outer].map { strides[$0] }
    let sizes = Array(shape[..<outer])
    let rows = sizes.reduce(1, *)
    let (runLength, depth) = (run, outer)
    return Tensor(shape: shape) { buffer in
      nonisolated(unsafe) let (from, to) = (x.storage.pointer, buffer.baseAddress!)
      let last = sizes[outer - 1]
      let lastStep = steps[outer - 1]
      parallel(count: rows / last, grain: max(1, grain / (last * runLength))) { range in
        for row in range {
          var rest = row
          var offset = 0
          for axis in stride(from: depth - 2, through: 0, by: -1) {
            offset += rest % sizes[axis] * steps[axis]
            rest /= sizes[axis]
          }
          let target = to + row * last * runLength
          if runLength == 1 {
            for i in 0..<last { target[i] = from[offset + i * lastStep] }
          } else {
            for i in 0..<last { (target + i * runLength).update(from: from + offset + i * lastStep, count: runLength) }
          }
        }
      }
    }
  }

  /// The last two axes exchanged.
  private static func transposed(_ x: Tensor, shape: [Int]) -> Tensor {
    let (rows, columns) = (shape[x.rank - 1], shape[x.rank - 2])
    let block = max(8, grain / columns / 8 * 8)
    let blocks = (rows + block - 1) / block
    return Tensor(shape: shape) { buffer in
      nonisolated(unsafe) let (from, to) = (x.storage.pointer, buffer.baseAddress!)
      let size = rows * columns
      parallel(count: x.count / size * blocks, grain: max(1, grain / (block * columns))) { range in
        for cell in range {
          let (matrix, first) = (cell / blocks, cell % blocks * block)
          ck_transpose(
            min(block, rows - first), columns, from + matrix * size + first * columns, columns,
            to + matrix * size + first, rows)
        }
      }
    }
  }

  static func broadcast(_ x: Tensor, to shape: [Int]) -> Tensor {
    // Adding nothing: the broadcasting loop with a zero.
    binary(ck_add, x, Tensor(0), shape: shape)
  }

  static func scattered(_ slices: Tensor, _ places: IndexTensor, shape: [Int], axis: Int) -> Tensor {
    let (outer, size, inner) = (shape[..<axis].reduce(1, *), shape[axis], shape[(axis + 1)...].reduce(1, *))
    return Tensor(shape: shape) { buffer in
      buffer.update(repeating: 0)
      let from = slices.storage.pointer
      each(of: places, outer) { cell, row, place in
        ck_accumulate(from + row * inner, buffer.baseAddress! + (cell * size + place) * inner, inner)
      }
    }
  }
}
