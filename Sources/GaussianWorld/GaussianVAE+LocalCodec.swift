import Foundation
import Imitation
import Layers
import Tensors

// The plain local codec that a VAE starts as.
extension GaussianVAE {
  /// Numbers of what lies around an anchor before those of each head: its place, or with fixed anchors how much lies there.
  static func lead(_ options: Options) -> Int { options.anchors == .fixed ? 1 : 3 }

  /// Numbers of what lies around an anchor: of each narrow head a color, a depth and a sideways offset, of each wide one how
  /// much lies there, too.
  static func localWidth(_ options: Options) -> Int { lead(options) + 6 * options.narrowHeads + 7 * options.wideHeads }

  /// Sets the skip connections so that a token carries what lies around its anchor, and its Gaussians draw that.
  func startAsLocalCodec() {
    let (lead, count) = (GaussianVAE.lead(options), GaussianVAE.localWidth(options))
    // Latents in the order of local features as far as they go: place, colors by head, depths by head, the rest.
    localShortcut.weight.value = GaussianVAE.ones(
      (0..<min(options.latent, count)).map { ($0, $0) }, shape: [count, options.latent])
    anchorShortcut?.weight.value = GaussianVAE.ones((0..<3).map { ($0, $0) }, shape: [options.latent, 3])
    headShortcut.weight.value = GaussianVAE.ones(
      GaussianVAE.nearestHeads(options).enumerated().flatMap { gaussian, head -> [(Int, Int)] in
        let column = gaussian * Gaussians.width
        let colors = (0..<3).map { (lead + 3 * head + $0, column + 10 + $0) }
        return colors + [(lead + 3 * options.narrowHeads + head, column + 2)]
      }, shape: [options.latent, options.perToken * Gaussians.width])
  }

