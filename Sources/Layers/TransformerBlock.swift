import Tensors

/// A pre-norm transformer block: attention and a four times wider GELU layer, each with a skip connection of its own.
public struct TransformerBlock: Module {
  let attentionNorm: LayerNorm
  let attention: MultiHeadAttention
  let mlpNorm: LayerNorm
  let expand, contract: Linear
  let dropout: Float
  let activationDropout: Float

  /// - Parameter activationDropout: between the two layers of the MLP, as PyTorch's own blocks have it.
  public init(
    width: Int, heads: Int, expansion: Int = 4, attentionBias: Bool = false, attentionDropout: Float = 0.1,
    dropout: Float = 0.1, activationDropout: Float = 0, rotary: RotaryPositions? = nil,
    initialization: Initialization = .normal(0.02),
    random: inout Random
  ) {
    attentionNorm = LayerNorm(width)
    attention = MultiHeadAttention(
      width: width, heads: heads, bias: attentionBias, dropout: attentionDropout, rotary: rotary,
      initialization: initialization, random: &random)
    mlpNorm = LayerNorm(width)
    expand = Linear(inputs: width, outputs: width * expansion, initialization: initialization, random: &random)
    contract = Linear(inputs: width * expansion, outputs: width, initialization: initialization, random: &random)
    self.dropout = dropout
    self.activationDropout = activationDropout
  }

  /// `[batch, tokens, width]`; `mask` is added to the attention scores.
  public func callAsFunction(_ input: Tensor, mask: Tensor? = nil) -> Tensor {
    let attended = input + attention(attentionNorm(input), mask: mask).dropout(dropout)
    return attended
      + contract(expand(mlpNorm(attended)).gelu().dropout(activationDropout)).dropout(dropout)
  }
}
