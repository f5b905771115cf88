import Imitation
import Tensors

extension GaussianVAE {
  /// - Parameters:
  ///   - points: `[batch, points]` Gaussians; where `isPaired`, the second half of the batch shows what followed one moment after
  ///     the first half.
  ///   - anchors: `[batch, tokens]` Gaussians, those of a pair the same.
  ///   - images: `[batch, height, width, 3]` what each camera saw.
  ///   - views: where each stood.
  ///   - weights: `[batch, height, width, 1]`, how much each pixel counts; nil for all alike.
  ///   - noise: `[batch, tokens, latent]` standard normal; nil for the means themselves.
  public func loss(
    _ points: Gaussians, anchors: Gaussians, images: [Tensor], views: [[SplattingView]], weights: [Tensor]? = nil,
    isPaired: Bool = false, noise: Tensor?
  ) -> PolicyLoss {
    let (mean, logVariance) = encode(points, anchors: anchors)
    let latents = noise.map { mean + (logVariance * 0.5).exp() * $0 } ?? mean
    let decoded = decode(latents, positions: anchors.means)
    let divergence = (mean.square() + logVariance.exp() - logVariance - 1).mean() * 0.5
    let chamfer = ((decoded.means - middle) / reach).chamferDistance(to: (points.means - middle) / reach).mean()
    let errors = views.indices.map { camera in
      let error = (decoded.rendered(from: views[camera]).sliced(axis: 3, 0..<3) - images[camera]).abs()
      return (weights.map { error * $0[camera] } ?? error).mean()
    }
    let imageLoss = errors.dropFirst().reduce(errors[0], +) / Float(errors.count)
    let near = points.chosen(decoded.means.detached.nearest(in: points.means)).colors
    let color = (decoded.colors - near).abs().mean() * Gaussians.harmonic
    var loss =
      color * options.colorWeight + imageLoss * options.imageWeight + chamfer * options.chamferWeight + divergence
      * options.klWeight
    var metrics = [
      "image": imageLoss.detached, "chamfer": chamfer.detached, "color": color.detached, "kl": divergence.detached,
    ]
    if isPaired {
      let motionScore = GaussianVAE.motionScore(mean)
      loss = loss + motionScore * options.consistencyWeight
      metrics["motion"] = motionScore.detached
    }
    return PolicyLoss(loss, metrics: metrics)
  }

  /// The mean over the numbers of a token of the squared change between the halves of a batch over the variance in it.
  package static func motionScore(_ latents: Tensor) -> Tensor {
    let half = latents.shape[0] / 2
    let change = latents.sliced(axis: 0, half..<2 * half) - latents.sliced(axis: 0, 0..<half)
    let variance = (latents - latents.mean(axes: [0, 1])).square().mean(axes: [0, 1])
    return (change.square().mean(axes: [0, 1]) / (variance + 1e-6)).mean()
  }
}
