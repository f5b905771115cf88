import Tensors

/// A learned row for each of `count` things.
public struct Embedding: Module {
  /// `[count, width]`.
  public let weight: Parameter

  /// Draws rows of standard deviation `deviation`.
  public init(count: Int, width: Int, deviation: Float = 1, random: inout Random) {
    weight = Parameter(.normal([count, width], deviation: deviation, random: &random))
  }

  /// `[indices.count, width]`.
  public func callAsFunction(_ indices: [Int]) -> Tensor {
    weight.value.gathered(indices)
  }
}
