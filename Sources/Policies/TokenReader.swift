import Imitation
import Layers
import Tensors

/// A row for each frame out of an encoder's tokens: a query of proprioception and instruction attends to them and their places.
struct TokenReader: Module {
  /// Attention to the tokens and a layer of its own, pre-norm, each with its skip connection.
  struct Block: Module {
    let norm: LayerNorm
    let attention: MultiHeadAttention
    let mlpNorm: LayerNorm
    let expand, contract: Linear
  }

  /// `[1, 1, width]`: the query before it knows of a frame.
  let start: Parameter
  /// Of the pooled features; nil when there are none.
  let query: Linear?
  let embedding: Linear
  /// Two layers from a position to the width.
  let positions: [Linear]
  let memoryNorm: LayerNorm
  let blocks: [Block]
  private let width: Int
  private let dropout: Float

  /// - Parameter layout: of an encoder with tokens.
  init(_ layout: FeatureLayout, width: Int, heads: Int, layers: Int, dropout: Float, random: inout Random) {
    let tokens = layout.tokens!
    (self.width, self.dropout) = (width, dropout)
    start = Parameter(.normal([1, 1, width], deviation: 0.02, random: &random))
    query = layout.width > 0 ? Linear(inputs: layout.width, outputs: width, random: &random) : nil
    embedding = Linear(inputs: tokens.width, outputs: width, random: &random)
    positions = [
      Linear(inputs: tokens.dimensions, outputs: width, random: &random),
      Linear(inputs: width, outputs: width, random: &random),
    ]
    memoryNorm = LayerNorm(width)
    blocks = (0..<layers).map { _ in
      Block(
        norm: LayerNorm(width),
        attention: MultiHeadAttention(width: width, heads: heads, bias: false, dropout: dropout, random: &random),
        mlpNorm: LayerNorm(width), expand: Linear(inputs: width, outputs: 4 * width, random: &random),
        contract: Linear(inputs: 4 * width, outputs: width, random: &random))
    }
  }

  /// `[batch, time, width]`.
  func callAsFunction(_ features: Features) -> Tensor {
    let (batch, time) = (features.pooled.shape[0], features.pooled.shape[1])
    func frames(_ tensor: Tensor) -> Tensor { tensor.reshaped([batch * time, -1, tensor.shape[tensor.rank - 1]]) }
    let places = positions[1](positions[0](frames(features.positions!)).gelu())
    let memory = memoryNorm(embedding(frames(features.tokens!)) + places)
    // Minus infinity where there is no token.
    let mask = features.mask.map { $0.log().reshaped([batch * time, 1, 1, -1]) }
    var x = start.value.broadcast(to: [batch * time, 1, width])
    if let query { x = x + query(features.pooled).reshaped([batch * time, 1, width]) }
    for block in blocks {
      x = x + block.attention(block.norm(x), memory: memory, mask: mask).dropout(dropout)
      x = x + block.contract(block.expand(block.mlpNorm(x)).gelu()).dropout(dropout)
    }
    return x.reshaped([batch, time, width])
  }
}
