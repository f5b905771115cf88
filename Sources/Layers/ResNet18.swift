import Tensors

/// The normalization of a convolutional trunk.
public enum TrunkNorm: String, Codable, Sendable, CaseIterable {
  /// torchvision's: by the statistics of the batch.
  case batch
  /// Groups of 16 channels: does not mix the images of a batch, and goes together with averaged weights.
  case group

  func layer(_ channels: Int) -> any ChannelNorm {
    switch self {
    case .batch: BatchNorm2d(channels)
    case .group: GroupNorm(groups: channels / 16, channels: channels)
    }
  }
}

/// Two 3x3 convolutions with a skip connection (He et al. 2016).
public struct BasicBlock: Module {
  let conv1: Conv2d
  let norm1: any ChannelNorm
  let conv2: Conv2d
  let norm2: any ChannelNorm
  let shortcut: Conv2d?
  let shortcutNorm: (any ChannelNorm)?

  /// - Parameter stride: of the first convolution.
  public init(inputs: Int, outputs: Int, stride: Int, norm: TrunkNorm, random: inout Random) {
    conv1 = Conv2d(
      inputs: inputs, outputs: outputs, kernel: 3, stride: stride, padding: 1, bias: false,
      initialization: .kaimingFanOut, random: &random)
    norm1 = norm.layer(outputs)
    conv2 = Conv2d(
      inputs: outputs, outputs: outputs, kernel: 3, padding: 1, bias: false, initialization: .kaimingFanOut,
      random: &random)
    norm2 = norm.layer(outputs)
    let changes = stride != 1 || inputs != outputs
    shortcut =
      changes
      ? Conv2d(
        inputs: inputs, outputs: outputs, kernel: 1, stride: stride, bias: false, initialization: .kaimingFanOut,
        random: &random) : nil
    shortcutNorm = changes ? norm.layer(outputs) : nil
  }

  /// `[images, height, width, inputs]` to `[images, height / stride, width / stride, outputs]`.
  public func callAsFunction(_ input: Tensor) -> Tensor {
    let around = shortcut.map { shortcutNorm!($0(input)) } ?? input
    return norm2(conv2(norm1(conv1(input), adding: nil, finish: .relu)), adding: around, finish: .relu)
  }
}

/// The trunk of torchvision's ResNet-18: everything before the pooling and the classifier, 11,176,512 parameters.
///
/// `[images, height, width, inputs]` to `[images, height / 32, width / 32, 512]`, sizes rounded up.
public struct ResNet18: Module {
  /// What it gives of each place.
  public static let channels = 512

  package let stem: Conv2d
  package let stemNorm: any ChannelNorm
  /// Four stages of two blocks.
  public let blocks: [BasicBlock]
  /// One after each block, when there is a condition.
  public let films: [FiLM]  // terms: ok, FiLM

  /// - Parameters:
  ///   - inputs: channels of the images.
  ///   - condition: the width of the condition that modulates every block; nil for none.
  public init(inputs: Int = 3, norm: TrunkNorm, condition: Int? = nil, random: inout Random) {
    stem = Conv2d(
      inputs: inputs, outputs: 64, kernel: 7, stride: 2, padding: 3, bias: false, initialization: .kaimingFanOut,
      random: &random)
    stemNorm = norm.layer(64)
    var blocks: [BasicBlock] = []
    var films: [FiLM] = []  // terms: ok, FiLM
    var width = 64
    for (stage, outputs) in [64, 128, 256, 512].enumerated() {
      for index in 0..<2 {
        blocks.append(
          BasicBlock(
            inputs: width, outputs: outputs, stride: stage > 0 && index == 0 ? 2 : 1, norm: norm, random: &random))
        if let condition { films.append(FiLM(condition: condition, channels: outputs, random: &random)) }  // terms: ok, FiLM
        width = outputs
      }
    }
    self.blocks = blocks
    self.films = films  // terms: ok, FiLM
  }

  /// - Parameter condition: `[images, condition]` when built with one.
  public func callAsFunction(_ input: Tensor, condition: Tensor? = nil) -> Tensor {
    var x = stemNorm(stem(input), adding: nil, finish: .relu).maxPool2d(size: 3, stride: 2, padding: 1)
    for (index, block) in blocks.enumerated() {
      x = block(x)
      if !films.isEmpty, let condition { x = films[index](x, condition: condition) }  // terms: ok, FiLM
    }
    return x
  }
}
