import Imitation
import Tensors

extension Gaussians {
  /// One Gaussian for each square of `side` pixels, where there is one for each pixel: `[batch, count / side^2, 14]`.
  package func meansOfSquares(side: Int, width: Int) -> Tensor {
    let means = values.reshaped([batch, -1, side, width / side, side, Gaussians.width]).mean(axes: [2, 4])
    let wider = Tensor(
      (0..<Gaussians.width).map { (3..<6).contains($0) ? Float(side) : 1 }, shape: [1, 1, Gaussians.width])
    return means.reshaped([batch, -1, Gaussians.width]) * wider
  }

  /// Numbers without bounds for dynamics to work on: logarithms of scales, logits of opacities.
  var unbounded: Tensor {
    let opacity = opacities.clamped(to: 0.001...0.999)
    return Tensor.concatenated(
      [means, scales.maximum(Tensor(1e-6)).log(), rotations, colors, (opacity / (1 - opacity)).log()], axis: 2)
  }

  init(unbounded values: Tensor) {
    let parts = values.split(axis: 2, [3, 3, 4, 3, 1])
    self.init(
      means: parts[0], scales: parts[1].clamped(to: -12...2).exp(), rotations: parts[2], colors: parts[3],
      opacities: parts[4].sigmoid())
  }
}
