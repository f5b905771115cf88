import CKernels

extension Tensor {
  /// Runs `body` with `axis` moved last, and moves it back.
  private func alongLast(_ axis: Int, _ body: (Tensor) -> Tensor) -> Tensor {
    let axis = self.axis(axis)
    return axis == rank - 1 ? body(self) : body(transposed(axis, -1)).transposed(axis, -1)
  }

  /// Shares along an axis: `exp(x)` divided by their sum.
  public func softmax(axis: Int = -1) -> Tensor {
    alongLast(axis) { x in
      let result = Kernel.softmax(x)
      return result.recorded("softmax", from: [x]) { [Kernel.softmaxGradient(result, $0)] }
    }
  }

  /// The logarithm of `softmax`.
  public func logSoftmax(axis: Int = -1) -> Tensor {
    self - logSumExp(axis: axis, keepingDimensions: true)
  }

  /// `log Σ exp` along `axis`, without overflow.
  public func logSumExp(axis: Int, keepingDimensions: Bool = false) -> Tensor {
    let place = self.axis(axis)
    let last = place == rank - 1 ? self : transposed(place, -1)
    let reduced = Kernel.logSumExp(last).recorded("logSumExp", from: [last]) { [x = last.detached] outputGradient in
      [Kernel.softmax(x) * outputGradient]
    }
    let kept = place == rank - 1 ? reduced : reduced.transposed(place, -1)
    return keepingDimensions ? kept : kept.squeezed(place)
  }
}

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
