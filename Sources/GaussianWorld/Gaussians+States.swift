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
    func part(_ range: Range<Int>) -> Tensor { values.sliced(axis: 2, range) }
    self.init(
      means: part(0..<3), scales: part(3..<6).clamped(to: -12...2).exp(), rotations: part(6..<10),
      colors: part(10..<13), opacities: part(13..<14).sigmoid())
  }
}
