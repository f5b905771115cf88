import CKernels

extension Kernel {
  private struct Piece: @unchecked Sendable {
    var values, first, second: UnsafeMutablePointer<Float>
    var average: UnsafeMutablePointer<Float>?
    var gradient: UnsafePointer<Float>
    var count: Int
    var share, weightDecay, learningRate: Float
    var corrections: (Float, Float)
  }

  /// In pieces of a size that keeps every core busy.
  static func update(
    _ targets: inout [AdamWStep.Target], betas: (Float, Float), epsilon: Float, gradientScale: Float
  ) {
    guard !gradientScale.isNaN else { return }
    let most = 65_536
    var pieces: [Piece] = []
    for index in targets.indices {
      let (first, second) = (targets[index].first.mutate(), targets[index].second.mutate())
      let average = targets[index].average?.mutate()
      let target = targets[index]
      target.parameter.changeStored { stored in
        let values = stored.mutate()
        for start in stride(from: 0, to: stored.count, by: most) {
          pieces.append(
            Piece(
              values: values + start, first: first + start, second: second + start, average: average.map { $0 + start },
              gradient: UnsafePointer(target.gradient.storage.pointer + start), count: min(most, stored.count - start),
              share: target.share, weightDecay: target.weightDecay, learningRate: target.learningRate,
              corrections: target.corrections(betas)))
        }
      }
    }
    withExtendedLifetime(targets) {
      parallel(count: pieces.count, grain: 2) { [pieces] range in
        for piece in pieces[range] {
          ck_adamw(
            piece.values, piece.gradient, piece.first, piece.second, piece.average, piece.count, gradientScale,
            piece.learningRate, betas.0, betas.1, epsilon, piece.weightDecay, piece.corrections.0, piece.corrections.1,
            piece.share)
        }
      }
    }
  }

  static func clip(_ gradients: [Tensor], maximum: Float, loss: Float, row: Int, numbers: inout Tensor) -> Tensor {
    let norm = Float(sumOfSquares(gradients).squareRoot())
    let last = numbers.count - 2
    let values = numbers.mutate()
    (values[2 * row], values[2 * row + 1]) = (loss, norm)
    if !loss.isFinite || !norm.isFinite { values[last] = 1 }
    return Tensor(values[last] != 0 ? .nan : min(1, maximum / (norm + 1e-6)))
  }

  /// In parts whose order does not depend on the number of cores.
  static func sumOfSquares(_ tensors: [Tensor]) -> Double {
    tensors.reduce(0) { $0 + sumOfSquares($1) }
  }

  private static func sumOfSquares(_ x: Tensor) -> Double {
    let part = 65_536
    let parts = (x.count + part - 1) / part
    nonisolated(unsafe) let values = x.storage.pointer
    guard parts > 1 else { return ck_sum_of_squares(values, x.count) }
    return withUnsafeTemporaryAllocation(of: Double.self, capacity: parts) { sums in
      nonisolated(unsafe) let sums = sums.baseAddress!
      parallel(count: parts, grain: 1) {
        for i in $0 { sums[i] = ck_sum_of_squares(values + i * part, min(part, x.count - i * part)) }
      }
      return (0..<parts).reduce(0) { $0 + sums[$1] }
    }
  }
}
