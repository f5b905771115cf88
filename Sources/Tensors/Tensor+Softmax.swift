extension Tensor {
  /// Runs `body` with `axis` moved last, and moves it back.
  private func alongLast(_ axis: Int, _ body: (Tensor) -> Tensor) -> Tensor {
    let axis = self.axis(axis)
    return axis == rank - 1 ? body(self) : body(transposed(axis, -1)).transposed(axis, -1)
  }

  /// Shares along an axis: `exp(x)` divided by their sum.
  public func softmax(axis: Int = -1) -> Tensor {
    alongLast(axis) { x in
      let result = Device.backend.softmax(x)
      return result.recorded("softmax", from: [x]) { [Device.backend.softmaxGradient(result, $0)] }
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
    let reduced = Device.backend.logSumExp(last).recorded("logSumExp", from: [last]) {
      [x = last.detached] outputGradient in
      [Device.backend.softmax(x) * outputGradient]
    }
    let kept = place == rank - 1 ? reduced : reduced.transposed(place, -1)
    return keepingDimensions ? kept : kept.squeezed(place)
  }
}
