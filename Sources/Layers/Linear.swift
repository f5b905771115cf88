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

  func weight(_ shape: [Int], fanIn: Int, fanOut: Int, random: inout Random) -> Tensor {
    switch self {
    case .torch:
      let bound = 1 / Float(max(fanIn, 1)).squareRoot()
      return .uniform(shape, -bound...bound, random: &random)
    case .normal(let deviation): return .normal(shape, deviation: deviation, random: &random)
    case .kaimingFanOut: return .normal(shape, deviation: (2 / Float(fanOut)).squareRoot(), random: &random)
    case .zero: return .zeros(shape)
    }
  }

  func bias(_ count: Int, fanIn: Int, random: inout Random) -> Tensor {
    guard case .torch = self else { return .zeros([count]) }
    let bound = 1 / Float(max(fanIn, 1)).squareRoot()
    return .uniform([count], -bound...bound, random: &random)
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
    weight = Parameter(initialization.weight([inputs, outputs], fanIn: inputs, fanOut: outputs, random: &random))
    self.bias = bias ? Parameter(initialization.bias(outputs, fanIn: inputs, random: &random)) : nil
  }

  public func callAsFunction(_ input: Tensor) -> Tensor {
    input.linear(weight.value, bias: bias?.value)
  }
}
