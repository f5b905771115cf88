extension Tensor {
  /// The largest of each window of `[images, height, width, channels]`; padding never wins.
  public func maxPool2d(size: Int, stride: Int, padding: Int = 0) -> Tensor {
    precondition(rank == 4, "maxPool2d: shape \(shape)")
    let plan = PoolingPlan(shape, size: size, stride: stride, padding: padding)
    let result = Device.backend.maxPool(plan, self)
    // Where the largest lay is found again in the backward pass rather than kept.
    return result.recorded(
      "maxPool2d", from: [self], ["size": .int(size), "stride": .int(stride), "padding": .int(padding)]
    ) { [x = detached] in [Device.backend.maxPoolGradient(plan, x, result: result, $0)] }
  }

  /// The mean of each window of `[images, height, width, channels]`.
  public func averagePool2d(size: Int, stride: Int) -> Tensor {
    precondition(rank == 4, "averagePool2d: shape \(shape)")
    let (images, channels) = (shape[0], shape[3])
    let (rows, columns) = ((shape[1] - size) / stride + 1, (shape[2] - size) / stride + 1)
    // The rows and columns of each window side by side.
    func places(_ count: Int) -> [Int] { (0..<count * size).map { $0 / size * stride + $0 % size } }
    let windows = gathered(places(rows), axis: 1).gathered(places(columns), axis: 2)
      .reshaped([images, rows, size, columns, size, channels]).permuted([0, 1, 3, 2, 4, 5])
    return (windows * (1 / Float(size * size))).sum(axes: [3, 4])
  }
}
