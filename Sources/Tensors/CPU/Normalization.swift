import CKernels

extension Kernel {
  /// A row of `[..., width]` at a time: `body` turns that at `from` into that at `to`, of the last axis of `shape`.
  static func rows(
    _ x: Tensor, shape: [Int]? = nil,
    _ body: @Sendable (_ row: Int, UnsafePointer<Float>, _ width: Int, _ to: UnsafeMutablePointer<Float>) -> Void
  ) -> Tensor {
    let width = x.shape.last ?? 1
    return Tensor(shape: shape ?? x.shape) { buffer in
      guard x.count > 0 else { return }
      nonisolated(unsafe) let (from, to) = (x.storage.pointer, buffer.baseAddress!)
      let step = buffer.count / (x.count / width)
      parallel(count: x.count / width, grain: max(1, grain / 4 / width)) { range in
        for row in range { body(row, from + row * width, width, to + row * step) }
      }
    }
  }

  /// - Returns: the result, and `[rows, 2]`: mean and reciprocal deviation of each row.
  static func rowNorm(
    _ x: Tensor, scale: Tensor?, bias: Tensor?, epsilon: Float, centered: Bool
  ) -> (Tensor, moments: Tensor) {
    let count = x.count / max(x.shape.last ?? 1, 1)
    let moments = Storage(count: count * 2)
    let result = rows(x) { row, from, width, to in
      var (mean, variance) = (Float(0), Float(0))
      if centered {
        ck_moments(from, width, &mean, &variance)
      } else {
        variance = Float(ck_sum_of_squares(from, width)) / Float(width)
      }
      let factor = 1 / (variance + epsilon).squareRoot()
      moments.pointer[row * 2] = mean
      moments.pointer[row * 2 + 1] = factor
      ck_row_normalize(from, mean, factor, scale?.storage.pointer, bias?.storage.pointer, to, width)
    }
    return (result, Tensor(shape: [count, 2], storage: moments))
  }

  static func rowNormGradient(
    _ x: Tensor, moments: Tensor, scale: Tensor?, _ outputGradient: Tensor, centered: Bool
  ) -> Tensor {
    rows(x) { row, from, width, to in
      ck_row_normalize_gradient(
        from, moments.storage.pointer[row * 2], moments.storage.pointer[row * 2 + 1], scale?.storage.pointer,
        outputGradient.storage.pointer + row * width, centered ? 1 : 0, to, width)
    }
  }

  static func rowNormParameters(_ x: Tensor, moments: Tensor, _ outputGradient: Tensor) -> (scale: Tensor, bias: Tensor)
  {
    let width = x.shape.last ?? 1
    let rows = x.count / max(width, 1)
    let block = max(8, grain / width)
    let blocks = max(1, (rows + block - 1) / block)
    let partial = Storage(count: blocks * 2 * width)
    partial.pointer.update(repeating: 0, count: partial.count)
    parallel(count: blocks, grain: 1) { range in
      for i in range {
        for row in i * block..<min(rows, (i + 1) * block) {
          ck_row_normalize_parameters(
            x.storage.pointer + row * width, moments.storage.pointer[row * 2], moments.storage.pointer[row * 2 + 1],
            outputGradient.storage.pointer + row * width, partial.pointer + i * 2 * width,
            partial.pointer + (i * 2 + 1) * width, width)
        }
      }
    }
    for i in 1..<max(blocks, 1) { ck_accumulate(partial.pointer + i * 2 * width, partial.pointer, 2 * width) }
    let both = Tensor(shape: [blocks * 2, width], storage: partial)
    return (both.sliced(axis: 0, 0..<1).reshaped([width]), both.sliced(axis: 0, 1..<2).reshaped([width]))
  }
}
