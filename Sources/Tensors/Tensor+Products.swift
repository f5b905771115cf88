extension Tensor {
  /// The product of the last two axes, `[..., m, k]` by `[k, n]` or by `[..., k, n]` with the same leading axes.
  ///
  /// - Parameter precisely: keeps factors as they are where a device would round them: for sums of large numbers that cancel, and for
  ///   coordinates.
  public func matmul(
    _ other: Tensor, transposingSelf: Bool = false, transposingOther: Bool = false, precisely: Bool = false
  ) -> Tensor {
    precondition(rank >= 2 && other.rank >= 2, "matmul: shapes \(shape) and \(other.shape)")
    let leading = Array(shape.dropLast(2))
    let (r, c) = (shape[rank - 2], shape[rank - 1])
    let (otherR, otherC) = (other.shape[other.rank - 2], other.shape[other.rank - 1])
    let (m, k) = transposingSelf ? (c, r) : (r, c)
    let (otherK, n) = transposingOther ? (otherC, otherR) : (otherR, otherC)
    precondition(
      k == otherK && (other.rank == 2 || Array(other.shape.dropLast(2)) == leading),
      "matmul: shapes \(shape) and \(other.shape) with \(transposingSelf), \(transposingOther) transposed")
    if other.rank == 2, rank > 2 {
      if transposingSelf {
        return transposed(-1, -2).matmul(other, transposingOther: transposingOther, precisely: precisely)
      }
      return reshaped([-1, k]).matmul(other, transposingOther: transposingOther, precisely: precisely).reshaped(
        leading + [m, n])
    }
    let batch = leading.reduce(1, *)
    let result = Device.backend.products(
      batch: batch, m, n, k, self, transposingSelf, other, transposingOther, bias: nil, precisely: precisely,
      shape: leading + [m, n])
    let (wantsA, wantsB) = (isRecorded, other.isRecorded)
    return result.recorded(
      "matmul", from: [self, other],
      ["transposing self": .int(transposingSelf ? 1 : 0), "transposing other": .int(transposingOther ? 1 : 0)]
    ) { [a = detached, b = other.detached] outputGradient in
      // Only what is asked for is computed.
      func left() -> Tensor {
        transposingSelf
          ? b.matmul(outputGradient, transposingSelf: transposingOther, transposingOther: true, precisely: precisely)
          : outputGradient.matmul(b, transposingOther: !transposingOther, precisely: precisely)
      }
      func right() -> Tensor {
        transposingOther
          ? outputGradient.matmul(a, transposingSelf: true, transposingOther: transposingSelf, precisely: precisely)
          : a.matmul(outputGradient, transposingSelf: !transposingSelf, precisely: precisely)
      }
      return [wantsA ? left() : nil, wantsB ? right() : nil]
    }
  }

  /// `self weight + bias` over the last axis; `weight` is `[in, out]`.
  public func linear(_ weight: Tensor, bias: Tensor?) -> Tensor {
    precondition(
      rank >= 1 && weight.rank == 2 && shape[rank - 1] == weight.shape[0],
      "linear: shapes \(shape) and \(weight.shape)")
    guard let bias else { return (rank == 1 ? unsqueezed(0) : self).matmul(weight).reshaped(shape.dropLast() + [-1]) }
    let (k, n) = (weight.shape[0], weight.shape[1])
    let m = count / max(k, 1)
    let result = Device.backend.products(
      batch: 1, m, n, k, self, false, weight, false, bias: bias, precisely: false, shape: shape.dropLast() + [n])
    return result.recorded("linear", from: [self, weight, bias]) {
      [
        x = detached.reshaped([m, k]), weight = weight.detached, shape = shape, wantsX = isRecorded,
        wantsWeight = weight.isRecorded, wantsBias = bias.isRecorded
      ] outputGradient in
      let rows = outputGradient.reshaped([m, n])
      return [
        wantsX ? rows.matmul(weight, transposingOther: true).reshaped(shape) : nil,
        wantsWeight ? x.matmul(rows, transposingSelf: true) : nil, wantsBias ? rows.sum(axes: [0]) : nil,
      ]
    }
  }
}
