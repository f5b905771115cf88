import Foundation
import Support
import Tensors
import Testing

/// Farthest points, nearest points and Chamfer distance against plain loops in 64 bits.
@Suite struct PointTests {
  /// Random points, some of them twice, so that distances tie.
  func points(_ batch: Int, _ count: Int, seed: UInt64, step: Float = 0) -> Tensor {
    var random = Random(seed: seed)
    var values = Tensor.normal([batch, count, 3], random: &random).scalars
    if step > 0 { values = values.map { ($0 / step).rounded() * step } }
    return Tensor(values, shape: [batch, count, 3])
  }

  func distance(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Double {
    zip(a, b).reduce(0) { $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1)) }
  }

  func row(_ points: Tensor, _ item: Int, _ place: Int) -> ArraySlice<Float> {
    let start = (item * points.shape[1] + place) * 3
    return points.scalars[start..<start + 3]
  }

  /// On a grid all distances are exact, ties many, and the order is fully settled by the rule of the first.
  @Test(arguments: [(1, 1, Float(0)), (37, 37, 0), (500, 60, 0), (1000, 300, 0.5), (700, 700, 0.25), (3000, 200, 1)])
  func farthestPointsAreThoseOfPlainLoops(_ count: Int, _ wanted: Int, _ step: Float) {
    let cloud = points(2, count, seed: UInt64(count), step: step)
    let found = cloud.farthestPoints(wanted).places
    for item in 0..<2 {
      let rows = (0..<count).map { row(cloud, item, $0) }
      var least = [Double](repeating: .infinity, count: count)
      var expected = [0]
      while expected.count < wanted {
        for place in 0..<count { least[place] = min(least[place], distance(rows[place], rows[expected.last!])) }
        expected.append(least.firstIndex(of: least.max()!)!)
      }
      #expect(Array(found[item * wanted..<(item + 1) * wanted]) == expected)
    }
  }

  @Test(arguments: [(5, 3, Float(0)), (64, 64, 0.5), (333, 200, 0), (200, 333, 0.5)])
  func nearestIsThatOfPlainLoops(_ n: Int, _ m: Int, _ step: Float) {
    let (a, b) = (points(2, n, seed: 1, step: step), points(2, m, seed: 2, step: step))
    let found = a.nearest(in: b).places
    for item in 0..<2 {
      for place in 0..<n {
        let distances = (0..<m).map { distance(row(a, item, place), row(b, item, $0)) }
        #expect(found[item * n + place] == distances.firstIndex(of: distances.min()!)!)
      }
    }
  }

  /// Of points some centimeters apart, many widths away from the origin: expanded into squares, terms of thousands would have to
  /// cancel to numbers near 1.
  @Test(arguments: [(1, 1), (5, 3), (70, 333)])
  func squaredDistancesKeepTheirDigits(_ n: Int, _ m: Int) {
    let (places, others) = (points(2, n, seed: 1) * 0.02 + 1, points(2, m, seed: 2) * 0.02 + 1)
    let weights = Tensor((0..<3 * n).map { 1000 + Float($0 % 7) * 500 }, shape: [n, 3])
    let found = places.squaredDistances(to: others, weights: weights)
    #expect(found.shape == [2, n, m])
    var worst = 0.0
    for (index, value) in found.scalars.enumerated() {
      let (item, place, other) = (index / (n * m), index / m % n, index % m)
      let (a, b) = (Array(row(places, item, place)), Array(row(others, item, other)))
      let w = Array(row(weights.unsqueezed(0), 0, place))
      let wanted = (0..<3).reduce(0.0) { $0 + Double(w[$1]) * pow(Double(a[$1]) - Double(b[$1]), 2) }
      worst = max(worst, abs(Double(value) - wanted) / wanted)
    }
    #expect(worst < 1e-6)
  }

  @Test func chamferDistanceAndItsGradients() throws {
    let (a, b) = (Parameter(points(2, 40, seed: 3)), Parameter(points(2, 25, seed: 4)))
    let weights = Tensor([1, -0.5], shape: [2])
    /// In 64 bits, with item `item`'s number `place` of one set moved by `change`.
    func plain(_ x: [Float], _ y: [Float]) -> [Double] {
      (0..<2).map { item in
        func rows(_ values: [Float]) -> [ArraySlice<Float>] {
          let count = values.count / 6
          return (0..<count).map { values[(item * count + $0) * 3..<(item * count + $0 + 1) * 3] }
        }
        func way(_ from: [ArraySlice<Float>], _ to: [ArraySlice<Float>]) -> Double {
          from.reduce(0) { sum, p in sum + to.map { distance(p, $0) }.min()! } / Double(from.count)
        }
        return way(rows(x), rows(y)) + way(rows(y), rows(x))
      }
    }
    let (x, y) = (a.value.scalars, b.value.scalars)
    let both = a.value.chamferDistance(to: b.value).scalars
    for (found, wanted) in zip(both, plain(x, y)) { #expect(abs(Double(found) - wanted) < 1e-5 * wanted) }
    let (_, gradients) = withGradients(random: Random(seed: 1)) {
      (a.value.chamferDistance(to: b.value) * weights).sum()
    }
    for (parameter, values, isFirst) in [(a, x, true), (b, y, false)] {
      let gradient = try #require(gradients[parameter]).scalars
      for place in stride(from: 0, to: values.count, by: 11) {
        let sides = [Float(1), -1].map { sign -> Double in
          var moved = values
          moved[place] += sign / 1024
          let parts = isFirst ? plain(moved, y) : plain(x, moved)
          return parts[0] - 0.5 * parts[1]
        }
        #expect(abs(Double(gradient[place]) - (sides[0] - sides[1]) * 512) < 1e-3, "\(place)")
      }
    }
    #expect(a.value.chamferDistance(to: a.value).scalars == [0, 0])
  }
}
