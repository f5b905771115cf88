import Foundation
import Imitation
import Tensors

/// How much noise each of `N` diffusion steps holds: `x_t = √A_t x_0 + √(1 - A_t) ε` (Ho et al. 2020; Nichol and Dhariwal
/// 2021 for the cosine), the arithmetic of diffusers' `DDPMScheduler`.
/// What a network predicts, and how steps are walked back, are `Prediction` and `DiffusionSampler`.
public struct NoiseSchedule: Sendable {
  /// How noise grows.
  public enum Shape: String, CaseIterable, SettingValue {
    /// `squaredcos_cap_v2`: `A(u) = cos²((u + 0.008) / 1.008 · π/2)`, no beta above 0.999.
    case squaredCosine = "squared_cosine"
    /// From 0.0001 to 0.02.
    case linear
  }

  /// What a network is asked for.
  public enum Prediction: String, CaseIterable, SettingValue {
    /// The noise.
    case epsilon
    /// The clean actions.
    case sample
    /// `√A ε - √(1 - A) x_0` (Salimans and Ho 2022).
    case velocity
  }

  /// The share of variance that step t adds.
  public let betas: [Double]
  /// `A_t`, the product of `1 - beta` up to t: the share of the signal's variance that is left.
  public let remaining: [Double]

  /// - Parameter steps: of training.
  public init(_ shape: Shape, steps: Int) {
    precondition(steps > 0, "NoiseSchedule: \(steps) steps")
    let exact: [Double]
    switch shape {
    case .squaredCosine:
      func share(_ u: Double) -> Double {
        let c = cos((u + 0.008) / 1.008 * .pi / 2)
        return c * c
      }
      exact = (0..<steps).map { step in
        min(1 - share(Double(step + 1) / Double(steps)) / share(Double(step) / Double(steps)), 0.999)
      }
    case .linear:
      exact = (0..<steps).map { 1e-4 + (0.02 - 1e-4) * Double($0) / Double(max(1, steps - 1)) }
    }
    // diffusers keeps betas in 32 bits: 1 - 0.999 there is 0.00100004.
    betas = exact.map { Double(Float($0)) }
    var product = 1.0
    remaining = betas.map { beta in
      product *= 1 - beta
      return product
    }
  }

  /// Steps of training.
  public var steps: Int { betas.count }

  /// `A_t` before step `step`; 1 when that is before the first.
  func remaining(at step: Int) -> Double { step < 0 ? 1 : remaining[step] }

  /// `√A x_0 + √(1 - A) ε` with each item's own step: `[items, ...]`.
  public func noised(_ clean: Tensor, noise: Tensor, steps: [Int]) -> Tensor {
    func column(_ factor: (Double) -> Double) -> Tensor {
      let shape = [steps.count] + Array(repeating: 1, count: clean.rank - 1)
      return Tensor(steps.map { Float(factor(remaining[$0])) }, shape: shape)
    }
    return column { $0.squareRoot() } * clean + column { (1 - $0).squareRoot() } * noise
  }

  /// What the network should have said of `noised(clean, noise, steps)`.
  public func target(_ prediction: Prediction, clean: Tensor, noise: Tensor, steps: [Int]) -> Tensor {
    switch prediction {
    case .epsilon: noise
    case .sample: clean
    case .velocity: noised(noise, noise: -clean, steps: steps)
    }
  }
}
