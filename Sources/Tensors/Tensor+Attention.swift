extension Tensor {
  /// `softmax(Q Kᵀ / √width + mask) V`; this tensor is Q, all are `[batch, heads, tokens, width]`.
  ///
  /// - Parameters:
  ///   - mask: added to the scores, broadcast to `[batch, heads, queries, keys]`; minus infinity hides.
  ///   - dropout: the share of probabilities dropped while a tape records.
  public func attention(keys: Tensor, values: Tensor, mask: Tensor? = nil, dropout: Float = 0) -> Tensor {
    let scale = 1 / Float(shape[rank - 1]).squareRoot()
    var scores = (self * scale).matmul(keys, transposingOther: true)
    if let mask { scores = scores + mask }
    return scores.softmax().dropout(dropout).matmul(values)
  }
}
