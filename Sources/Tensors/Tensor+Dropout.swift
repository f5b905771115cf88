extension Tensor {
  /// Zero with probability `rate`, the rest scaled up; the identity in the inference phase.
  public func dropout(_ rate: Float) -> Tensor {
    precondition(rate >= 0 && rate < 1, "dropout: rate \(rate) is not in 0..<1")
    guard rate > 0, let key = Phase.withRandom({ $0.next() }) else { return self }
    // The mask is made again in the backward pass rather than kept.
    return Device.backend.dropout(self, key: key, rate: rate).recorded("dropout", from: [self]) {
      [Device.backend.dropout($0, key: key, rate: rate)]
    }
  }
}
