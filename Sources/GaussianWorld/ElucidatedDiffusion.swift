import Foundation
import Imitation
import Tensors

/// Preconditioning, noise levels and samplers of Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based
/// Generative Models" (EDM), for data of standard deviation `dataDeviation`.
public struct ElucidatedDiffusion: Sendable, Equatable {
  /// How a step is taken.
  public enum Solver: String, CaseIterable, SettingValue {
    /// Once, or corrected by a second look.
    case euler, heun
  }

  /// The standard deviation of the data.
  public var dataDeviation: Float = 0.5
  /// The least noise, and the most, that is ever added while sampling.
  public var smallest: Float = 0.002
  /// The most.
  public var largest: Float = 5
  /// How noise levels are spread (rho).
  public var bend: Float = 7
  /// Mean and standard deviation of the logarithm of the levels that training draws.
  public var logMean: Float = -0.4
  /// The standard deviation of ln sigma while training.
  public var logDeviation: Float = 1.2

  /// The settings that GWM has.
  public init() {}

  /// What a level does to the network F of `D(x) = skip x + out F(in x, noise)` (table 1).
  public struct Coefficients: Sendable, Equatable {
    /// Factors of the input, of the network's output and of its input, and what it sees of the noise.
    public var skip, out, input, noise: Float
  }

  /// What holds at a noise of standard deviation `sigma`.
  public func coefficients(_ sigma: Float) -> Coefficients {
    let (s, d) = (Double(sigma), Double(dataDeviation))
    let root = (s * s + d * d).squareRoot()
    return Coefficients(
      skip: Float(d * d / (s * s + d * d)), out: Float(s * d / root), input: Float(1 / root),
      noise: Float(Foundation.log(s) / 4))
  }

  /// The levels of `count` steps from the largest down, and 0 (equation 5).
  public func levels(_ count: Int) -> [Float] {
    precondition(count > 0, "ElucidatedDiffusion: \(count) steps")
    let (high, low) = (pow(Double(largest), 1 / Double(bend)), pow(Double(smallest), 1 / Double(bend)))
    return (0..<count).map { i in
      let share = count > 1 ? Double(i) / Double(count - 1) : 0
      return Float(pow(high + share * (low - high), Double(bend)))
    } + [0]
  }

  /// A level to train at.
  public func level(random: inout Random) -> Float {
    let value = Foundation.exp(Double(logMean) + Double(logDeviation) * random.normal())
    return Float(min(max(value, Double(smallest)), Double(max(20, largest))))
  }

  /// Follows the probability flow from `largest` times noise to a sample (algorithm 1 without churn).
  ///
  /// - Parameter denoise: `D(x; sigma)`.
  public func sample(
    _ shape: [Int], steps: Int, solver: Solver, random: inout Random, _ denoise: (Tensor, Float) -> Tensor
  ) -> Tensor {
    let levels = levels(steps)
    var x = Tensor.normal(shape, random: &random) * largest
    for (now, next) in zip(levels, levels.dropFirst()) {
      let slope = (x - denoise(x, now)) / now
      let ahead = x + slope * (next - now)
      if solver == .heun, next > 0 {
        let second = (ahead - denoise(ahead, next)) / next
        x = x + (slope + second) * ((next - now) / 2)
      } else {
        x = ahead
      }
    }
    return x
  }
}
