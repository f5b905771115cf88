import Imitation
import Layers
import Tensors

/// A pre-norm decoder block as `torch.nn.TransformerDecoderLayer` with `norm_first`: attention among the actions, attention
/// to the memory, and a GELU layer, dropout inside and behind each.
struct TransformerDecoderBlock: Module {
  let attentionNorm: LayerNorm
  let attention: MultiHeadAttention
  let memoryNorm: LayerNorm
  let memoryAttention: MultiHeadAttention
  let mlpNorm: LayerNorm
  let expand: Linear
  let contract: Linear
  private let dropout: Float

  init(width: Int, heads: Int, dropout: Float, random: inout Random) {
    func attention(_ random: inout Random) -> MultiHeadAttention {
      MultiHeadAttention(
        width: width, heads: heads, dropout: dropout, initialization: .normal(0.02), random: &random)
    }
    attentionNorm = LayerNorm(width)
    self.attention = attention(&random)
    memoryNorm = LayerNorm(width)
    memoryAttention = attention(&random)
    mlpNorm = LayerNorm(width)
    expand = Linear(inputs: width, outputs: 4 * width, initialization: .normal(0.02), random: &random)
    contract = Linear(inputs: 4 * width, outputs: width, initialization: .normal(0.02), random: &random)
    self.dropout = dropout
  }

  func callAsFunction(_ input: Tensor, memory: Tensor, mask: Tensor?, memoryMask: Tensor?) -> Tensor {
    var x = input + attention(attentionNorm(input), mask: mask).dropout(dropout)
    x = x + memoryAttention(memoryNorm(x), memory: memory, mask: memoryMask).dropout(dropout)
    return x + contract(expand(mlpNorm(x)).gelu().dropout(dropout)).dropout(dropout)
  }
}

/// Diffusion Policy's transformer (Chi et al. 2023): noisy actions are tokens that look at a memory of the diffusion step and
/// the observed frames. The reference's encoder-only form without conditioning is not here.
public struct TransformerForDiffusion: DenoisingNetwork {
  public struct Options: PluginOptions {
    @Key("Width of the tokens; even.", 4...16_384) public var width = 256
    @Key("Transformer blocks.", 1...200) public var layers = 8
    @Key("Attention heads; they divide the width.", 1...256) public var heads = 4
    @Key("Blocks of self-attention over the memory; with 0 each of its tokens goes through a small network.", 0...200)
    public var conditionLayers = 0
    @Key("Dropout of embeddings.", 0..<1) public var embeddingDropout: Float = 0
    @Key("Dropout of attention, of the layers between, and of what each branch adds.", 0..<1)
    public var dropout: Float = 0.3
    @Key("Whether an action may not attend to later ones, nor to frames after its own.") public var causal = true

    public init() {}

    public func validate() throws {
      try $width.refuse(unless: width % 2 == 0, "must be even")
      try $heads.refuse(unless: width % heads == 0, "must divide the width (\(width))")
    }
  }

  public static let name = "diffusion-transformer"
  public static let help = "Diffusion Policy with the transformer."

  let actionEmbedding: Linear
  /// `[1, horizon, width]`.
  let positions: Parameter
  let observationEmbedding: Linear
  /// `[1, 1 + context, width]`: of the diffusion step's token, then of the frames'.
  let memoryPositions: Parameter
  let memoryExpand: Linear?
  let memoryContract: Linear?
  let memoryBlocks: [TransformerBlock]
  let blocks: [TransformerDecoderBlock]
  let norm: LayerNorm
  let head: Linear
  private let options: Options
  private let mask: Tensor?
  private let memoryMask: Tensor?

  /// Whether an action attends to none after it.
  package var isCausal: Bool { options.causal }

  public init(
    options: Options, horizon: Int, context: Int, features: Int, actionWidth: Int, random: inout Random
  ) throws {
    let width = options.width
    func linear(_ inputs: Int, _ outputs: Int, _ random: inout Random) -> Linear {
      Linear(inputs: inputs, outputs: outputs, initialization: .normal(0.02), random: &random)
    }
    func table(_ count: Int, _ random: inout Random) -> Parameter {
      Parameter(.normal([1, count, width], deviation: 0.02, random: &random))
    }
    self.options = options
    actionEmbedding = linear(actionWidth, width, &random)
    positions = table(horizon, &random)
    observationEmbedding = linear(features, width, &random)
    memoryPositions = table(1 + context, &random)
    let isPlain = options.conditionLayers == 0
    memoryExpand = isPlain ? linear(width, 4 * width, &random) : nil
    memoryContract = isPlain ? linear(4 * width, width, &random) : nil
    memoryBlocks = (0..<options.conditionLayers).map { _ in
      TransformerBlock(
        width: width, heads: options.heads, attentionBias: true, attentionDropout: options.dropout,
        dropout: options.dropout, activationDropout: options.dropout, random: &random)
    }
    blocks = (0..<options.layers).map { _ in
      TransformerDecoderBlock(width: width, heads: options.heads, dropout: options.dropout, random: &random)
    }
    norm = LayerNorm(width)
    head = linear(width, actionWidth, &random)
    mask = options.causal ? MultiHeadAttention.causalMask(horizon) : nil
    // Action t sees the step's token and the frames up to its own: memory s with s - 1 <= t.
    memoryMask =
      options.causal
      ? Tensor(
        (0..<horizon).flatMap { t in (0...context).map { s in s - 1 <= t ? 0 : -Float.infinity } },
        shape: [horizon, context + 1]) : nil
  }

  public func callAsFunction(_ input: Tensor, step: [Float], observations: Tensor) -> Tensor {
    let time = SinusoidalEmbedding(width: options.width, sinesFirst: true)(step).unsqueezed(1)
    var memory = Tensor.concatenated([time, observationEmbedding(observations)], axis: 1) + memoryPositions.value
    memory = memory.dropout(options.embeddingDropout)
    if let memoryExpand, let memoryContract {
      memory = memoryContract(memoryExpand(memory).mish())
    } else {
      for block in memoryBlocks { memory = block(memory) }
    }
    var x = (actionEmbedding(input) + positions.value).dropout(options.embeddingDropout)
    for block in blocks { x = block(x, memory: memory, mask: mask, memoryMask: memoryMask) }
    return head(norm(x))
  }

  /// Decay is for matrices: not for biases, norms and tables of positions.
  public var noWeightDecay: Set<String> {
    let tables = [positions, memoryPositions]
    return Set(
      parameters().filter { found in found.parameter.value.rank == 1 || tables.contains { $0 === found.parameter } }
        .map(\.name))
  }
}
