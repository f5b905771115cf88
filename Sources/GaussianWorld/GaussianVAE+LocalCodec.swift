import Foundation
import Imitation
import Layers
import Tensors

// The plain local codec that a VAE starts as.
extension GaussianVAE {
  /// Sets the short ways so that a token carries what lies around its anchor, and its Gaussians draw that.
  func startAsLocalCodec() {
    // Latents in the order of local features as far as they go: place, colors by head, depths by head, the rest.
    localShortcut.weight.value = GaussianVAE.ones(
      (0..<min(options.latent, 3 + 6 * options.heads)).map { ($0, $0) }, shape: [3 + 6 * options.heads, options.latent])
    anchorShortcut.weight.value = GaussianVAE.ones((0..<3).map { ($0, $0) }, shape: [options.latent, 3])
    headShortcut.weight.value = GaussianVAE.ones(
      GaussianVAE.nearestHeads(options).enumerated().flatMap { gaussian, head -> [(Int, Int)] in
        let column = gaussian * Gaussians.width
        let colors = (0..<3).map { (3 + 3 * head + $0, column + 10 + $0) }
        return colors + [(3 + 3 * options.heads + head, column + 2)]
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

  /// What is added to the scores of the cross-attention, `[batch, heads, tokens, points]`: `-2 log(1 + d^2 / 4)`, where d is a
  /// point's distance from the head's place beside the anchor, in widths of that place.
  ///
  /// Near the place that is a Gaussian window. Far from it, where nothing may lie near because what was there has moved, points
  /// still count by the ratio of their distances; under a Gaussian the nearest one would be everything, and latents would
  /// jump whenever another becomes it.
  func bias(anchors: Tensor, points: Tensor) -> Tensor {
    let places = GaussianVAE.disc(options.heads).flatMap { place -> [Float] in [place.x * own, place.y * own, 0] }
    // A place is a little narrower than its share of the disc; along the view the whole neighborhood counts.
    let width = own / Float(options.heads).squareRoot() * 0.6
    let scale = Tensor([1 / width, 1 / width, 1 / own], shape: [3])
    let (batch, heads, tokens) = (anchors.shape[0], options.heads, anchors.shape[1])
    let around = anchors.unsqueezed(1) - middle + Tensor(places, shape: [1, heads, 1, 3])
    let queries = (around * scale).reshaped([batch, heads * tokens, 3])
    let keys = (points - middle) * scale
    // 1 + d^2 / 4 in one product: of (-q / 2, 1 + |q|^2 / 4, 1) and (k, 1, |k|^2 / 4).
    func quarters(_ places: Tensor) -> Tensor { places.square().sum(axes: [2], keepingDimensions: true) / 4 }
    func ones(_ places: Tensor) -> Tensor { .filled([batch, places.shape[1], 1], with: 1) }
    let distances = Tensor.concatenated([queries * -0.5, quarters(queries) + 1, ones(queries)], axis: 2)
      .matmul(Tensor.concatenated([keys, ones(keys), quarters(keys)], axis: 2), transposingOther: true)
    return (distances.log() * -2).reshaped([batch, heads, tokens, points.shape[1]])
  }

  /// What lies around each anchor: its place, then the mean color, depth and sideways offset at each head's place beside it,
  /// `[batch, tokens, 3 + 6 heads]`.
  func local(anchors: Tensor, points: Gaussians, bias: Tensor) -> Tensor {
    let (batch, heads, tokens) = (anchors.shape[0], options.heads, anchors.shape[1])
    let weights = bias.softmax(axis: 3).reshaped([batch, heads * tokens, points.count])
    let values = Tensor.concatenated([points.colors, points.means], axis: 2)
    let means = weights.matmul(values).reshaped([batch, heads, tokens, 6]).permuted([0, 2, 1, 3])
    let offsets = (means.sliced(axis: 3, 3..<6) - anchors.unsqueezed(2)) / own
    let disc = Tensor(
      GaussianVAE.disc(heads).flatMap { place -> [Float] in [place.x, place.y] }, shape: [1, 1, heads, 2])
    func flat(_ tensor: Tensor) -> Tensor { tensor.reshaped([batch, tokens, -1]) }
    return Tensor.concatenated(
      [
        (anchors - middle) / reach, flat(means.sliced(axis: 3, 0..<3)), flat(offsets.sliced(axis: 3, 2..<3)),
        flat(offsets.sliced(axis: 3, 0..<2) - disc),
      ], axis: 2)
  }
}
