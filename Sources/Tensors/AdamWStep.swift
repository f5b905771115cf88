import CKernels

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
  }

  private struct Piece: @unchecked Sendable {
    var values, first, second: UnsafeMutablePointer<Float>
    var average: UnsafeMutablePointer<Float>?
    var gradient: UnsafePointer<Float>
    var count: Int
    var share, weightDecay, learningRate: Float
    var correction: (Float, Float)
  }

  /// Updates all targets at once, in pieces of a size that keeps every core busy.
  package static func update(
    _ targets: inout [Target], betas: (Float, Float), epsilon: Float, gradientScale: Float
  ) {
    let most = 65_536
    var pieces: [Piece] = []
    for index in targets.indices {
      let (first, second) = (targets[index].first.mutate(), targets[index].second.mutate())
      let average = targets[index].average?.mutate()
      let target = targets[index]
      let correction = (1 - power(betas.0, target.step), 1 - power(betas.1, target.step))
      target.parameter.changeStored { stored in
        let values = stored.mutate()
        for start in stride(from: 0, to: stored.count, by: most) {
          pieces.append(
            Piece(
              values: values + start, first: first + start, second: second + start, average: average.map { $0 + start },
              gradient: UnsafePointer(target.gradient.storage.pointer + start), count: min(most, stored.count - start),
              share: target.share, weightDecay: target.weightDecay, learningRate: target.learningRate,
              correction: correction))
        }
      }
    }
    withExtendedLifetime(targets) {
      parallel(count: pieces.count, grain: 2) { [pieces] range in
        for piece in pieces[range] {
          ck_adamw(
            piece.values, piece.gradient, piece.first, piece.second, piece.average, piece.count, gradientScale,
            piece.learningRate, betas.0, betas.1, epsilon, piece.weightDecay, piece.correction.0, piece.correction.1,
            piece.share)
        }
      }
    }
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
