import CKernels

extension Tensor {
  /// The largest of each window of `[images, height, width, channels]`; padding never wins.
  public func maxPool2d(size: Int, stride: Int, padding: Int = 0) -> Tensor {
    precondition(rank == 4, "maxPool2d: shape \(shape)")
    let (images, height, width, channels) = (shape[0], shape[1], shape[2], shape[3])
    let rows = (height + 2 * padding - size) / stride + 1
    let columns = (width + 2 * padding - size) / stride + 1
    let imageSize = height * width * channels
    let rowSize = columns * channels
    let (size32, stride32, padding32) = (Int32(size), Int32(stride), Int32(padding))
    let result = Tensor(shape: [images, rows, columns, channels]) { buffer in
      guard buffer.count > 0 else { return }
      nonisolated(unsafe) let (from, to) = (storage.pointer, buffer.baseAddress!)
      parallel(count: images * rows, grain: max(1, Kernel.grain / (rowSize * size))) { range in
        for unit in range {
          ck_max_pool(
            from + unit / rows * imageSize, Int32(height), Int32(width), channels, size32, stride32, padding32,
            Int32(unit % rows), Int32(columns), to + unit * rowSize)
        }
      }
    }
    // Where the largest lay is found again in the backward pass rather than kept.
    return result.recorded(
      "maxPool2d", from: [self], ["size": .int(size), "stride": .int(stride), "padding": .int(padding)]
    ) { [x = detached] outputGradient in
      [
        Tensor(shape: x.shape) { buffer in
          guard buffer.count > 0 else { return }
          nonisolated(unsafe) let (from, to) = (x.storage.pointer, buffer.baseAddress!)
          parallel(count: images, grain: max(1, Kernel.grain / (rows * rowSize))) { range in
            Kernel.withScratch(channels) { rest in
              for image in range {
                (to + image * imageSize).update(repeating: 0, count: imageSize)
                for row in 0..<rows {
                  let start = (image * rows + row) * rowSize
                  ck_max_pool_gradient(
                    from + image * imageSize, result.storage.pointer + start, outputGradient.storage.pointer + start,
                    Int32(height), Int32(width), channels, size32, stride32, padding32, Int32(row), Int32(columns),
                    rest, to + image * imageSize)
                }
              }
            }
          }
        }
      ]
    }
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
