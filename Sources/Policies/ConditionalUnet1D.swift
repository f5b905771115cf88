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

/// Two such blocks with a way around; the condition scales and shifts between them (FiLM: `scale h + bias`, not `1 + scale`).
struct ConditionalResidualBlock: Module {
  let first: ConvolutionBlock
  let second: ConvolutionBlock
  /// To `[scale, bias]`.
  let film: Linear
  let around: Conv1d?
  private let outputs: Int

  init(inputs: Int, outputs: Int, condition: Int, kernel: Int, groups: Int, random: inout Random) {
    first = ConvolutionBlock(inputs: inputs, outputs: outputs, kernel: kernel, groups: groups, random: &random)
    second = ConvolutionBlock(inputs: outputs, outputs: outputs, kernel: kernel, groups: groups, random: &random)
    film = Linear(inputs: condition, outputs: 2 * outputs, random: &random)
    around = inputs == outputs ? nil : Conv1d(inputs: inputs, outputs: outputs, kernel: 1, random: &random)
    self.outputs = outputs
  }

  /// - Parameter condition: after its Mish, which all blocks share.
  func callAsFunction(_ input: Tensor, condition: Tensor) -> Tensor {
    let both = film(condition)
    let changed = first(input).modulated(
      scale: both.sliced(axis: 1, 0..<outputs), bias: both.sliced(axis: 1, outputs..<2 * outputs))
    return second(changed) + (around.map { $0(input) } ?? input)
  }
}

/// Diffusion Policy's convolutional noise predictor (Chi et al. 2023): a U-Net over the time of an action window.
///
/// The first skip, at full length, is never used; that is how the reference is built, and its weights expect it.
public struct ConditionalUnet1D: Module {
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

  /// - Parameters:
  ///   - actions: numbers in an action.
  ///   - condition: numbers that all steps are conditioned on.
  ///   - embedding: width of the diffusion step's embedding.
  ///   - widths: channels of each level; each but the last halves the length.
  public init(
    actions: Int, condition: Int, embedding: Int = 128, widths: [Int] = [512, 1024, 2048], kernel: Int = 5,
    groups: Int = 8, random: inout Random
  ) {
    precondition(!widths.isEmpty, "ConditionalUnet1D: no widths")
    func block(_ inputs: Int, _ outputs: Int, _ random: inout Random) -> ConditionalResidualBlock {
      ConditionalResidualBlock(
        inputs: inputs, outputs: outputs, condition: embedding + condition, kernel: kernel, groups: groups,
        random: &random)
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

  /// - Parameters:
  ///   - input: noisy actions, `[batch, time, actions]`; the time must be a multiple of 2 for each halving.
  ///   - step: the diffusion step of each item.
  ///   - condition: `[batch, condition]`.
  public func callAsFunction(_ input: Tensor, step: [Float], condition: Tensor) -> Tensor {
    let time = stepContract(stepExpand(steps(step)).mish())
    let condition = Tensor.concatenated([time, condition], axis: 1).mish()
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
}
