extension Tensor {
  /// The product of the last two axes, `[..., m, k]` by `[k, n]` or by `[..., k, n]` with the same leading axes.
  public func matmul(_ other: Tensor, transposingSelf: Bool = false, transposingOther: Bool = false) -> Tensor {
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
      if transposingSelf { return transposed(-1, -2).matmul(other, transposingOther: transposingOther) }
      return reshaped([-1, k]).matmul(other, transposingOther: transposingOther).reshaped(leading + [m, n])
    }
    let batch = leading.reduce(1, *)
    let result = Kernel.products(
      batch: batch, m, n, k, self, transposingSelf, other, transposingOther, shape: leading + [m, n])
    let (wantsA, wantsB) = (isRecorded, other.isRecorded)
    return result.recorded("matmul", from: [self, other]) { [a = detached, b = other.detached] upstream in
      // Only what is asked for is computed.
      func left() -> Tensor {
        transposingSelf
          ? b.matmul(upstream, transposingSelf: transposingOther, transposingOther: true)
          : upstream.matmul(b, transposingOther: !transposingOther)
      }
      func right() -> Tensor {
        transposingOther
          ? upstream.matmul(a, transposingSelf: true, transposingOther: transposingSelf)
          : a.matmul(upstream, transposingSelf: !transposingSelf)
      }
      return [wantsA ? left() : nil, wantsB ? right() : nil]
    }
  }

  /// `self weight + bias` over the last axis; `weight` is `[in, out]`.
  public func linear(_ weight: Tensor, bias: Tensor?) -> Tensor {
    let product = (rank == 1 ? unsqueezed(0) : self).matmul(weight)
    let result = rank == 1 ? product.squeezed(0) : product
    return bias.map { result + $0 } ?? result
  }
}
