import CKernels

/// The sizes of one convolution of `[images, height, width, inputs]` by `[kernelHeight, kernelWidth, inputs, outputs]`.
struct ConvolutionPlan: Sendable {
  var images, height, width, inputs, outputs: Int
  var kernelHeight, kernelWidth: Int
  var strideY, strideX, paddingY, paddingX: Int

  var outputHeight: Int { (height + 2 * paddingY - kernelHeight) / strideY + 1 }
  var outputWidth: Int { (width + 2 * paddingX - kernelWidth) / strideX + 1 }
  var outputPixels: Int { outputHeight * outputWidth }
  /// The length of one row of patches.
  var patch: Int { kernelHeight * kernelWidth * inputs }
  var isProduct: Bool {
    kernelHeight == 1 && kernelWidth == 1 && strideY == 1 && strideX == 1 && paddingY == 0 && paddingX == 0
  }
  /// Output pixels whose patches stay in the second-level cache together (about half a megabyte).
  var block: Int { max(16, min(1024, 131_072 / max(patch, 1))) }
}

extension Kernel {
  /// Copies the patches of output pixels `range` of one image: `[range, kernel, inputs]`.
  private static func gather(
    _ plan: ConvolutionPlan, _ image: UnsafePointer<Float>, _ range: Range<Int>, to: UnsafeMutablePointer<Float>
  ) {
    let run = plan.kernelWidth * plan.inputs
    for pixel in range {
      let (oy, ox) = (pixel / plan.outputWidth, pixel % plan.outputWidth)
      let x0 = ox * plan.strideX - plan.paddingX
      let first = max(0, -x0)
      let last = min(plan.kernelWidth, plan.width - x0)
      var target = to + (pixel - range.lowerBound) * plan.patch
      for ky in 0..<plan.kernelHeight {
        let y = oy * plan.strideY - plan.paddingY + ky
        if y < 0 || y >= plan.height || first >= last {
          target.update(repeating: 0, count: run)
        } else {
          if first > 0 { target.update(repeating: 0, count: first * plan.inputs) }
          (target + first * plan.inputs).update(
            from: image + (y * plan.width + x0 + first) * plan.inputs, count: (last - first) * plan.inputs)
          if last < plan.kernelWidth {
            (target + last * plan.inputs).update(repeating: 0, count: (plan.kernelWidth - last) * plan.inputs)
          }
        }
        target += run
      }
    }
  }

  /// Adds patches back to where they came from.
  private static func scatter(
    _ plan: ConvolutionPlan, _ patches: UnsafePointer<Float>, _ range: Range<Int>, to image: UnsafeMutablePointer<Float>
  ) {
    let run = plan.kernelWidth * plan.inputs
    for pixel in range {
      let (oy, ox) = (pixel / plan.outputWidth, pixel % plan.outputWidth)
      let x0 = ox * plan.strideX - plan.paddingX
      let first = max(0, -x0)
      let last = min(plan.kernelWidth, plan.width - x0)
      guard first < last else { continue }
      let source = patches + (pixel - range.lowerBound) * plan.patch
      for ky in 0..<plan.kernelHeight {
        let y = oy * plan.strideY - plan.paddingY + ky
        guard y >= 0, y < plan.height else { continue }
        ck_accumulate(
          source + ky * run + first * plan.inputs, image + (y * plan.width + x0 + first) * plan.inputs,
          (last - first) * plan.inputs)
      }
    }
  }

