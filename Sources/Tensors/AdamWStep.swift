/// AdamW's updates with the averages of the weights, in one pass over memory.
package enum AdamWStep {
  /// What one step changes: taken out of its owner, changed in place, and put back.
  package struct Target {
    package let parameter: Parameter
    package let gradient: Tensor
    package var first: Tensor
    package var second: Tensor
    /// Moved towards the new value by `share`.
    package var average: Tensor?
    package var share: Float
    package var weightDecay, learningRate: Float
    /// Counted from 1.
    package var step: Int

    package init(
      parameter: Parameter, gradient: Tensor, first: Tensor, second: Tensor, average: Tensor?, share: Float,
      weightDecay: Float, learningRate: Float, step: Int
    ) {
      self.parameter = parameter
      self.gradient = gradient
      self.first = first
      self.second = second
      self.average = average
      self.share = share
      self.weightDecay = weightDecay
      self.learningRate = learningRate
      self.step = step
    }

    /// What the moments are divided by, since they began at 0.
    package func corrections(_ betas: (Float, Float)) -> (Float, Float) {
      (1 - AdamWStep.power(betas.0, step), 1 - AdamWStep.power(betas.1, step))
    }
  }

  /// Updates all targets at once; none when `gradientScale`, one number, is none.
  package static func update(
    _ targets: inout [Target], betas: (Float, Float), epsilon: Float, gradientScale: Tensor
  ) {
    Device.backend.update(&targets, betas: betas, epsilon: epsilon, gradientScale: gradientScale)
  }

  private static func power(_ base: Float, _ exponent: Int) -> Float {
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
  /// The sum of the squares of all numbers of all tensors, in double precision.
  package static func sumOfSquares(_ tensors: [Tensor]) -> Double { Device.backend.sumOfSquares(tensors) }

  /// `self = self * (1 - share) + other * share`, in one pass.
  package mutating func mix(_ other: Tensor, share: Float) {
    precondition(shape == other.shape, "mix: shapes \(shape) and \(other.shape)")
    Device.backend.mix(other, share: share, into: &self)
  }
}

/// Loss and norm of the latest steps, kept where they are computed until someone reads them: a device goes on meanwhile.
///
/// From the first step on whose loss or norm is not finite, factors are not numbers, and no weight changes.
package struct GradientLog {
  /// `[rows + 1, 2]`: loss and norm, and in the last row whether a step failed.
  private var numbers: Tensor
  private let rows: Int

  /// Keeps `rows` steps; a step takes the place of the one so many before it.
  package init(rows: Int) {
    (numbers, self.rows) = (.zeros([rows + 1, 2]), rows)
  }

  /// What gradients are to be multiplied by so that their norm together is at most `maximum` (PyTorch's `clip_grad_norm_`); one
  /// number.
  package mutating func clip(_ gradients: [Tensor], maximum: Float, loss: Tensor, step: Int) -> Tensor {
    Device.backend.clip(gradients, maximum: maximum, loss: loss, row: step % rows, numbers: &numbers)
  }

  /// Waits for the device. `hasFailed`: whether any step so far did.
  package func read() -> (steps: (Int) -> (loss: Float, norm: Float), hasFailed: Bool) {
    let (values, rows) = (numbers.scalars, rows)
    return ({ (values[2 * ($0 % rows)], values[2 * ($0 % rows) + 1]) }, values[2 * rows] != 0)
  }
}
