import Foundation
import Imitation
import Layers
import Tensors

// The plain local codec that a VAE starts as.
extension GaussianVAE {
  /// Numbers of what lies around an anchor before those of each head: its place, or with fixed anchors how much lies there.
  static func lead(_ options: Options) -> Int { options.anchors == .fixed ? 1 : 3 }

  /// Sets the skip connections so that a token carries what lies around its anchor, and its Gaussians draw that.
  func startAsLocalCodec() {
    let lead = GaussianVAE.lead(options)
    // Latents in the order of local features as far as they go: place, colors by head, depths by head, the rest.
    localShortcut.weight.value = GaussianVAE.ones(
      (0..<min(options.latent, lead + 6 * options.heads)).map { ($0, $0) },
      shape: [lead + 6 * options.heads, options.latent])
    anchorShortcut?.weight.value = GaussianVAE.ones((0..<3).map { ($0, $0) }, shape: [options.latent, 3])
    headShortcut.weight.value = GaussianVAE.ones(
      GaussianVAE.nearestHeads(options).enumerated().flatMap { gaussian, head -> [(Int, Int)] in
        let column = gaussian * Gaussians.width
        let colors = (0..<3).map { (lead + 3 * head + $0, column + 10 + $0) }
        return colors + [(lead + 3 * options.heads + head, column + 2)]
      }, shape: [options.latent, options.perToken * Gaussians.width])
  }

  /// For each Gaussian of a token the head that looks where it lies.
  private static func nearestHeads(_ options: Options) -> [Int] {
    let heads = disc(options.heads)
    return disc(options.perToken).map { place in
      func distance(_ head: Int) -> Float { ((heads[head] - place) * (heads[head] - place)).sum() }
      return heads.indices.min { distance($0) < distance($1) }!
    }
  }

  /// Ones at some places of a matrix, zeros elsewhere.
  private static func ones(_ places: [(row: Int, column: Int)], shape: [Int]) -> Tensor {
    var values = [Float](repeating: 0, count: shape[0] * shape[1])
    for (row, column) in places where row < shape[0] && column < shape[1] { values[row * shape[1] + column] = 1 }
    return Tensor(values, shape: shape)
  }

  /// `count` places in a disc of radius 1 across the view, evenly spread (a sunflower's).
  static func disc(_ count: Int) -> [SIMD2<Float>] {
    (0..<count).map { index in
      let radius = ((Float(index) + 0.5) / Float(count)).squareRoot()
      let angle = Float(index) * 2.3999632
      return SIMD2(radius * cos(angle), radius * sin(angle))
    }
  }

  /// From the frame of the Gaussians to axes along the first camera's view, and back: `[..., 3]`.
  private func toView(_ places: Tensor) -> Tensor {
    guard let axes else { return places }
    return places.reshaped([-1, 3]).matmul(axes.value, precisely: true).reshaped(places.shape)
  }

  func fromView(_ places: Tensor) -> Tensor {
    guard let axes else { return places }
    return places.reshaped([-1, 3]).matmul(axes.value, transposingOther: true, precisely: true).reshaped(places.shape)
  }

