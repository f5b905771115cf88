import Tensors

/// A transformer block whose norms are set by a condition and whose branches start closed: AdaLN-Zero (Peebles and Xie
/// 2023, "Scalable Diffusion Models with Transformers"), with attention to a memory between attention and MLP.
public struct DiffusionTransformerBlock: Module {
  let attention, crossAttention: MultiHeadAttention
  let expand, contract: Linear
  /// To shift, scale and gate of each of the three branches; zero at first.
  public let modulation: Linear
  let width: Int

  /// - Parameter normalized: normalize each head's queries and keys.
  public init(
    width: Int, heads: Int, condition: Int, memoryWidth: Int, expansion: Int = 4, rotary: RotaryPositions? = nil,
    normalized: Bool = false, random: inout Random
  ) {
    attention = MultiHeadAttention(width: width, heads: heads, rotary: rotary, normalized: normalized, random: &random)
    crossAttention = MultiHeadAttention(
      width: width, heads: heads, memoryWidth: memoryWidth, normalized: normalized, random: &random)
    expand = Linear(inputs: width, outputs: width * expansion, random: &random)
    contract = Linear(inputs: width * expansion, outputs: width, random: &random)
    modulation = Linear(inputs: condition, outputs: 9 * width, initialization: .zero, random: &random)
    self.width = width
  }

  /// - Parameters:
  ///   - input: `[batch, tokens, width]`.
  ///   - condition: `[batch, condition]`, after its activation.
  ///   - memory: `[batch, others, memoryWidth]`.
  public func callAsFunction(_ input: Tensor, condition: Tensor, memory: Tensor) -> Tensor {
    let parts = modulation(condition).split(axis: 1, Array(repeating: width, count: 9))
    func normed(_ x: Tensor, _ branch: Int) -> Tensor {
      x.layerNorm(scale: nil, bias: nil, epsilon: 1e-6)
        .modulated(scale: parts[3 * branch + 1] + 1, bias: parts[3 * branch])
    }
    var x = input
    x = attention(normed(x, 0)).modulated(scale: parts[2], adding: x)
    // The queries, and the norm before them, matter only when there is a choice of what to attend to.
    let attended =
      memory.shape[1] == 1
      ? crossAttention.sole(memory, tokens: x.shape[1])
      : crossAttention(normed(x, 1), memory: memory)
    x = attended.modulated(scale: parts[5], adding: x)
    return contract(expand(normed(x, 2)).geluTanh()).modulated(scale: parts[8], adding: x)
  }
}
