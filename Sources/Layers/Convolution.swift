import Tensors

/// A two-dimensional convolution, channels last: `[images, height, width, inputs]` to `[images, height', width', outputs]`.
public struct Conv2d: Layer {
  /// `[kernel, kernel, inputs, outputs]`.
  public let weight: Parameter
  /// `[outputs]`; nil without.
  public let bias: Parameter?
  let stride: Int
  let padding: Int

  /// - Parameter padding: zeros on every side.
  public init(
    inputs: Int, outputs: Int, kernel: Int, stride: Int = 1, padding: Int = 0, bias: Bool = true,
    initialization: Initialization = .torch, random: inout Random
  ) {
    let area = kernel * kernel
    (weight, self.bias) = initialization.parameters(
      [kernel, kernel, inputs, outputs], fanIn: inputs * area, fanOut: outputs * area, bias: bias, random: &random)
    self.stride = stride
    self.padding = padding
  }

  public func callAsFunction(_ input: Tensor) -> Tensor {
    input.conv2d(weight.value, bias: bias?.value, stride: stride, padding: padding)
  }
}

/// A one-dimensional convolution, channels last: `[rows, length, inputs]` to `[rows, length', outputs]`.
public struct Conv1d: Layer {
  /// `[kernel, inputs, outputs]`.
  public let weight: Parameter
  /// `[outputs]`; nil without.
  public let bias: Parameter?
  let stride: Int
  let padding: Int

  /// - Parameter padding: zeros on every side.
  public init(
    inputs: Int, outputs: Int, kernel: Int, stride: Int = 1, padding: Int = 0, bias: Bool = true,
    initialization: Initialization = .torch, random: inout Random
  ) {
    (weight, self.bias) = initialization.parameters(
      [kernel, inputs, outputs], fanIn: inputs * kernel, fanOut: outputs * kernel, bias: bias, random: &random)
    self.stride = stride
    self.padding = padding
  }

  public func callAsFunction(_ input: Tensor) -> Tensor {
    input.conv1d(weight.value, bias: bias?.value, stride: stride, padding: padding)
  }
}

/// The transpose of a one-dimensional convolution, for going up in length.
public struct ConvTransposed1d: Layer {
  /// `[kernel, inputs, outputs]`.
  public let weight: Parameter
  /// `[outputs]`; nil without.
  public let bias: Parameter?
  let stride: Int
  let padding: Int

  /// - Parameter padding: zeros on every side.
  public init(
    inputs: Int, outputs: Int, kernel: Int, stride: Int = 1, padding: Int = 0, bias: Bool = true,
    initialization: Initialization = .torch, random: inout Random
  ) {
    // PyTorch counts a transposed convolution's fan-in from its outputs.
    (weight, self.bias) = initialization.parameters(
      [kernel, inputs, outputs], fanIn: outputs * kernel, fanOut: inputs * kernel, bias: bias, random: &random)
    self.stride = stride
    self.padding = padding
  }

  public func callAsFunction(_ input: Tensor) -> Tensor {
    input.convTransposed1d(weight.value, bias: bias?.value, stride: stride, padding: padding)
  }
}
