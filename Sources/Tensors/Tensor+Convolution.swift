extension Tensor {
  /// `[images, height, width, in]` by `[kernelHeight, kernelWidth, in, out]`: `[images, height', width', out]`.
  public func conv2d(_ weight: Tensor, bias: Tensor? = nil, stride: Int = 1, padding: Int = 0) -> Tensor {
    precondition(
      rank == 4 && weight.rank == 4 && shape[3] == weight.shape[2], "conv2d: shapes \(shape) and \(weight.shape)")
    return convolution(weight, bias: bias, stride: (stride, stride), padding: (padding, padding), "conv2d")
  }

  /// `[rows, length, in]` by `[kernel, in, out]`: `[rows, length', out]`.
  public func conv1d(_ weight: Tensor, bias: Tensor? = nil, stride: Int = 1, padding: Int = 0) -> Tensor {
    precondition(
      rank == 3 && weight.rank == 3 && shape[2] == weight.shape[1], "conv1d: shapes \(shape) and \(weight.shape)")
    return GraphTrace.operation(
      "conv1d", [self, weight, bias], ["stride": .ints([stride]), "padding": .ints([padding])]
    ) {
      unsqueezed(1).convolution(
        weight.unsqueezed(0), bias: bias, stride: (1, stride), padding: (0, padding), "conv1d"
      ).squeezed(1)
    }
  }

  private func convolution(
    _ weight: Tensor, bias: Tensor?, stride: (y: Int, x: Int), padding: (y: Int, x: Int), _ name: StaticString
  ) -> Tensor {
    let plan = ConvolutionPlan(shape, weight.shape, stride: stride, padding: padding)
    precondition(
      plan.outputHeight > 0 && plan.outputWidth > 0, "\(name): kernel \(weight.shape) is larger than \(shape)")
    // How the kernel goes about it depends on the number of images, and is no operation of a graph.
    return GraphTrace.paused { Device.backend.convolution(plan, self, weight, bias: bias) }.recorded(
      name, from: [self, weight, bias],
      ["stride": .ints([stride.y, stride.x]), "padding": .ints([padding.y, padding.x])]
    ) {
      [
        x = detached, weight = weight.detached, wantsX = isRecorded, wantsWeight = weight.isRecorded,
        wantsBias = bias?.isRecorded ?? false
      ] outputGradient in
      [
        wantsX ? Device.backend.convolutionInputGradient(plan, outputGradient, weight) : nil,
        wantsWeight ? Device.backend.convolutionWeightGradient(plan, x, outputGradient) : nil,
        wantsBias ? outputGradient.sum(axes: [0, 1, 2]) : nil,
      ]
    }
  }

  /// The transpose of a convolution: `[rows, length, in]` by `[kernel, in, out]`, length `(length - 1) stride - 2 padding + kernel`.
  public func convTransposed1d(
    _ weight: Tensor, bias: Tensor? = nil, stride: Int = 1, padding: Int = 0
  ) -> Tensor {
    precondition(
      rank == 3 && weight.rank == 3 && shape[2] == weight.shape[1],
      "convTransposed1d: shapes \(shape) and \(weight.shape)")
    let length = (shape[1] - 1) * stride - 2 * padding + weight.shape[0]
    precondition(length > 0, "convTransposed1d: kernel \(weight.shape), padding \(padding) leave nothing of \(shape)")
    let raw = GraphTrace.operation(
      "convTransposed1d", [self, weight], ["stride": .ints([stride]), "padding": .ints([padding])]
    ) { convTransposed1d(weight, length: length, stride: stride, padding: padding) }
    return bias.map { raw + $0 } ?? raw
  }

  private func convTransposed1d(_ weight: Tensor, length: Int, stride: Int, padding: Int) -> Tensor {
    // The convolution that this undoes goes from `out` channels and the long side to `in` and the short one.
    let turned = weight.detached.permuted([0, 2, 1]).unsqueezed(0)
    let plan = ConvolutionPlan(
      [shape[0], 1, length, weight.shape[2]], turned.shape, stride: (1, stride), padding: (0, padding))
    let result = Device.backend.convolutionInputGradient(plan, self, turned).squeezed(1)
    return result.recorded("convTransposed1d", from: [self, weight]) {
      [x = detached, wantsX = isRecorded, wantsWeight = weight.isRecorded] outputGradient in
      let long = outputGradient.unsqueezed(1)
      return [
        wantsX ? Device.backend.convolution(plan, long, turned, bias: nil).squeezed(1) : nil,
        wantsWeight
          ? Device.backend.convolutionWeightGradient(plan, long, x).squeezed(0).permuted([0, 2, 1]) : nil,
      ]
    }
  }
}
