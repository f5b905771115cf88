import Tensors

/// Mean 0 and variance 1 over the last axis.
public struct LayerNorm: Layer {
  /// By channel, 1 at first.
  public let scale: Parameter
  /// By channel, 0 at first.
  public let bias: Parameter
  let epsilon: Float

  /// - Parameter epsilon: what is added to the variance.
  public init(_ width: Int, epsilon: Float = 1e-5) {
    scale = Parameter(.ones([width]))
    bias = Parameter(.zeros([width]))
    self.epsilon = epsilon
  }

  public func callAsFunction(_ input: Tensor) -> Tensor {
    input.layerNorm(scale: scale.value, bias: bias.value, epsilon: epsilon)
  }
}

/// Root mean square 1 over the last axis.
public struct RMSNorm: Layer {
  /// By channel, 1 at first.
  public let scale: Parameter
  let epsilon: Float

  /// - Parameter epsilon: what is added to the variance.
  public init(_ width: Int, epsilon: Float = 1e-6) {
    scale = Parameter(.ones([width]))
    self.epsilon = epsilon
  }

  public func callAsFunction(_ input: Tensor) -> Tensor {
    input.rmsNorm(scale: scale.value, epsilon: epsilon)
  }
}

/// A normalization by channel, channels last, that takes what follows it along: one pass instead of three.
public protocol ChannelNorm: Layer {
  /// `finish(normalized + adding)`.
  func callAsFunction(_ input: Tensor, adding: Tensor?, finish: Finish) -> Tensor
}

extension ChannelNorm {
  /// The same with nothing added.
  public func callAsFunction(_ input: Tensor) -> Tensor { self(input, adding: nil, finish: .none) }
}

/// Mean 0 and variance 1 over each image and group of channels, channels last.
public struct GroupNorm: ChannelNorm {
  /// By channel, 1 at first.
  public let scale: Parameter
  /// By channel, 0 at first.
  public let bias: Parameter
  let groups: Int
  let epsilon: Float

  /// - Parameter epsilon: what is added to the variance.
  public init(groups: Int, channels: Int, epsilon: Float = 1e-5) {
    precondition(channels % groups == 0, "GroupNorm: \(groups) groups of \(channels) channels")
    scale = Parameter(.ones([channels]))
    bias = Parameter(.zeros([channels]))
    self.groups = groups
    self.epsilon = epsilon
  }

  public func callAsFunction(_ input: Tensor, adding: Tensor? = nil, finish: Finish) -> Tensor {
    input.groupNorm(
      groups: groups, scale: scale.value, bias: bias.value, epsilon: epsilon, adding: adding, finish: finish)
  }
}

/// Mean 0 and variance 1 of each channel over the batch in the training phase; by the running statistics otherwise.
public struct BatchNorm2d: ChannelNorm {
  /// By channel, 1 at first.
  public let scale: Parameter
  /// By channel, 0 at first.
  public let bias: Parameter
  /// The running statistics.
  public let mean: Buffer
  /// By channel, 1 at first.
  public let variance: Buffer
  let momentum: Float
  let epsilon: Float

  /// - Parameter epsilon: what is added to the variance.
  public init(_ channels: Int, momentum: Float = 0.1, epsilon: Float = 1e-5) {
    scale = Parameter(.ones([channels]))
    bias = Parameter(.zeros([channels]))
    mean = Buffer(.zeros([channels]))
    variance = Buffer(.ones([channels]))
    self.momentum = momentum
    self.epsilon = epsilon
  }

  public func callAsFunction(_ input: Tensor, adding: Tensor? = nil, finish: Finish) -> Tensor {
    guard Phase.current == .training, scale.isTrainable else {
      return input.batchNorm(
        mean: mean.value, variance: variance.value, scale: scale.value, bias: bias.value, epsilon: epsilon,
        adding: adding, finish: finish)
    }
    let batch = input.batchNormTraining(
      scale: scale.value, bias: bias.value, epsilon: epsilon, adding: adding, finish: finish)
    mean.value = mean.value * (1 - momentum) + batch.mean * momentum
    variance.value = variance.value * (1 - momentum) + batch.variance * momentum
    return batch.output
  }
}
