import CKernels

extension Tensor {
  /// Zero with probability `rate`, the rest scaled up; the identity in the inference phase.
  public func dropout(_ rate: Float) -> Tensor {
    precondition(rate >= 0 && rate < 1, "dropout: rate \(rate) is not in 0..<1")
    guard rate > 0, let key = Phase.withRandom({ $0.next() }) else { return self }
    // The mask is made again in the backward pass rather than kept.
    return Kernel.dropout(self, key: key, rate: rate).recorded("dropout", from: [self]) {
      [Kernel.dropout($0, key: key, rate: rate)]
    }
  }
}

extension Kernel {
  static func dropout(_ x: Tensor, key: UInt64, rate: Float) -> Tensor {
    Tensor(shape: x.shape) { buffer in
      nonisolated(unsafe) let (from, to) = (x.storage.pointer, buffer.baseAddress!)
      parallel(count: x.count, grain: grain) {
        ck_dropout(from + $0.lowerBound, to + $0.lowerBound, $0.count, key, UInt64($0.lowerBound), rate)
      }
    }
  }
}
