import CKernels

extension Kernel {
  static func softmax(_ x: Tensor) -> Tensor {
    rows(x) { _, from, width, to in
      let sum = ck_exponentials(from, ck_largest(from, width), to, width)
      ck_scale(1 / sum, to, width)
    }
  }

  /// `dx = y (dy - Σ y dy)`.
  static func softmaxGradient(_ y: Tensor, _ outputGradient: Tensor) -> Tensor {
    rows(y) { row, from, width, to in
      let above = outputGradient.storage.pointer + row * width
      ck_softmax_gradient(from, above, ck_dot(from, above, width), to, width)
    }
  }

  static func logSumExp(_ x: Tensor) -> Tensor {
    rows(x, shape: x.shape.dropLast() + [1]) { _, from, width, to in
      let largest = ck_largest(from, width)
      // All minus infinity, or one plus infinity: the difference would not be a number.
      guard largest.isFinite else { return to.pointee = largest }
      withUnsafeTemporaryAllocation(of: Float.self, capacity: width) { scratch in
        to.pointee = largest + logOf(ck_exponentials(from, largest, scratch.baseAddress!, width))
      }
    }
  }

  private static func logOf(_ value: Float) -> Float {
    var (x, y) = (value, Float(0))
    ck_unary(ck_log, &x, &y, 1)
    return y
  }
}
