import Imitation
import Layers
import Tensors

/// A row for each frame out of an encoder's tokens: queries of proprioception and instruction attend to them and their places.
/// Each attends on its own, one to the object and another to the goal for example; what they find is joined.
package struct TokenReader: Module {
  /// Attention to the tokens and a layer of its own, pre-norm, each with its skip connection.
  struct Block: Module {
    let norm: LayerNorm
    let attention: MultiHeadAttention
    let mlpNorm: LayerNorm
    let expand, contract: Linear
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
  /// From what all queries and keypoints found to the row.
  let joining: Linear
  /// From tokens to a score for each keypoint, and to the numbers that are averaged beside places; nil without keypoints.
  package let scores, contents: Linear?
  private let width: Int
  private let dropout: Float

  /// Numbers of a token that a keypoint averages beside its place: where things are from the token's own place, for example.
  private static let contentWidth = 4
  /// Places are meters or halves of an image: within a workspace a tenth should be a number of order 1.
  private static let placeScale: Float = 4

  /// - Parameters:
  ///   - layout: of an encoder with tokens.
  ///   - keypoints: how many expected places of a softmax over all tokens are read; 0 for none.
  package init(
    _ layout: FeatureLayout, queries: Int, keypoints: Int, width: Int, heads: Int, layers: Int, dropout: Float,
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
    joining = Linear(
      inputs: queries * width + keypoints * (tokens.dimensions + TokenReader.contentWidth), outputs: width,
      random: &random
    )
    scores = keypoints > 0 ? Linear(inputs: width, outputs: keypoints, random: &random) : nil
    contents = keypoints > 0 ? Linear(inputs: tokens.width, outputs: TokenReader.contentWidth, random: &random) : nil
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
    var found = [x.reshaped([batch, time, -1])]
    if let keypoints = keypoints(features, memory: memory) { found.append(keypoints.reshaped([batch, time, -1])) }
    return joining(found.count == 1 ? found[0] : .concatenated(found, axis: 2))
  }

  /// What `SpatialSoftmax` reads from a map, from tokens that stand anywhere: of each keypoint the mean place under a softmax over
  /// all tokens, `[frames, keypoints, dimensions + contentWidth]`. Attention gives mixtures of features, from which a place follows only
  /// roughly; this is the place itself.
  package func keypoints(_ features: Features, memory: Tensor) -> Tensor? {
    guard let scores, let contents else { return nil }
    func frames(_ tensor: Tensor) -> Tensor { tensor.reshaped([memory.shape[0], memory.shape[1], -1]) }
    var score = scores(memory)
    if let mask = features.mask { score = score + frames(mask.log()) }
    let values = Tensor.concatenated(
      [frames(features.positions!) * TokenReader.placeScale, contents(frames(features.tokens!))], axis: 2)
    return score.softmax(axis: 1).matmul(values, transposingSelf: true)
  }
}
