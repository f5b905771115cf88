import Imitation
import Layers
import Tensors

/// A convolution over time, GroupNorm of 8 groups, Mish.
struct ConvolutionBlock: Module {
  let convolution: Conv1d
  let norm: GroupNorm

  init(inputs: Int, outputs: Int, kernel: Int, groups: Int = 8, random: inout Random) {
    convolution = Conv1d(inputs: inputs, outputs: outputs, kernel: kernel, padding: kernel / 2, random: &random)
    norm = GroupNorm(groups: groups, channels: outputs)
  }

  func callAsFunction(_ input: Tensor) -> Tensor {
    norm(convolution(input), finish: .mish)
  }
}

/// Two such blocks with a skip connection; between them the condition scales and shifts (`scale h + bias`), or shifts alone.
struct ConditionalResidualBlock: Module {
  let first: ConvolutionBlock
  let second: ConvolutionBlock
  /// To `[scale, bias]`, or to the bias.
  let film: Linear  // terms: ok, FiLM
  let around: Conv1d?
  private let outputs: Int
  private let scales: Bool

  init(
    inputs: Int, outputs: Int, condition: Int, kernel: Int, groups: Int, scales: Bool, random: inout Random
  ) {
    first = ConvolutionBlock(inputs: inputs, outputs: outputs, kernel: kernel, groups: groups, random: &random)
    second = ConvolutionBlock(inputs: outputs, outputs: outputs, kernel: kernel, groups: groups, random: &random)
    film = Linear(inputs: condition, outputs: (scales ? 2 : 1) * outputs, random: &random)  // terms: ok, FiLM
    around = inputs == outputs ? nil : Conv1d(inputs: inputs, outputs: outputs, kernel: 1, random: &random)
    self.outputs = outputs
    self.scales = scales
  }

  /// - Parameter condition: after its Mish, which all blocks share.
  func callAsFunction(_ input: Tensor, condition: Tensor) -> Tensor {
    let both = film(condition)  // terms: ok, FiLM
    let x = first(input)
    let changed: Tensor
    if scales {
      let parts = both.split(axis: 1, [outputs, outputs])
      changed = x.modulated(scale: parts[0], bias: parts[1])
    } else {
      changed = x + both.unsqueezed(1)
    }
    return second(changed) + (around.map { $0(input) } ?? input)
  }
}

/// Diffusion Policy's convolutional noise predictor (Chi et al. 2023): a U-Net over the time of an action window.
///
/// The first skip, at full length, is never used; that is how the reference is built, and its weights expect it.
public struct ConditionalUnet1D: DenoisingNetwork {
  public struct Options: PluginOptions {
    @Key("Channels of each level, 1 to 8 of them, multiples of groups; each level but the last halves the horizon.")
    public var widths = [512, 1024, 2048]
    @Key("Width of the diffusion step's embedding; even.", 4...8192) public var stepWidth = 128
    @Key("Size of the convolutions; odd.", 1..<100) public var kernel = 5
    @Key("Groups of the norms.", 1...1024) public var groups = 8
    @Key("Whether the condition scales channels, or only shifts them.") public var condPredictScale = true

    public init() {}

    public func validate() throws {
      try $widths.refuse(
        unless: (1...8).contains(widths.count) && widths.allSatisfy { $0 > 0 && $0 <= 16_384 && $0 % groups == 0 },
        "must be 1 to 8 widths, each a multiple of groups (\(groups))")
      // The last block's norm always has the eight groups of the reference.
      try $widths.refuse(unless: widths[0] % 8 == 0, "the first must be a multiple of 8")
      try $stepWidth.refuse(unless: stepWidth % 2 == 0, "must be even")
      try $kernel.refuse(unless: kernel % 2 == 1, "must be odd")
    }
  }

  public static let name = "diffusion-unet"
  public static let help = "Diffusion Policy with the convolutional network."

  struct Down: Module {
    let first, second: ConditionalResidualBlock
    let shrink: Conv1d?
  }
  struct Up: Module {
    let first, second: ConditionalResidualBlock
    let grow: ConvTransposed1d
  }

  let stepExpand: Linear
  let stepContract: Linear
  let down: [Down]
  let middle: [ConditionalResidualBlock]
  let up: [Up]
  let final: ConvolutionBlock
  let output: Conv1d
  private let steps: SinusoidalEmbedding

  /// - Throws: `PolicyError` when the horizon cannot be halved often enough.
  public init(
    options: Options, horizon: Int, context: Int, features: Int, actionWidth actions: Int, random: inout Random
  ) throws {
    let (widths, embedding, kernel) = (options.widths, options.stepWidth, options.kernel)
    let least = 1 << (widths.count - 1)
    guard horizon % least == 0 else { throw PolicyError.horizon(horizon, multipleOf: least) }
    func block(_ inputs: Int, _ outputs: Int, _ random: inout Random) -> ConditionalResidualBlock {
      ConditionalResidualBlock(
        inputs: inputs, outputs: outputs, condition: embedding + context * features, kernel: kernel,
        groups: options.groups, scales: options.condPredictScale, random: &random)
    }
    steps = SinusoidalEmbedding(width: embedding, sinesFirst: true)
    stepExpand = Linear(inputs: embedding, outputs: 4 * embedding, random: &random)
    stepContract = Linear(inputs: 4 * embedding, outputs: embedding, random: &random)
    var (down, up): ([Down], [Up]) = ([], [])
    let pairs = Array(zip([actions] + widths.dropLast(), widths))
    for (level, (inputs, outputs)) in pairs.enumerated() {
      down.append(
        Down(
          first: block(inputs, outputs, &random), second: block(outputs, outputs, &random),
          shrink: level == pairs.count - 1
            ? nil : Conv1d(inputs: outputs, outputs: outputs, kernel: 3, stride: 2, padding: 1, random: &random)))
    }
    let deepest = widths[widths.count - 1]
    middle = [block(deepest, deepest, &random), block(deepest, deepest, &random)]
    for (inputs, outputs) in pairs.dropFirst().reversed() {
      up.append(
        Up(
          first: block(2 * outputs, inputs, &random), second: block(inputs, inputs, &random),
          grow: ConvTransposed1d(inputs: inputs, outputs: inputs, kernel: 4, stride: 2, padding: 1, random: &random)))
    }
    (self.down, self.up) = (down, up)
    final = ConvolutionBlock(inputs: widths[0], outputs: widths[0], kernel: kernel, random: &random)
    output = Conv1d(inputs: widths[0], outputs: actions, kernel: 1, random: &random)
  }

  public func callAsFunction(_ input: Tensor, step: [Float], observations: Tensor) -> Tensor {
    let seen = observations.reshaped([observations.shape[0], -1])
    let time = stepContract(stepExpand(steps(step)).mish())
    let condition = Tensor.concatenated([time, seen], axis: 1).mish()
    var x = input
    var skips: [Tensor] = []
    for level in down {
      x = level.second(level.first(x, condition: condition), condition: condition)
      skips.append(x)
      if let shrink = level.shrink { x = shrink(x) }
    }
    for block in middle { x = block(x, condition: condition) }
    for level in up {
      x = level.first(.concatenated([x, skips.removeLast()], axis: 2), condition: condition)
      x = level.grow(level.second(x, condition: condition))
    }
    return output(final(x))
  }

  /// All of it decays, as in the reference.
  public var noWeightDecay: Set<String> { [] }
}
