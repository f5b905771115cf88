import CKernels

/// The sizes of one convolution of `[images, height, width, inputs]` by `[kernelHeight, kernelWidth, inputs, outputs]`.
package struct ConvolutionPlan: Sendable {
  package var images, height, width, inputs, outputs: Int
  package var kernelHeight, kernelWidth: Int
  package var strideY, strideX, paddingY, paddingX: Int
  /// Whether a tape records. When none does, an image's bits must not depend on how many others there are.
  var isRecorded = Tape.current != nil

  init(_ images: [Int], _ kernel: [Int], stride: (y: Int, x: Int), padding: (y: Int, x: Int)) {
    (self.images, height, width) = (images[0], images[1], images[2])
    (kernelHeight, kernelWidth, inputs, outputs) = (kernel[0], kernel[1], kernel[2], kernel[3])
    (strideY, strideX) = stride
    (paddingY, paddingX) = padding
  }

  package var outputHeight: Int { (height + 2 * paddingY - kernelHeight) / strideY + 1 }
  package var outputWidth: Int { (width + 2 * paddingX - kernelWidth) / strideX + 1 }
  package var outputPixels: Int { outputHeight * outputWidth }
  package var inputPixels: Int { height * width }
  /// The length of one row of patches.
  package var patch: Int { kernelHeight * kernelWidth * inputs }

  /// The ways to work a convolution out, chosen by what each has to multiply and to copy.
  enum Method {
    /// One window a pixel: a plain product.
    case product
    /// 3x3 windows at every pixel: a quarter of the multiplications.
    case winograd
    /// Small images, many of them: one product for each position of the window and pixel of the result, over all
    /// images. Nothing is copied, and windows that hang over the edge multiply no zeros.
    case positions
    /// Blocks of windows, copied next to each other.
    case patches
  }

  var method: Method {
    let point = kernelHeight == 1 && kernelWidth == 1 && paddingY == 0 && paddingX == 0
    if point, strideY == 1, strideX == 1 { return .product }
    let wide = kernelHeight == 3 && kernelWidth == 3 && strideY == 1 && strideX == 1
    if wide, paddingY <= 2, paddingX <= 2, inputs % 16 == 0, outputs % 16 == 0, outputPixels >= 16 {
      return .winograd
    }
    // Where columns are left over, `positions` adds in another order than `patches`.
    let isSame = outputs % 32 == 0
    return !point && images >= 8 && outputPixels <= 36 && (isRecorded || isSame) ? .positions : .patches
  }

  var window: ck_window {
    ck_window(
      height: Int32(height), width: Int32(width), channels: Int32(inputs), kernel_height: Int32(kernelHeight),
      kernel_width: Int32(kernelWidth), stride_y: Int32(strideY), stride_x: Int32(strideX), padding_y: Int32(paddingY),
      padding_x: Int32(paddingX), columns: Int32(outputWidth))
  }

  /// Result pixels whose patches stay in the second-level cache together (about half a megabyte).
  var block: Int { max(14, min(1008, 131_072 / max(patch, 1) / 14 * 14)) }
}

extension Kernel {
  /// `[images, outputHeight, outputWidth, outputs]`; the bias is where the sums start.
  static func convolution(_ plan: ConvolutionPlan, _ x: Tensor, _ weight: Tensor, bias: Tensor?) -> Tensor {
    let shape = [plan.images, plan.outputHeight, plan.outputWidth, plan.outputs]
    switch plan.method {
    case .product:
      return products(
        batch: 1, plan.images * plan.inputPixels, plan.outputs, plan.inputs, x, false, weight, false, bias: bias,
        shape: shape)
    case .winograd: return winograd(plan, x, weight, bias: bias)
    case .positions: return positions(plan, x, weight, bias: bias)
    case .patches:
      return Tensor(shape: shape) { buffer in
        guard buffer.count > 0 else { return }
        patches(plan, x.storage.pointer, weight, bias: bias, to: buffer.baseAddress!)
      }
    }
  }