  /// For each Gaussian of a token the head that looks where it lies.
  private static func nearestHeads(_ options: Options) -> [Int] {
    let heads = disc(options.narrowHeads)
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

  /// How near points are to the place of each head beside an anchor, `[batch, heads, tokens, points]`: `(1 + d^2 / 4)^-2`, where d
  /// is the distance in widths of that place. Its logarithm is added to the scores of the cross-attention.
  ///
  /// Near the place that is a Gaussian window. Far from it, where nothing may lie near because what was there has moved, points
  /// still count by the ratio of their distances; under a Gaussian the nearest one would be everything, and latents would
  /// jump whenever another becomes it. Tokens of the box do not see points outside of it, and the other way round.
  func nearness(anchors: Tensor, points: Gaussians) -> Tensor {
    let (batch, heads, tokens) = (anchors.shape[0], options.heads, anchors.shape[1])
    let places =
      GaussianVAE.disc(options.narrowHeads).flatMap { place -> [Float] in [place.x, place.y, 0] }
      + [Float](repeating: 0, count: 3 * options.wideHeads)
    // A place is a little narrower than its share of the disc; along the view the whole neighborhood counts.
    let narrow = Float(options.narrowHeads).squareRoot() / 0.6
    var scale = (Tensor([narrow, narrow, 1], shape: [1, 3]) / own).square() / 4
    if options.wideHeads > 0 {
      let wide = Tensor.filled([options.wideHeads, tokens, 3], with: 0.25 / (options.wideReach * options.wideReach))
      scale = .concatenated([scale.broadcast(to: [options.narrowHeads, tokens, 3]), wide], axis: 0)
    }
    let around =
      toView(anchors - middle).unsqueezed(1) + Tensor(places, shape: [1, heads, 1, 3]) * own.unsqueezed(0)
    let keys = toView(points.means.detached - middle)
    let distances = around.reshaped([batch, heads * tokens, 3]).squaredDistances(
      to: keys, weights: scale.broadcast(to: [heads, tokens, 3]).reshaped([heads * tokens, 3]))
    let nearness = (distances + 1).square().reciprocal().reshaped([batch, heads, tokens, points.count])
    guard let visibility = visibility(of: points) else { return nearness }
    return nearness * visibility.unsqueezed(1)
  }

  /// `[batch, tokens, points]`: 1 where a token sees a point, else next to nothing, so that where all is hidden what is near still
  /// counts more; nil where all see all.
  private func visibility(of points: Gaussians) -> Tensor? {
    guard let box = box?.value else { return nil }
    let (means, opacities) = (points.means, points.opacities)
    let (tokens, count, outside) = (options.tokens, points.count, options.outside)
    return GraphTrace.operation(
      "visibility by boxes", [means, opacities, box], ["tokens": .int(tokens), "outside": .int(outside)]
    ) {
      let inside = GaussianVAE.isInside(means.scalars, box.scalars)
      let opacities = opacities.scalars
      return Tensor(shape: [points.batch, tokens, count]) { buffer in
        for row in 0..<points.batch * tokens {
          let wanted = row % tokens < tokens - outside
          for point in 0..<count {
            let index = row / tokens * count + point
            buffer[row * count + point] = inside[index] == wanted && opacities[index] > 0.01 ? 1 : 1e-15
          }
        }
      }
    }
  }

  /// What lies around each anchor: its place, or with fixed anchors how much lies there; then the mean color, depth and sideways
  /// offset at each narrow head's place beside it, and between depths and sideways offsets how much lies within each wide head's
  /// reach, its mean color and its offset: `[batch, tokens, localWidth]`.
  func local(anchors: Tensor, points: Gaussians, nearness: Tensor) -> Tensor {
    let (batch, heads, tokens) = (anchors.shape[0], options.heads, anchors.shape[1])
    let (narrow, isFixed) = (options.narrowHeads, options.anchors == .fixed)
    let values = Tensor.concatenated([points.colors, points.means, .ones([batch, points.count, 1])], axis: 2)
    let sums = nearness.reshaped([batch, heads * tokens, points.count]).matmul(values, precisely: true)
      .reshaped([batch, heads, tokens, 7]).permuted([0, 2, 1, 3])
    let total = sums.sliced(axis: 3, 6..<7)
    let means = sums.sliced(axis: 3, 0..<6) / total
    let offsets = toView(means.sliced(axis: 3, 3..<6) - anchors.unsqueezed(2))
    func of(_ heads: Range<Int>, _ tensor: Tensor, _ columns: Range<Int>) -> Tensor {
      tensor.sliced(axis: 2, heads).sliced(axis: 3, columns)
    }
    func flat(_ tensor: Tensor) -> Tensor { tensor.reshaped([batch, tokens, -1]) }
    func amount(_ heads: Range<Int>) -> Tensor {
      (total.sliced(axis: 2, heads).sum(axes: [2]) + 1e-3).log() * 0.3
    }
    // Where nothing lies near, how far away the nearest thing is says little.
    func bounded(_ offsets: Tensor) -> Tensor { isFixed ? offsets.clamped(to: -4...4) : offsets }
    let disc = Tensor(
      GaussianVAE.disc(narrow).flatMap { place -> [Float] in [place.x, place.y] }, shape: [1, 1, narrow, 2])
    let near = bounded(offsets.sliced(axis: 2, 0..<narrow) / own.unsqueezed(1))
    var parts = [
      isFixed ? amount(0..<narrow) : (anchors - middle) / reach,
      flat(of(0..<narrow, means, 0..<3)), flat(near.sliced(axis: 3, 2..<3)),
    ]
    for head in narrow..<heads {
      parts += [
        amount(head..<head + 1), flat(of(head..<head + 1, means, 0..<3)),
        flat(bounded(offsets.sliced(axis: 2, head..<head + 1) / options.wideReach)),
      ]
    }
    return Tensor.concatenated(parts + [flat(near.sliced(axis: 3, 0..<2) - disc)], axis: 2)
  }
}