  /// What is added to the scores of the cross-attention, `[batch, heads, tokens, points]`: `-2 log(1 + d^2 / 4)`, where d is a
  /// point's distance from the head's place beside the anchor, in widths of that place.
  ///
  /// Near the place that is a Gaussian window. Far from it, where nothing may lie near because what was there has moved, points
  /// still count by the ratio of their distances; under a Gaussian the nearest one would be everything, and latents would
  /// jump whenever another becomes it. Tokens of the box do not see points outside of it, and the other way round.
  func bias(anchors: Tensor, points: Gaussians) -> Tensor {
    let (batch, heads, tokens) = (anchors.shape[0], options.heads, anchors.shape[1])
    let places = GaussianVAE.disc(heads).flatMap { place -> [Float] in [place.x, place.y, 0] }
    // A place is a little narrower than its share of the disc; along the view the whole neighborhood counts.
    let narrow = Float(heads).squareRoot() / 0.6
    let scale = (Tensor([narrow, narrow, 1], shape: [1, 3]) / own).square() / 4
    let around =
      toView(anchors - middle).unsqueezed(1) + Tensor(places, shape: [1, heads, 1, 3]) * own.unsqueezed(0)
    let keys = toView(points.means.detached - middle)
    // 1 + d^2 / 4 in one product: of (-2 s q, s, 1 + s q q) and (k, k k, 1).
    let scales = scale.broadcast(to: [batch, heads, tokens, 3])
    let constant = (around.square() * scales).sum(axes: [3], keepingDimensions: true) + 1
    let queries = Tensor.concatenated([around * scales * -2, scales, constant], axis: 3)
      .reshaped([batch, heads * tokens, 7])
    let distances = queries.matmul(
      Tensor.concatenated([keys, keys.square(), .filled([batch, points.count, 1], with: 1)], axis: 2),
      transposingOther: true, precisely: true)
    let bias = (distances.maximum(Tensor(1)).log() * -2).reshaped([batch, heads, tokens, points.count])
    guard let hidden = hidden(from: points) else { return bias }
    return bias + hidden.unsqueezed(1)
  }

  /// `[batch, tokens, points]`: what hides points from tokens; nil where all see all.
  private func hidden(from points: Gaussians) -> Tensor? {
    guard let box = box?.value else { return nil }
    let (means, opacities) = (points.means, points.opacities)
    let (tokens, count, outside) = (options.tokens, points.count, options.outside)
    return GraphTrace.operation(
      "hidden outside of boxes", [means, opacities, box], ["tokens": .int(tokens), "outside": .int(outside)]
    ) {
      let inside = GaussianVAE.isInside(means.scalars, box.scalars)
      let opacities = opacities.scalars
      return Tensor(shape: [points.batch, tokens, count]) { buffer in
        for row in 0..<points.batch * tokens {
          let wanted = row % tokens < tokens - outside
          for point in 0..<count {
            let index = row / tokens * count + point
            buffer[row * count + point] = inside[index] == wanted && opacities[index] > 0.01 ? 0 : -1e4
          }
        }
      }
    }
  }

  /// What lies around each anchor: its place, or with fixed anchors how much lies there; then the mean color, depth and sideways
  /// offset at each head's place beside it, `[batch, tokens, lead + 6 heads]`.
  func local(anchors: Tensor, points: Gaussians, bias: Tensor) -> Tensor {
    let (batch, heads, tokens) = (anchors.shape[0], options.heads, anchors.shape[1])
    let weights = bias.softmax(axis: 3).reshaped([batch, heads * tokens, points.count])
    let values = Tensor.concatenated([points.colors, points.means], axis: 2)
    let means = weights.matmul(values).reshaped([batch, heads, tokens, 6]).permuted([0, 2, 1, 3])
    let offsets = toView(means.sliced(axis: 3, 3..<6) - anchors.unsqueezed(2)) / own.unsqueezed(1)
    let disc = Tensor(
      GaussianVAE.disc(heads).flatMap { place -> [Float] in [place.x, place.y] }, shape: [1, 1, heads, 2])
    func flat(_ tensor: Tensor) -> Tensor { tensor.reshaped([batch, tokens, -1]) }
    let lead =
      options.anchors == .fixed
      ? ((bias.exp().sum(axes: [1, 3]) + 1e-3).log() * 0.3).unsqueezed(2) : (anchors - middle) / reach
    // Where nothing lies near, how far away the nearest thing is says little.
    let bounded = options.anchors == .fixed ? offsets.clamped(to: -4...4) : offsets
    return Tensor.concatenated(
      [
        lead, flat(means.sliced(axis: 3, 0..<3)), flat(bounded.sliced(axis: 3, 2..<3)),
        flat(bounded.sliced(axis: 3, 0..<2) - disc),
      ], axis: 2)
  }
}
