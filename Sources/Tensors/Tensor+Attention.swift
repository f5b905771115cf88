extension Tensor {
  /// `softmax(Q Kᵀ / √width + mask) V` of each head; this tensor is Q, all are `[batch, tokens, heads, width]`.
  ///
  /// - Parameters:
  ///   - mask: added to the scores, broadcast to `[batch, heads, queries, keys]`; minus infinity hides, and keys behind
  ///     the last one that is seen cost nothing. A query that sees no key gives zeros.
  ///   - dropout: the share of probabilities dropped in the training phase.
  public func attention(keys: Tensor, values: Tensor, mask: Tensor? = nil, dropout: Float = 0) -> Tensor {
    precondition(
      rank == 4 && keys.rank == 4 && keys.shape == values.shape && keys.shape[0] == shape[0]
        && keys.shape[2...] == shape[2...], "attention: shapes \(shape), \(keys.shape) and \(values.shape)")
    let mask = mask.map { spread($0, keys: keys.shape[1]) }
    let plan = AttentionPlan(
      batch: shape[0], heads: shape[2], queries: shape[1], keys: keys.shape[1], width: shape[3],
      scale: 1 / Float(shape[3]).squareRoot(), mask: mask,
      dropout: dropout > 0 ? Phase.withRandom { (key: $0.next(), rate: dropout) } : nil)
    let (output, totals) = Device.backend.attention(plan, self, keys, values)
    return output.recorded("attention", from: [self, keys, values], constants: [mask]) {
      [q = detached, k = keys.detached, v = values.detached] outputGradient in
      let gradient = Device.backend.attentionGradient(plan, q, k, v, output: output, totals: totals, outputGradient)
      return [gradient.q, gradient.k, gradient.v]
    }
  }

  /// A mask with all four axes, the last two at full length.
  private func spread(_ mask: Tensor, keys: Int) -> Tensor {
    let full = Array(repeating: 1, count: 4 - mask.rank) + mask.shape
    return mask.detached.reshaped(full).broadcast(to: [full[0], full[1], shape[1], keys])
  }
}
