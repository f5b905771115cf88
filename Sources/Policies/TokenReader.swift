import Imitation
import Layers
import Tensors

/// A row for each frame out of an encoder's tokens: queries of proprioception and instruction attend to them and their places.
/// Each attends on its own, one to the object and another to the goal for example; what they find is joined. Tokens that always
/// stand for the same can be read in their order, too, as a map of features is flattened: nothing has to be found first.
struct TokenReader: Module {
  /// Attention to the tokens and a layer of its own, pre-norm, each with its skip connection.
  struct Block: Module {
    let norm: LayerNorm
    let attention: MultiHeadAttention
    let mlpNorm: LayerNorm
    let expand, contract: Linear
  }

  /// Every token narrowed by one layer, one after the other, and the pooled features beside them.
  struct Flattening: Module {
    let narrowing, joining: Linear
    let pooled: Linear?

    init(_ layout: FeatureLayout, count: Int, numbers: Int, width: Int, random: inout Random) {
      narrowing = Linear(inputs: width, outputs: numbers, random: &random)
      joining = Linear(inputs: count * numbers, outputs: width, random: &random)
      pooled = layout.width > 0 ? Linear(inputs: layout.width, outputs: width, random: &random) : nil
    }

    /// - Parameters:
    ///   - memory: `[frames, count, width]`.
    ///   - features: of `[batch, time]` frames.
    /// - Returns: `[batch, time, width]`.
    func callAsFunction(_ memory: Tensor, _ features: Features) -> Tensor {
      let (batch, time) = (features.pooled.shape[0], features.pooled.shape[1])
      var tokens = narrowing(memory).gelu()
      if let mask = features.mask { tokens = tokens * mask.reshaped([batch * time, -1, 1]) }
      let row = joining(tokens.reshaped([batch, time, -1]))
      return pooled.map { row + $0(features.pooled) } ?? row
    }
  }

  /// Wavelengths of positions: 4 to 1/8, in meters or halves of an image.
  private static let octaves = 6

  /// `[1, queries, width]`: the queries before they know of a frame.
  let start: Parameter
  /// All queries out of the pooled features; nil when there are none.
  let query: Linear?
  let embedding: Linear
  /// Two layers from a position's Fourier features to the width.
  let positions: [Linear]
  let memoryNorm: LayerNorm
  let blocks: [Block]
  /// From what all queries found to the row.
  let joining: Linear
  let flattening: Flattening?
  private let width: Int
  private let dropout: Float

  /// - Parameters:
  ///   - layout: of an encoder with tokens.
  ///   - flatten: numbers of each token that are read in their order, which needs to know how many tokens there are; 0 for none.
  init(
    _ layout: FeatureLayout, queries: Int, width: Int, heads: Int, layers: Int, dropout: Float, flatten: Int,
    random: inout Random
  ) {
    let tokens = layout.tokens!
    (self.width, self.dropout) = (width, dropout)
    start = Parameter(.normal([1, queries, width], deviation: 0.02, random: &random))
    query = layout.width > 0 ? Linear(inputs: layout.width, outputs: queries * width, random: &random) : nil
    embedding = Linear(inputs: tokens.width, outputs: width, random: &random)
    positions = [
      Linear(inputs: tokens.dimensions * (1 + 2 * TokenReader.octaves), outputs: width, random: &random),
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
    joining = Linear(inputs: queries * width, outputs: width, random: &random)
    flattening =
      flatten > 0
      ? Flattening(layout, count: tokens.count!, numbers: flatten, width: width, random: &random) : nil
  }

  /// `[batch, time, width]`.
  func callAsFunction(_ features: Features) -> Tensor {
    let (batch, time) = (features.pooled.shape[0], features.pooled.shape[1])
    func frames(_ tensor: Tensor) -> Tensor { tensor.reshaped([batch * time, -1, tensor.shape[tensor.rank - 1]]) }
    let waves = frames(features.positions!).fourierFeatures(octaves: TokenReader.octaves)
    let places = positions[1](positions[0](waves).gelu())
    let memory = memoryNorm(embedding(frames(features.tokens!)) + places)
    // Minus infinity where there is no token.
    let mask = features.mask.map { $0.log().reshaped([batch * time, 1, 1, -1]) }
    var x = start.value.broadcast(to: [batch * time, start.value.shape[1], width])
    if let query { x = x + query(features.pooled).reshaped(x.shape) }
    for block in blocks {
      x = x + block.attention(block.norm(x), memory: memory, mask: mask).dropout(dropout)
      x = x + block.contract(block.expand(block.mlpNorm(x)).gelu()).dropout(dropout)
    }
    let found = joining(x.reshaped([batch, time, -1]))
    return flattening.map { found + $0(memory, features) } ?? found
  }
}
