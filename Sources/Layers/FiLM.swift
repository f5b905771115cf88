import Tensors

/// Feature-wise linear modulation by a condition (Perez et al. 2018), as RoboCasa uses it: `relu((1 + γ) x + β)`.
public struct FiLM: Module {
  /// To `[β, γ]`.
  public let projection: Linear
  let channels: Int

  /// Modulates `channels` by a condition of so many numbers.
  public init(condition: Int, channels: Int, random: inout Random) {
    projection = Linear(inputs: condition, outputs: 2 * channels, random: &random)
    self.channels = channels
  }

  /// `[images, height, width, channels]`, modulated by `[images, condition]`.
  public func callAsFunction(_ input: Tensor, condition: Tensor) -> Tensor {
    let both = projection(condition)
    let beta = both.sliced(axis: 1, 0..<channels)
    let gamma = both.sliced(axis: 1, channels..<2 * channels)
    return input.modulated(scale: gamma + 1, bias: beta, finish: .relu)
  }
}
