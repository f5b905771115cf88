import CKernels

// Small images, many of them. With pixels outermost (`[pixels, images, channels]`) the numbers of one pixel of all
// images are a matrix, and a convolution is one product for each pair of a result pixel and a place in the window.
extension Kernel {
  private struct Places {
    /// For each place in the window: the result pixels it has a pixel for, and which.
    let pairs: [[(output: Int, input: Int)]]

    init(_ plan: ConvolutionPlan) {
      pairs = (0..<plan.kernelHeight * plan.kernelWidth).map { place in
        (0..<plan.outputPixels).compactMap { output in
          let y = output / plan.outputWidth * plan.strideY - plan.paddingY + place / plan.kernelWidth
          let x = output % plan.outputWidth * plan.strideX - plan.paddingX + place % plan.kernelWidth
          guard (0..<plan.height).contains(y), (0..<plan.width).contains(x) else { return nil }
          return (output, y * plan.width + x)
        }
      }
    }
  }

  /// `[images, pixels, channels]` to `[pixels, images, channels]`, or back.
  private static func exchanged(_ x: Tensor, images: Int, pixels: Int, channels: Int) -> Tensor {
    permuted(Tensor(shape: [images, pixels, channels], storage: x.storage), [1, 0, 2])
  }

  static func positions(_ plan: ConvolutionPlan, _ x: Tensor, _ weight: Tensor, bias: Tensor?) -> Tensor {
    let pairs = Places(plan).pairs.map { $0.map { (to: $0.output, from: $0.input) } }
    return sums(
      images: plan.images, pixels: (from: plan.inputPixels, to: plan.outputPixels),
      channels: (from: plan.inputs, to: plan.outputs), pairs, x, weight, turned: false, bias: bias
    ).reshaped([plan.images, plan.outputHeight, plan.outputWidth, plan.outputs])
  }

  static func positionsInputGradient(_ plan: ConvolutionPlan, _ outputGradient: Tensor, _ weight: Tensor) -> Tensor {
    let pairs = Places(plan).pairs.map { $0.map { (to: $0.input, from: $0.output) } }
    return sums(
      images: plan.images, pixels: (from: plan.outputPixels, to: plan.inputPixels),
      channels: (from: plan.outputs, to: plan.inputs), pairs, outputGradient, weight, turned: true, bias: nil
    ).reshaped([plan.images, plan.height, plan.width, plan.inputs])
  }

  /// For each place and pair: `result[to] += x[from] · filter(place)`; `[images, pixels.to, channels.to]`.
  private static func sums(
    images: Int, pixels: (from: Int, to: Int), channels: (from: Int, to: Int), _ pairs: [[(to: Int, from: Int)]],
    _ x: Tensor, _ weight: Tensor, turned: Bool, bias: Tensor?
  ) -> Tensor {
    let source = exchanged(x, images: images, pixels: pixels.from, channels: channels.from)
    let (depth, columns) = channels
    let result = Tensor(shape: [pixels.to, images, columns]) { buffer in
      nonisolated(unsafe) let (from, to) = (source.storage.pointer, buffer.baseAddress!)
      // Columns in strips, so that a strip of the filter stays in the first two caches.
      let wide = columns >= 512 ? 64 : 32
      let strips = (columns + wide - 1) / wide
      let rows = images >= 128 ? 56 : images
      let groups = (images + rows - 1) / rows
      parallel(count: strips * groups, grain: 1) { range in
        withScratch(ck_packed_size(depth, wide)) { packed in
          for cell in range {
            let (column, row) = (cell % strips * wide, cell / strips * rows)
            let (width, height) = (min(wide, columns - column), min(rows, images - row))
            var fresh = [Bool](repeating: true, count: pixels.to)
            for (place, pairs) in pairs.enumerated() where !pairs.isEmpty {
              let filter = Matrix(
                weight.storage.pointer + place * depth * columns, step: turned ? depth : columns, transposed: turned)
              let strip = filter.columns(from: column)
              ck_pack(depth, width, strip.pointer, strip.step, strip.isTransposed ? 1 : 0, packed)
              for pair in pairs {
                ck_product_packed(
                  height, width, depth, from + (pair.from * images + row) * depth, depth, packed, depth,
                  to + (pair.to * images + row) * columns + column, columns,
                  fresh[pair.to] ? bias.map { UnsafePointer($0.storage.pointer + column) } : nil,
                  fresh[pair.to] ? 0 : 1)
                fresh[pair.to] = false
              }
            }
            // Pixels that no window reaches.
            for pixel in 0..<pixels.to where fresh[pixel] {
              for image in row..<row + height {
                let target = to + (pixel * images + image) * columns + column
                if let bias {
                  target.update(from: bias.storage.pointer + column, count: width)
                } else {
                  target.update(repeating: 0, count: width)
                }
              }
            }
          }
        }
      }
    }
    return exchanged(result, images: pixels.to, pixels: images, channels: columns)
  }

  static func positionsWeightGradient(_ plan: ConvolutionPlan, _ x: Tensor, _ outputGradient: Tensor) -> Tensor {
    let places = Places(plan)
    let (images, inputs, outputs) = (plan.images, plan.inputs, plan.outputs)
    let left = exchanged(x, images: images, pixels: plan.inputPixels, channels: inputs)
    let right = exchanged(outputGradient, images: images, pixels: plan.outputPixels, channels: outputs)
    return Tensor(shape: [plan.kernelHeight, plan.kernelWidth, inputs, outputs]) { buffer in
      nonisolated(unsafe) let to = buffer.baseAddress!
      let groups = max(1, min(outputs / 64, (16 + places.pairs.count - 1) / places.pairs.count))
      let wide = ((outputs + groups - 1) / groups + 63) / 64 * 64
      let strips = (outputs + wide - 1) / wide
      parallel(count: places.pairs.count * strips, grain: 1) { range in
        withScratch(ck_product_scratch(inputs, images, 1)) { scratch in
          for cell in range {
            let (place, column) = (cell / strips, cell % strips * wide)
            let target = to + place * inputs * outputs + column
            let width = min(wide, outputs - column)
            for (index, pair) in places.pairs[place].enumerated() {
              product(
                inputs, width, images,
                Matrix(left.storage.pointer + pair.input * images * inputs, step: inputs, transposed: true),
                Matrix(right.storage.pointer + pair.output * images * outputs + column, step: outputs), to: target,
                step: outputs, accumulating: index > 0, scratch: scratch)
            }
            if places.pairs[place].isEmpty {
              for row in 0..<inputs { (target + row * outputs).update(repeating: 0, count: width) }
            }
          }
        }
      }
    }
  }
}
