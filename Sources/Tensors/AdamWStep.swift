import CKernels

/// One AdamW update of one tensor, in one pass over memory.
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

  package func callAsFunction(
    _ parameter: Tensor, _ gradient: Tensor, _ first: Tensor, _ second: Tensor
  ) -> (parameter: Tensor, first: Tensor, second: Tensor) {
    let count = parameter.count
    let new = (Storage(count: count), Storage(count: count), Storage(count: count))
    let correction = (1 - power(betas.0, step), 1 - power(betas.1, step))
    parallel(count: count, grain: 65_536) { range in
      let start = range.lowerBound
      ck_adamw(
        parameter.storage.pointer + start, gradient.storage.pointer + start, first.storage.pointer + start,
        second.storage.pointer + start, new.0.pointer + start, new.1.pointer + start, new.2.pointer + start,
        range.count, gradientScale, learningRate, betas.0, betas.1, epsilon, weightDecay, correction.0, correction.1)
    }
    return (
      Tensor(shape: parameter.shape, storage: new.0), Tensor(shape: parameter.shape, storage: new.1),
      Tensor(shape: parameter.shape, storage: new.2)
    )
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
  /// Summed in double precision, in order.
  package var sumOfSquares: Double {
    let part = 65_536
    return stride(from: 0, to: count, by: part).reduce(0) {
      $0 + ck_sum_of_squares(storage.pointer + $1, min(part, count - $1))
    }
  }

  /// `self * (1 - share) + other * share`, in one pass.
  package func mixed(with other: Tensor, share: Float) -> Tensor {
    precondition(shape == other.shape, "mixed: shapes \(shape) and \(other.shape)")
    let result = Storage(count: count)
    parallel(count: count, grain: 65_536) { range in
      ck_mix(
        storage.pointer + range.lowerBound, other.storage.pointer + range.lowerBound, share,
        result.pointer + range.lowerBound, range.count)
    }
    return Tensor(shape: shape, storage: result)
  }
}
