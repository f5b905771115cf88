import Foundation
import Tensors

/// A mixture of diagonal Gaussians over actions, one for each row and step.
struct GaussianMixture {
  /// `[batch, steps, modes, action]`.
  let means: Tensor
  /// `[batch, steps, modes, action]`, or one number.
  let deviations: Tensor
  /// `[batch, steps, modes]`, not normalized.
  let logits: Tensor

  /// - Parameter means: `[batch, steps, modes * action]`, and `deviations` alike.
  init(means: Tensor, deviations: Tensor, logits: Tensor, modes: Int) {
    let shape = [means.shape[0], means.shape[1], modes, means.shape[2] / modes]
    self.means = means.reshaped(shape)
    self.deviations = deviations.rank == 0 ? deviations : deviations.reshaped(shape)
    self.logits = logits
  }

  /// `log Σ_k w_k Π_d N(a_d; μ_kd, σ_kd)` of `[batch, steps, action]`: `[batch, steps]`.
  func logProbability(of actions: Tensor) -> Tensor {
    let distance = (actions.unsqueezed(2) - means) / deviations
    let each = distance.square() * -0.5 - deviations.log() - 0.5 * Foundation.log(2 * Float.pi)
    return (each.sum(axes: [3]) + logits.logSoftmax()).logSumExp(axis: 2)
  }

  /// One action a step, from a component drawn by its weight or the heaviest: `[batch, steps, action]`, with a stream an item.
  func sample(best: Bool, randoms: inout [Random]) -> Tensor {
    let (steps, modes, width) = (means.shape[1], means.shape[2], means.shape[3])
    let weights = logits.softmax().scalars
    let centers = means.scalars
    let deviation = deviations.scalars
    var values: [Float] = []
    values.reserveCapacity(weights.count / modes * width)
    for row in 0..<randoms.count * steps {
      let item = row / steps
      let shares = Array(weights[row * modes..<(row + 1) * modes])
      var mode = shares.indices.reduce(0) { shares[$1] > shares[$0] ? $1 : $0 }
      if !best {
        var left = Float(randoms[item].uniform())
        func takes(_ share: Float) -> Bool {
          left -= share
          return left < 0
        }
        // Rounding may leave the sum a little below the draw: then it is the last.
        mode = shares.firstIndex(where: takes) ?? modes - 1
      }
      let start = (row * modes + mode) * width
      for place in start..<start + width {
        values.append(
          centers[place] + (deviation.count == 1 ? deviation[0] : deviation[place]) * Float(randoms[item].normal()))
      }
    }
    return Tensor(values, shape: [means.shape[0], means.shape[1], width])
  }
}
