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
    let both = projection(condition).split(axis: 1, [channels, channels])
    return input.modulated(scale: both[1] + 1, bias: both[0], finish: .relu)
  }
}
