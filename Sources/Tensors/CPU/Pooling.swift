import CKernels

/// The sizes of one pooling of `[images, height, width, channels]`.
package struct PoolingPlan: Sendable {
  package let images, height, width, channels: Int
  package let size, stride, padding: Int

  init(_ shape: [Int], size: Int, stride: Int, padding: Int) {
    (images, height, width, channels) = (shape[0], shape[1], shape[2], shape[3])
    (self.size, self.stride, self.padding) = (size, stride, padding)
  }

  /// Of the result.
  package var rows: Int { (height + 2 * padding - size) / stride + 1 }
  package var columns: Int { (width + 2 * padding - size) / stride + 1 }
  package var resultShape: [Int] { [images, rows, columns, channels] }
  package var shape: [Int] { [images, height, width, channels] }

  fileprivate var imageSize: Int { height * width * channels }
  fileprivate var rowSize: Int { columns * channels }
}

extension Kernel {
  static func maxPool(_ plan: PoolingPlan, _ x: Tensor) -> Tensor {
    Tensor(shape: plan.resultShape) { buffer in
      guard buffer.count > 0 else { return }
      nonisolated(unsafe) let (from, to) = (x.storage.pointer, buffer.baseAddress!)
      parallel(count: plan.images * plan.rows, grain: max(1, grain / (plan.rowSize * plan.size))) { range in
        for unit in range {
          ck_max_pool(
            from + unit / plan.rows * plan.imageSize, Int32(plan.height), Int32(plan.width), plan.channels,
            Int32(plan.size), Int32(plan.stride), Int32(plan.padding), Int32(unit % plan.rows), Int32(plan.columns),
            to + unit * plan.rowSize)
        }
      }
    }
  }

  static func maxPoolGradient(_ plan: PoolingPlan, _ x: Tensor, result: Tensor, _ outputGradient: Tensor) -> Tensor {
    Tensor(shape: plan.shape) { buffer in
      guard buffer.count > 0 else { return }
      nonisolated(unsafe) let (from, to) = (x.storage.pointer, buffer.baseAddress!)
      nonisolated(unsafe) let (results, above) = (result.storage.pointer, outputGradient.storage.pointer)
      parallel(count: plan.images, grain: max(1, grain / (plan.rows * plan.rowSize))) { range in
        withScratch(plan.channels) { rest in
          for image in range {
            (to + image * plan.imageSize).update(repeating: 0, count: plan.imageSize)
            for row in 0..<plan.rows {
              let start = (image * plan.rows + row) * plan.rowSize
              ck_max_pool_gradient(
                from + image * plan.imageSize, results + start, above + start, Int32(plan.height), Int32(plan.width),
                plan.channels, Int32(plan.size), Int32(plan.stride), Int32(plan.padding), Int32(row),
                Int32(plan.columns), rest, to + image * plan.imageSize)
            }
          }
        }
      }
    }
  }
}
