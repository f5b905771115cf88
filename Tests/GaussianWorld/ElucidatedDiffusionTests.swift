import Foundation
import GaussianWorld
import Tensors
import Testing

@Suite struct ElucidatedDiffusionTests {
  @Test func coefficientsAreTheTables() {
    let diffusion = ElucidatedDiffusion()
    for sigma: Float in [0.002, 0.1, 0.5, 1, 5, 80] {
      let c = diffusion.coefficients(sigma)
      let (s, d) = (sigma, diffusion.dataDeviation)
      #expect(abs(c.skip - d * d / (s * s + d * d)) < 1e-6)
      // DIAMOND's way to write the same.
      #expect(abs(c.out - s * c.skip.squareRoot()) < 1e-6)
      #expect(abs(c.input * c.input * (s * s + d * d) - 1) < 1e-5)
      #expect(abs(c.noise - log(s) / 4) < 1e-6)
    }
    // Without noise there is nothing to do.
    let none = diffusion.coefficients(1e-6)
    #expect(abs(none.skip - 1) < 1e-6 && abs(none.out) < 1e-5)
  }

  @Test func levelsAreThoseOfThePaper() {
    var diffusion = ElucidatedDiffusion()
    diffusion.largest = 80
    let expected: [Float] = [
      80, 57.6, 40.8, 28.4, 19.4, 12.9, 8.40, 5.32, 3.26, 1.92, 1.09, 0.585, 0.296, 0.140, 0.0599, 0.0229, 0.0075,
      0.002, 0,
    ]
    let levels = diffusion.levels(18)
    #expect(levels.count == 19)
    #expect(abs(levels[0] - 80) < 1e-4 && abs(levels[17] - 0.002) < 1e-7 && levels[18] == 0)
    for (found, wanted) in zip(levels, expected) { #expect(abs(found - wanted) <= 0.006 * max(wanted, 0.001)) }
    #expect(ElucidatedDiffusion().levels(1) == [5, 0])
  }

  /// Of data N(0, d²) the best denoiser is `skip x`: sampling with it must give the spread back.
  @Test(arguments: ElucidatedDiffusion.Solver.allCases) func gaussianDataComesBack(_ solver: ElucidatedDiffusion.Solver)
  {
    var diffusion = ElucidatedDiffusion()
    diffusion.largest = 80
    var random = Random(seed: 3)
    let steps = solver == .euler ? 512 : 64
    let x = diffusion.sample([20_000], steps: steps, solver: solver, random: &random) { x, sigma in
      x * diffusion.coefficients(sigma).skip
    }
    let deviation = x.square().mean().item.squareRoot()
    #expect(abs(deviation - 0.5) < 0.01, "\(deviation)")
  }

  /// Heun's method is of second order: twice the steps, a quarter of the error.
  @Test func heunIsOfSecondOrder() {
    var diffusion = ElucidatedDiffusion()
    diffusion.largest = 80
    func error(_ steps: Int) -> Float {
      var random = Random(seed: 3)
      // One number: the exact flow scales it by the ratio of the standard deviations.
      let x = diffusion.sample([1], steps: steps, solver: .heun, random: &random) { x, sigma in
        x * diffusion.coefficients(sigma).skip
      }
      random = Random(seed: 3)
      let start = Tensor.normal([1], random: &random).item * 80
      let exact = start * 0.5 / (80 * 80 + 0.25 as Float).squareRoot()
      return abs(x.item - exact) / abs(exact)
    }
    let ratio = error(16) / error(32)
    #expect(ratio > 3.2 && ratio < 5.2, "\(ratio)")
  }

  @Test func trainingLevelsAreSpreadAsAsked() {
    let diffusion = ElucidatedDiffusion()
    var random = Random(seed: 1)
    let logs = (0..<20_000).map { _ in Double(log(diffusion.level(random: &random))) }
    let mean = logs.reduce(0, +) / Double(logs.count)
    let deviation = (logs.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(logs.count)).squareRoot()
    #expect(abs(mean + 0.4) < 0.03 && abs(deviation - 1.2) < 0.03)
  }
}
