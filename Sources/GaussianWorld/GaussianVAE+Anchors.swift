import Imitation
import Tensors

// Anchors that are chosen once, from all training frames.
extension GaussianVAE {
  /// Which rows of three numbers lie in a box: two corners, the lower one first.
  static func isInside(_ means: [Float], _ box: [Float]) -> [Bool] {
    (0..<means.count / 3).map { row -> Bool in
      for axis in 0..<3 {
        let value = means[3 * row + axis]
        if value < box[axis] || value > box[3 + axis] { return false }
      }
      return true
    }
  }

  /// A box around places, reaching `margin` meters further.
  private static func box(around places: [SIMD3<Float>], margin: Float) -> [Float]? {
    guard let first = places.first else { return nil }
    let low = places.reduce(first) { pointwiseMin($0, $1) } - margin
    let high = places.reduce(first) { pointwiseMax($0, $1) } + margin
    return [low.x, low.y, low.z, high.x, high.y, high.z]
  }

  /// Chooses the anchors: those that go with the gripper, by what lay around it; half of those of the box within a third of
  /// the margin of where the gripper went, the others in the rest of the box, a few outside; each group the points that are
  /// farthest from each other.
  /// - Throws: `GaussianWorldError.emptyBox`, `.nothingNearGripper`.
  func fixAnchors(_ sample: CodecSample) throws {
    let (set, gripper) = unpacked(sample.encodings.detached)
    let (all, opacities) = (set.means.scalars, set.opacities.scalars)
    let seen = (0..<opacities.count).filter { opacities[$0] > 0.01 }
    let means = seen.flatMap { all[3 * $0..<3 * $0 + 3] }
    let unlimited: [Float] = [-1e4, -1e4, -1e4, 1e4, 1e4, 1e4]
    let box = options.workspace ?? GaussianVAE.box(around: sample.gripper, margin: options.margin) ?? unlimited
    let isInside = GaussianVAE.isInside(means, box)
    let isNear = GaussianVAE.isNear(means, sample.gripper.spread(1024), within: options.margin / 3)
    func places(_ holds: (Int) -> Bool) -> [Float] {
      isInside.indices.filter(holds).flatMap { means[3 * $0..<3 * $0 + 3] }
    }
    let groups = [
      places { isInside[$0] && isNear[$0] }, places { isInside[$0] && !isNear[$0] }, places { !isInside[$0] },
    ]
    let within = options.tokens - options.outside - options.aroundGripper
    guard groups[0].count + groups[1].count >= 3 * within else {
      throw GaussianWorldError.emptyBox(
        box, points: (groups[0].count + groups[1].count) / 3, of: means.count / 3, tokens: within)
    }
    let near = groups[1].isEmpty ? within : groups[0].isEmpty ? 0 : (within + 1) / 2
    let around = try gripper.map { try offsets(of: all, seen, from: $0, each: set.count) } ?? []
    let counts = [options.aroundGripper, near, within - near, options.outside]
    var (anchors, reaches): ([Float], [Float]) = ([], [])
    for (group, count) in zip([around] + groups, counts) where count > 0 {
      let (chosen, reach) = GaussianVAE.spread(group, count)
      anchors += chosen
      reaches += reach
    }
    self.box!.value = Tensor(box, shape: [6])
    anchorPlaces!.value = Tensor(anchors, shape: [options.tokens, 3])
    anchorReach!.value = Tensor(reaches, shape: [options.tokens])
  }

  /// From the gripper to the points around it, three numbers each.
  ///
  /// - Parameters:
  ///   - means: of all points, those of a frame one after the other, `count` each.
  ///   - seen: those that are seen.
  ///   - gripper: where it was, `[frames, 3]`.
  private func offsets(of means: [Float], _ seen: [Int], from gripper: Tensor, each count: Int) throws -> [Float] {
    let (places, reach) = (gripper.scalars, options.gripperReach)
    let around = seen.flatMap { row -> [Float] in
      let offset = (0..<3).map { means[3 * row + $0] - places[3 * (row / count) + $0] }
      return offset.reduce(0) { $0 + $1 * $1 } <= reach * reach ? offset : []
    }
    guard around.count >= 9 * options.aroundGripper else {
      throw GaussianWorldError.nothingNearGripper(reach, points: around.count / 3, tokens: options.aroundGripper)
    }
    return around
  }

  /// Which rows of three numbers lie within a distance of some place; all where there is none.
  private static func isNear(_ means: [Float], _ places: [SIMD3<Float>], within distance: Float) -> [Bool] {
    guard !places.isEmpty else { return Array(repeating: true, count: means.count / 3) }
    return (0..<means.count / 3).map { row in
      let mean = SIMD3(means[3 * row], means[3 * row + 1], means[3 * row + 2])
      return places.contains { place in
        let offset = place - mean
        return (offset * offset).sum() <= distance * distance
      }
    }
  }

  /// `count` of some places, farthest from each other, and how far each is from the next. Where there are too few, some are
  /// chosen again.
  private static func spread(_ places: [Float], _ count: Int) -> (places: [Float], reach: [Float]) {
    guard !places.isEmpty else {
      return (Array(repeating: 0, count: 3 * count), Array(repeating: 1, count: count))
    }
    let all = Tensor(places, shape: [1, places.count / 3, 3])
    let found = all.farthestPoints(min(count, places.count / 3)).places
    let chosen = (0..<count).map { found[$0 % found.count] }
    let points = chosen.map { SIMD3(places[3 * $0], places[3 * $0 + 1], places[3 * $0 + 2]) }
    func distance(_ a: SIMD3<Float>, _ b: SIMD3<Float>) -> Float { ((a - b) * (a - b)).sum().squareRoot() }
    // One anchor alone has all of it.
    let middle = all.mean(axes: [0, 1])
    let spread = (all - middle).square().mean().sqrt().item * 2
    let reach = points.indices.map { index in
      points.indices.filter { $0 != index }.map { distance(points[index], points[$0]) }.filter { $0 > 1e-4 }.min()
        ?? max(0.05, spread)
    }
    return (points.flatMap { [$0.x, $0.y, $0.z] }, reach)
  }
}
