extension Tensor {
  /// The largest of each window of `[images, height, width, channels]`; padding never wins.
  public func maxPool2d(size: Int, stride: Int, padding: Int = 0) -> Tensor {
    precondition(rank == 4, "maxPool2d: shape \(shape)")
    let (images, height, width, channels) = (shape[0], shape[1], shape[2], shape[3])
    let rows = (height + 2 * padding - size) / stride + 1
    let columns = (width + 2 * padding - size) / stride + 1
    let imageSize = height * width * channels
    let places = UnsafeMutableBufferPointer<Int32>.allocate(capacity: images * rows * columns * channels)
    let owner = PlaceOwner(places)
    let result = Tensor(shape: [images, rows, columns, channels]) { buffer in
      nonisolated(unsafe) let (from, to, at) = (storage.pointer, buffer.baseAddress!, places.baseAddress!)
      parallel(count: images * rows, grain: max(1, Kernel.grain / (columns * channels * size))) { range in
        for unit in range {
          let (image, row) = (unit / rows, unit % rows)
          let source = from + image * imageSize
          for column in 0..<columns {
            let target = (unit * columns + column) * channels
            var first = true
            for y in max(0, row * stride - padding)..<min(height, row * stride - padding + size) {
              for x in max(0, column * stride - padding)..<min(width, column * stride - padding + size) {
                let base = (y * width + x) * channels
                for c in 0..<channels where first || source[base + c] > to[target + c] {
                  to[target + c] = source[base + c]
                  at[target + c] = Int32(base + c)
                }
                first = false
              }
            }
          }
        }
      }
    }
    return result.recorded("maxPool2d", from: [self]) { [shape] upstream in
      [
        Tensor(shape: shape) { buffer in
          buffer.update(repeating: 0)
          let each = rows * columns * channels
          nonisolated(unsafe) let (from, to, at) = (
            upstream.storage.pointer, buffer.baseAddress!, owner.places.baseAddress!
          )
          parallel(count: images, grain: max(1, Kernel.grain / each)) { range in
            for image in range {
              for i in image * each..<(image + 1) * each { to[image * imageSize + Int(at[i])] += from[i] }
            }
          }
        }
      ]
    }
  }

  /// The mean of each window of `[images, height, width, channels]`.
  public func averagePool2d(size: Int, stride: Int) -> Tensor {
    precondition(rank == 4, "averagePool2d: shape \(shape)")
    let (height, width, channels) = (shape[1], shape[2], shape[3])
    let plan = ConvolutionPlan(
      images: shape[0], height: height, width: width, inputs: channels, outputs: channels, kernelHeight: size,
      kernelWidth: size, strideY: stride, strideX: stride, paddingY: 0, paddingX: 0)
    let (rows, columns) = (plan.outputHeight, plan.outputWidth)
    let share = 1 / Float(size * size)
    let result = Tensor(shape: [plan.images, rows, columns, channels]) { buffer in
      buffer.update(repeating: 0)
      Kernel.poolPairs(plan) { from, to in
        for c in 0..<channels { buffer[to + c] += share * storage.pointer[from + c] }
      }
    }
    return result.recorded("averagePool2d", from: [self]) { [shape] upstream in
      [
        Tensor(shape: shape) { buffer in
          buffer.update(repeating: 0)
          Kernel.poolPairs(plan) { from, to in
            for c in 0..<channels { buffer[from + c] += share * upstream.storage.pointer[to + c] }
          }
        }
      ]
    }
  }
}

/// Keeps the winners' places as long as a pullback needs them.
private final class PlaceOwner: @unchecked Sendable {
  let places: UnsafeMutableBufferPointer<Int32>
  init(_ places: UnsafeMutableBufferPointer<Int32>) { self.places = places }
  deinit { places.deallocate() }
}

extension Kernel {
  /// Every pair of an input pixel and the output pixel whose window holds it, as offsets.
  static func poolPairs(_ plan: ConvolutionPlan, _ body: (_ from: Int, _ to: Int) -> Void) {
    for image in 0..<plan.images {
      for row in 0..<plan.outputHeight {
        for column in 0..<plan.outputWidth {
          let to = ((image * plan.outputHeight + row) * plan.outputWidth + column) * plan.inputs
          for y in row * plan.strideY..<row * plan.strideY + plan.kernelHeight {
            for x in column * plan.strideX..<column * plan.strideX + plan.kernelWidth {
              body(((image * plan.height + y) * plan.width + x) * plan.inputs, to)
            }
          }
        }
      }
    }
  }
}
