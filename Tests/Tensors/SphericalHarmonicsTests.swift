import Foundation
import Layers
import Support
import Tensors
import Testing

/// Colors by direction, beyond what the table of operations tests: PyTorch's numbers and finite differences.
@Suite struct SphericalHarmonicsTests {
  let camera = SIMD3<Float>(0.5, -0.25, -1)

  func normal(_ shape: [Int], seed: UInt64) -> Tensor {
    var random = Random(seed: seed)
    return .normal(shape, random: &random)
  }

  /// The gradients of means and coefficients, `weights` arriving at the colors.
  func gradients(_ means: Tensor, _ coefficients: Tensor, weights: Tensor) -> (means: Tensor?, coefficients: Tensor?) {
    let (a, b) = (Parameter(means), Parameter(coefficients))
    let (_, gradients) = withGradients(random: Random(seed: 1)) {
      (Tensor.sphericalHarmonicColors(means: a.value, coefficients: b.value, from: camera) * weights).sum()
    }
    return (gradients[a], gradients[b])
  }

  @Test(arguments: 0...3) func equalsPyTorchClosely(degree: Int) {
    let (name, golden) = ("sphericalHarmonicColours degree \(degree)", GoldenOperation.golden)
    let means = degree == 0 ? Tensor.zeros([12, 3]) : golden["\(name)/in0"]
    let coefficients = golden["\(name)/in\(min(degree, 1))"]
    let (out, expected) = (
      Tensor.sphericalHarmonicColors(means: means, coefficients: coefficients, from: camera), golden["\(name)/out"]
    )
    #expect(relativeError(out, expected) < 1e-5)
    let found = gradients(means, coefficients, weights: golden["\(name)/up"])
    let clamped = expected.scalars.indices.filter { expected.scalars[$0] == 0 }
    #expect(clamped.count > 8)
    // Exactly 0 where clamped.
    #expect(clamped.allSatisfy { out.scalars[$0] == 0 })
    let gradient = found.coefficients!.scalars
    let terms = coefficients.shape[1]
    for place in clamped {
      for term in 0..<terms { #expect(gradient[(place / 3 * terms + term) * 3 + place % 3] == 0) }
    }
  }

  /// The same from everywhere: the means get no gradient.
  @Test func degree0IsOneColor() throws {
    let (means, coefficients) = (normal([40, 3], seed: 1), normal([40, 1, 3], seed: 2))
    let colors = Tensor.sphericalHarmonicColors(means: means, coefficients: coefficients, from: camera)
    for (found, c) in zip(colors.scalars, coefficients.scalars) {
      #expect(abs(Double(found) - max(0, 0.5 + Double(c) * (1 / Double.pi).squareRoot() / 2)) < 1e-6)
    }
    let found = gradients(means, coefficients, weights: .ones([40, 3]))
    #expect(found.means == nil)
    for (gradient, color) in zip(try #require(found.coefficients).scalars, colors.scalars) {
      #expect(gradient == (color > 0 ? 0.28209479177387814 : 0))
    }
  }

  /// No direction: the color of degree 0, and nothing that is no number. Just beside it there is one.
  @Test func meanAtTheCamera() throws {
    let means = Tensor([0.5, -0.25, -1, 0.5, -0.25, -1 + 1e-6], shape: [2, 3])
    let coefficients = Tensor(normal([1, 16, 3], seed: 3).scalars.map { $0 / 8 }, shape: [1, 16, 3])
    let both = Tensor.concatenated([coefficients, coefficients], axis: 0)
    let colors = Tensor.sphericalHarmonicColors(means: means, coefficients: both, from: camera).scalars
    let plain = Tensor.sphericalHarmonicColors(
      means: .zeros([1, 3]), coefficients: coefficients.sliced(axis: 1, 0..<1), from: camera)
    #expect(Array(colors[..<3]) == plain.scalars)
    #expect(Array(colors[3...]) != plain.scalars)
    let found = gradients(means, both, weights: .ones([2, 3]))
    let gradient = try #require(found.means)
    #expect(Array(gradient.scalars[..<3]) == [0, 0, 0])
    #expect(gradient.isFinite && gradient.scalars[3] != 0)
    #expect(try #require(found.coefficients).isFinite)
  }

  /// The mean of the product of two over the sphere is 1 in 4π where they are the same, else 0.
  @Test func harmonicsAreOrthonormal() {
    let count = 4000
    let points = (0..<count).flatMap { i -> [Float] in  // a spiral, all equally far from each other
      let (z, turn) = (1 - (2 * Double(i) + 1) / Double(count), Double(i) * .pi * (3 - 5.0.squareRoot()))
      let r = (1 - z * z).squareRoot()
      return [Float(3 * r * cos(turn)) + camera.x, Float(3 * r * sin(turn)) + camera.y, Float(3 * z) + camera.z]
    }
    let means = Tensor(points, shape: [count, 3])
    let values = (0..<16).map { term -> [Double] in
      var row = [Float](repeating: 0, count: 48)
      row[term * 3] = 0.25  // so that nothing falls below 0
      let coefficients = Tensor(row, shape: [1, 16, 3]).broadcast(to: [count, 16, 3])
      let colors = Tensor.sphericalHarmonicColors(means: means, coefficients: coefficients, from: camera).scalars
      return (0..<count).map { (Double(colors[3 * $0]) - 0.5) * 4 }
    }
    for a in 0..<16 {
      for b in 0...a {
        let product = zip(values[a], values[b]).reduce(0) { $0 + $1.0 * $1.1 } * 4 * .pi / Double(count)
        #expect(abs(product - (a == b ? 1 : 0)) < 2e-3, "\(a), \(b): \(product)")
      }
    }
  }

  /// More Gaussians than one chunk of a loop, and all of them in parts: the same bits.
  @Test(arguments: [1, 9, 16]) func manyAreAsFew(terms: Int) throws {
    let count = 13_000
    let (means, weights) = (normal([count, 3], seed: 4), normal([count, 3], seed: 5))
    let coefficients = normal([count, terms, 3], seed: 6)
    let colors = Tensor.sphericalHarmonicColors(means: means, coefficients: coefficients, from: camera).scalars
    let whole = gradients(means, coefficients, weights: weights)
    for start in stride(from: 0, to: count, by: 499) {
      let part = start..<min(count, start + 499)
      func cut(_ tensor: Tensor) -> Tensor { tensor.sliced(axis: 0, part) }
      let few = Tensor.sphericalHarmonicColors(means: cut(means), coefficients: cut(coefficients), from: camera)
      #expect(few.scalars == Array(colors[part.lowerBound * 3..<part.upperBound * 3]))
      let found = gradients(cut(means), cut(coefficients), weights: cut(weights))
      #expect(found.means?.scalars == whole.means.map { cut($0).scalars })
      #expect(found.coefficients?.scalars == whole.coefficients.map { cut($0).scalars })
    }
  }

  @Test func none() {
    let colors = Tensor.sphericalHarmonicColors(
      means: .zeros([0, 3]), coefficients: .zeros([0, 9, 3]), from: camera)
    #expect(colors.shape == [0, 3])
  }

  @Test func positionIsWhereTheCameraStands() {
    let view = SplattingView(
      width: 4, height: 4, focal: SIMD2(4, 4), center: SIMD2(2, 2),
      rotation: [SIMD3(0, 0.6, 0.8), SIMD3(1, 0, 0), SIMD3(0, 0.8, -0.6)], translation: SIMD3(0.3, -2, 5))
    let place = view.position
    for axis in 0..<3 {
      #expect(abs((view.rotation[axis] * place).sum() + view.translation[axis]) < 1e-6)
    }
    let forwards = SplattingView(
      width: 4, height: 4, focal: SIMD2(4, 4), center: SIMD2(2, 2), translation: SIMD3(1, 2, 3))
    #expect(forwards.position == SIMD3(-1, -2, -3))
  }
}
