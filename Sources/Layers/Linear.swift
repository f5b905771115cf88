import Tensors

/// How a weight starts.
public enum Initialization: Sendable {
  /// Uniform in ±1/√fan-in: PyTorch's default for linear and convolution layers.
  case torch
  /// Normal with this standard deviation, biases 0.
  case normal(Float)
  /// Normal, √(2 / fan-out), biases 0: He et al. 2015, as torchvision starts a ResNet.
  case kaimingFanOut
  /// All zero: the layer gives nothing at first.
  case zero

  /// A weight, outputs last, and a bias where there is one.
  func parameters(
    _ shape: [Int], fanIn: Int, fanOut: Int, bias: Bool, random: inout Random
  ) -> (weight: Parameter, bias: Parameter?) {
    let bound = 1 / Float(max(fanIn, 1)).squareRoot()
    func values(_ shape: [Int], isBias: Bool, _ random: inout Random) -> Tensor {
      switch self {
      case .torch: .uniform(shape, -bound...bound, random: &random)
      case .normal(let deviation) where !isBias: .normal(shape, deviation: deviation, random: &random)
      case .kaimingFanOut where !isBias: .normal(shape, deviation: (2 / Float(fanOut)).squareRoot(), random: &random)
      default: .zeros(shape)
      }
    }
    let weight = Parameter(values(shape, isBias: false, &random))
    return (weight, bias ? Parameter(values([shape.last!], isBias: true, &random)) : nil)
  }
}

/// `x W + b` over the last axis.
public struct Linear: Layer {
  /// `[inputs, outputs]`.
  public let weight: Parameter
  /// `[outputs]`; nil without.
  public let bias: Parameter?

  /// Draws the weights as `initialization` says.
  public init(
    inputs: Int, outputs: Int, bias: Bool = true, initialization: Initialization = .torch, random: inout Random
  ) {
    (weight, self.bias) = initialization.parameters(
      [inputs, outputs], fanIn: inputs, fanOut: outputs, bias: bias, random: &random)
  }

  public func callAsFunction(_ input: Tensor) -> Tensor {
    input.linear(weight.value, bias: bias?.value)
  }
}
