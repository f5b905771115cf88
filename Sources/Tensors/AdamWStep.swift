import CKernels

/// One AdamW update of one tensor with its average, in one pass over memory.
package struct AdamWStep: Sendable {
  package var learningRate: Float
  package var betas: (Float, Float)
  package var epsilon: Float
  package var weightDecay: Float
  /// Counted from 1.
  package var step: Int
  package var gradientScale: Float

  package init(
    learningRate: Float, betas: (Float, Float), epsilon: Float, weightDecay: Float, step: Int, gradientScale: Float
  ) {
    self.learningRate = learningRate
    self.betas = betas
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.step = step
    self.gradientScale = gradientScale
  }

  /// - Parameters:
  ///   - average: moved towards the new value by `share`.
  package func update(
    _ parameter: Parameter, _ gradient: Tensor, first: inout Tensor, second: inout Tensor, average: inout Tensor?,
    share: Float
  ) {
    let correction = (1 - power(betas.0, step), 1 - power(betas.1, step))
    nonisolated(unsafe) let (m, v) = (first.mutate(), second.mutate())
    nonisolated(unsafe) let mean = average?.mutate()
    parameter.mutate { count, values in
      nonisolated(unsafe) let values = values
      parallel(count: count, grain: 65_536) { range in
        let start = range.lowerBound
        ck_adamw(
          values + start, gradient.storage.pointer + start, m + start, v + start, mean.map { $0 + start }, range.count,
          gradientScale, learningRate, betas.0, betas.1, epsilon, weightDecay, correction.0, correction.1, share)
      }
    }
  }

  private func power(_ base: Float, _ exponent: Int) -> Float {
    var (result, factor, rest) = (1.0, Double(base), exponent)
    while rest > 0 {
      if rest & 1 == 1 { result *= factor }
      factor *= factor
      rest >>= 1
    }
    return Float(result)
  }
}

extension Tensor {
  /// Summed in double precision, in parts whose order does not depend on the number of cores.
  package var sumOfSquares: Double {
    let part = 65_536
    let parts = (count + part - 1) / part
    guard parts > 1 else { return ck_sum_of_squares(storage.pointer, count) }
    return withUnsafeTemporaryAllocation(of: Double.self, capacity: parts) { sums in
      nonisolated(unsafe) let sums = sums.baseAddress!
      parallel(count: parts, grain: 1) {
        for i in $0 { sums[i] = ck_sum_of_squares(storage.pointer + i * part, min(part, count - i * part)) }
      }
      return (0..<parts).reduce(0) { $0 + sums[$1] }
    }
  }

  /// `self = self * (1 - share) + other * share`, in one pass.
  package mutating func mix(_ other: Tensor, share: Float) {
    precondition(shape == other.shape, "mix: shapes \(shape) and \(other.shape)")
    nonisolated(unsafe) let values = mutate()
    parallel(count: count, grain: 65_536) { range in
      ck_mix(other.storage.pointer + range.lowerBound, share, values + range.lowerBound, range.count)
    }
  }

  /// The numbers, to be changed: copied first when another tensor shares them.
  mutating func mutate() -> UnsafeMutablePointer<Float> {
    if !isKnownUniquelyReferenced(&storage) {
      let copy = Storage(count: count)
      nonisolated(unsafe) let (from, to) = (storage.pointer, copy.pointer)
      parallel(count: count, grain: 262_144) {
        (to + $0.lowerBound).update(from: from + $0.lowerBound, count: $0.count)
      }
      storage = copy
    }
    return storage.pointer
  }
}

extension Parameter {
  fileprivate func mutate(_ body: (Int, UnsafeMutablePointer<Float>) -> Void) {
    changeStored { body($0.count, $0.mutate()) }
  }
}