  /// `[images, outputHeight, outputWidth, outputs]`, the bias added while a block is in cache.
  static func convolution(_ plan: ConvolutionPlan, _ x: Tensor, _ weight: Tensor, bias: Tensor?) -> Tensor {
    _ = OpenBLAS.ready
    return Tensor(shape: [plan.images, plan.outputHeight, plan.outputWidth, plan.outputs]) { buffer in
      nonisolated(unsafe) let (from, to) = (x.storage.pointer, buffer.baseAddress!)
      let imageSize = plan.height * plan.width * plan.inputs
      let block = plan.block
      let perImage = (plan.outputPixels + block - 1) / block
      // Small images share a chunk, so that a chunk is worth its start.
      let work = plan.outputPixels * plan.patch * plan.outputs / perImage
      parallel(count: plan.images * perImage, grain: max(1, 2_000_000 / max(work, 1))) { units in
        let scratch = plan.isProduct ? nil : Storage(count: block * plan.patch)
        for unit in units {
          let (image, part) = (unit / perImage, unit % perImage)
          let range = part * block..<min(plan.outputPixels, (part + 1) * block)
          let target = to + (image * plan.outputPixels + range.lowerBound) * plan.outputs
          let patches: UnsafePointer<Float>
          if let scratch {
            gather(plan, from + image * imageSize, range, to: scratch.pointer)
            patches = UnsafePointer(scratch.pointer)
          } else {
            patches = UnsafePointer(from + image * imageSize + range.lowerBound * plan.inputs)
          }
          if let bias {
            for row in 0..<range.count {
              (target + row * plan.outputs).update(from: bias.storage.pointer, count: plan.outputs)
            }
          }
          gemm(
            range.count, plan.outputs, plan.patch, patches, false, weight.storage.pointer, false, target,
            accumulating: bias != nil)
        }
      }
    }
  }

  static func convolutionInputGradient(_ plan: ConvolutionPlan, _ upstream: Tensor, _ weight: Tensor) -> Tensor {
    _ = OpenBLAS.ready
    return Tensor(shape: [plan.images, plan.height, plan.width, plan.inputs]) { buffer in
      nonisolated(unsafe) let (from, to) = (upstream.storage.pointer, buffer.baseAddress!)
      let imageSize = plan.height * plan.width * plan.inputs
      let block = plan.block
      let work = plan.outputPixels * plan.patch * plan.outputs
      parallel(count: plan.images, grain: max(1, 2_000_000 / max(work, 1))) { images in
        let scratch = plan.isProduct ? nil : Storage(count: block * plan.patch)
        for image in images {
          let target = to + image * imageSize
          let above = from + image * plan.outputPixels * plan.outputs
          guard let scratch else {
            gemm(plan.outputPixels, plan.inputs, plan.outputs, above, false, weight.storage.pointer, true, target)
            continue
          }
          target.update(repeating: 0, count: imageSize)
          for start in stride(from: 0, to: plan.outputPixels, by: block) {
            let range = start..<min(plan.outputPixels, start + block)
            gemm(
              range.count, plan.patch, plan.outputs, above + start * plan.outputs, false, weight.storage.pointer, true,
              scratch.pointer)
            scatter(plan, scratch.pointer, range, to: target)
          }
        }
      }
    }
  }

  static func convolutionWeightGradient(_ plan: ConvolutionPlan, _ x: Tensor, _ upstream: Tensor) -> Tensor {
    _ = OpenBLAS.ready
    let size = plan.patch * plan.outputs
    // Partial sums over a fixed number of groups of images, added in order.
    let group = max(1, (plan.images + 7) / 8)
    let groups = (plan.images + group - 1) / group
    let partial = Storage(count: groups * size)
    let block = plan.block
    parallel(count: groups, grain: 1) { range in
      let scratch = plan.isProduct ? nil : Storage(count: block * plan.patch)
      for index in range {
        let sum = partial.pointer + index * size
        var fresh = true
        for image in index * group..<min(plan.images, (index + 1) * group) {
          let source = x.storage.pointer + image * plan.height * plan.width * plan.inputs
          let above = upstream.storage.pointer + image * plan.outputPixels * plan.outputs
          for start in stride(from: 0, to: plan.outputPixels, by: block) {
            let pixels = start..<min(plan.outputPixels, start + block)
            var patches = UnsafePointer(source + start * plan.inputs)
            if let scratch {
              gather(plan, source, pixels, to: scratch.pointer)
              patches = UnsafePointer(scratch.pointer)
            }
            gemm(
              plan.patch, plan.outputs, pixels.count, patches, true, above + start * plan.outputs, false, sum,
              accumulating: !fresh)
            fresh = false
          }
        }
      }
    }
    for index in 1..<max(groups, 1) { ck_accumulate(partial.pointer + index * size, partial.pointer, size) }
    return Tensor(shape: [groups, size], storage: partial).sliced(axis: 0, 0..<1)
      .reshaped([plan.kernelHeight, plan.kernelWidth, plan.inputs, plan.outputs])
  }
}