  static func convolutionInputGradient(_ plan: ConvolutionPlan, _ outputGradient: Tensor, _ weight: Tensor) -> Tensor {
    let shape = [plan.images, plan.height, plan.width, plan.inputs]
    switch plan.method {
    case .product:
      return products(
        batch: 1, plan.images * plan.inputPixels, plan.inputs, plan.outputs, outputGradient, false, weight, true,
        shape: shape
      )
    case .winograd:
      // The convolution of the gradient with the kernel turned around.
      var back = plan
      (back.height, back.width, back.inputs, back.outputs) = (
        plan.outputHeight, plan.outputWidth, plan.outputs, plan.inputs
      )
      (back.paddingY, back.paddingX) = (2 - plan.paddingY, 2 - plan.paddingX)
      return winograd(back, outputGradient, turned(weight), bias: nil)
    case .positions where plan.isRecorded: return positionsInputGradient(plan, outputGradient, weight)
    case .positions, .patches: return patchesInputGradient(plan, outputGradient, weight)
    }
  }

  static func convolutionWeightGradient(_ plan: ConvolutionPlan, _ x: Tensor, _ outputGradient: Tensor) -> Tensor {
    let shape = [plan.kernelHeight, plan.kernelWidth, plan.inputs, plan.outputs]
    switch plan.method {
    case .product:
      return products(
        batch: 1, plan.inputs, plan.outputs, plan.images * plan.inputPixels, x, true, outputGradient, false,
        shape: shape)
    case .winograd: return winogradWeightGradient(plan, x, outputGradient)
    case .positions: return positionsWeightGradient(plan, x, outputGradient)
    case .patches: return patchesWeightGradient(plan, x, outputGradient)
    }
  }
}

// Blocks of patches.
extension Kernel {
  private static func patches(
    _ plan: ConvolutionPlan, _ x: UnsafePointer<Float>, _ weight: Tensor, bias: Tensor?,
    to: UnsafeMutablePointer<Float>
  ) {
    nonisolated(unsafe) let (from, to) = (x, to)
    let filter = Matrix(weight.storage.pointer, step: plan.outputs)
    let imageSize = plan.inputPixels * plan.inputs
    let block = plan.block
    let perImage = (plan.outputPixels + block - 1) / block
    var window = plan.window
    guard plan.images * perImage >= 4 else {
      // One image: the product is what is split over cores.
      return withScratch(plan.outputPixels * plan.patch + 16) { rows in
        for image in 0..<plan.images {
          ck_gather(&window, from + image * imageSize, 0, plan.outputPixels, rows)
          product(
            plan.outputPixels, plan.outputs, plan.patch, Matrix(rows, step: plan.patch), filter,
            to: to + image * plan.outputPixels * plan.outputs, step: plan.outputs, bias: bias?.storage.pointer)
        }
      }
    }
    // Small images share a chunk, so that a chunk is worth its start.
    let work = plan.outputPixels * plan.patch * plan.outputs / perImage
    parallel(count: plan.images * perImage, grain: max(1, 2_000_000 / max(work, 1))) { [window] units in
      var window = window
      let size = block * plan.patch + 16
      withScratch(size + ck_product_scratch(block, plan.patch, 0)) { scratch in
        let product = (rows: Matrix(scratch, step: plan.patch), scratch: scratch + size)
        for unit in units {
          let (image, part) = (unit / perImage, unit % perImage)
          let range = part * block..<min(plan.outputPixels, (part + 1) * block)
          ck_gather(&window, from + image * imageSize, range.lowerBound, range.upperBound, scratch)
          Kernel.product(
            range.count, plan.outputs, plan.patch, product.rows, filter,
            to: to + (image * plan.outputPixels + range.lowerBound) * plan.outputs, step: plan.outputs,
            bias: bias?.storage.pointer, scratch: product.scratch)
        }
      }
    }
  }

  private static func patchesInputGradient(_ plan: ConvolutionPlan, _ outputGradient: Tensor, _ weight: Tensor)
    -> Tensor
  {
    Tensor(shape: [plan.images, plan.height, plan.width, plan.inputs]) { buffer in
      guard buffer.count > 0 else { return }
      nonisolated(unsafe) let (from, to) = (outputGradient.storage.pointer, buffer.baseAddress!)
      let filter = Matrix(weight.storage.pointer, step: plan.outputs, transposed: true)
      let imageSize = plan.inputPixels * plan.inputs
      let block = plan.block
      let work = plan.outputPixels * plan.patch * plan.outputs
      if plan.images < 4 {
        // Few images: the product is what is split over cores.
        return withScratch(plan.outputPixels * plan.patch) { rows in
          var window = plan.window
          for image in 0..<plan.images {
            let above = Matrix(from + image * plan.outputPixels * plan.outputs, step: plan.outputs)
            product(plan.outputPixels, plan.patch, plan.outputs, above, filter, to: rows, step: plan.patch)
            (to + image * imageSize).update(repeating: 0, count: imageSize)
            ck_scatter(&window, rows, 0, plan.outputPixels, to + image * imageSize)
          }
        }
      }
      parallel(count: plan.images, grain: max(1, 2_000_000 / max(work, 1))) { images in
        var window = plan.window
        let size = block * plan.patch
        withScratch(size + ck_product_scratch(block, plan.outputs, 0)) { scratch in
          for image in images {
            let target = to + image * imageSize
            target.update(repeating: 0, count: imageSize)
            for start in stride(from: 0, to: plan.outputPixels, by: block) {
              let end = min(plan.outputPixels, start + block)
              let above = Matrix(from + (image * plan.outputPixels + start) * plan.outputs, step: plan.outputs)
              product(
                end - start, plan.patch, plan.outputs, above, filter, to: scratch, step: plan.patch,
                scratch: scratch + size)
              ck_scatter(&window, scratch, start, end, target)
            }
          }
        }
      }
    }
  }

  private static func patchesWeightGradient(_ plan: ConvolutionPlan, _ x: Tensor, _ outputGradient: Tensor) -> Tensor {
    let size = plan.patch * plan.outputs
    // Partial sums over a fixed number of groups of images, added in order.
    let group = max(1, (plan.images + 7) / 8)
    let groups = (plan.images + group - 1) / group
    let block = plan.block
    return Tensor(shape: [plan.kernelHeight, plan.kernelWidth, plan.inputs, plan.outputs]) { buffer in
      withScratch((groups - 1) * size) { others in
        nonisolated(unsafe) let (first, others) = (buffer.baseAddress!, others)
        parallel(count: groups, grain: 1) { range in
          var window = plan.window
          let rows = block * plan.patch + 16
          withScratch(rows + ck_product_scratch(plan.patch, block, 1)) { scratch in
            for index in range {
              let sum = index == 0 ? first : others + (index - 1) * size
              var fresh = true
              for image in index * group..<min(plan.images, (index + 1) * group) {
                let source = x.storage.pointer + image * plan.inputPixels * plan.inputs
                let above = outputGradient.storage.pointer + image * plan.outputPixels * plan.outputs
                for start in stride(from: 0, to: plan.outputPixels, by: block) {
                  let end = min(plan.outputPixels, start + block)
                  ck_gather(&window, source, start, end, scratch)
                  product(
                    plan.patch, plan.outputs, end - start, Matrix(scratch, step: plan.patch, transposed: true),
                    Matrix(above + start * plan.outputs, step: plan.outputs), to: sum, step: plan.outputs,
                    accumulating: !fresh, scratch: scratch + rows)
                  fresh = false
                }
              }
            }
          }
        }
        for index in 1..<max(groups, 1) { ck_accumulate(others + (index - 1) * size, first, size) }
      }
    }
  }
}
