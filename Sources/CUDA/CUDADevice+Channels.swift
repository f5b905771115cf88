import CCUDA
import Tensors

extension CUDADevice {
  /// Numbers of a chunk whose statistics one block finds where a whole batch is one set.
  private static let part = 1024

  private func slab(_ plan: ChannelPlan, _ groups: Int) -> (channels: Int, count: Int) {
    let width = plan.channels / groups
    let slab = width >= 32 ? width : 32 / width * width
    return (slab, (plan.channels + slab - 1) / slab)
  }

  package func channelMoments(
    _ plan: ChannelPlan, _ x: Tensor, groups: Int, together: Bool, epsilon: Float
  ) -> (moments: Tensor, variance: Tensor) {
    let (images, pixels, channels) = (plan.images, plan.pixels, plan.channels)
    guard x.count > 0 else {
      return Processor().channelMoments(plan, x, groups: groups, together: together, epsilon: epsilon)
    }
    let sets = together ? 1 : images
    let slab = slab(plan, groups)
    let variance = allocate(floats: sets * channels)
    // By the pixels alone, so that an image's numbers do not depend on how many others there are.
    let isSplit = together || pixels > 4 * CUDADevice.part
    let part = isSplit ? min(CUDADevice.part, pixels) : pixels
    let parts = (pixels + part - 1) / part
    let moments = make([sets, 2, channels]) { moments in
      func run(_ partial: UnsafeMutablePointer<Float>?) {
        launch(
          "Channels", "cuda_channel_moments",
          cuda_channel_moments_arguments(
            x: at(x), parts: partial, moments: moments, variance: variance.floats,
            images: Int64(images), pixels: Int32(pixels), channels: Int32(channels), groups: Int32(groups),
            part: Int32(part), epsilon: epsilon, unused: 0),
          grid: (images * parts * slab.count, 1, 1), block: 256, shared: 8 * slab.channels)
      }
      guard isSplit else { return run(nil) }
      withScratch(floats: images * parts * 2 * channels) { partial in
        run(partial)
        launch(
          "Channels", "cuda_channel_merge",
          cuda_channel_merge_arguments(
            parts: UnsafePointer(partial), moments: moments, variance: variance.floats, images: Int64(images),
            pixels: Int32(pixels), channels: Int32(channels),
            groups: Int32(groups), part: Int32(part), epsilon: epsilon, together: together ? 1 : 0),
          grid: (sets * slab.count, 1, 1), block: 256, shared: 8 * slab.channels)
      }
    }
    return (moments, Tensor(shape: [sets, channels], storage: Storage(count: sets * channels, on: variance)))
  }

  package func channelFactors(_ moments: Tensor, scale: Tensor?, bias: Tensor?) -> Tensor {
    let (sets, channels) = (moments.shape[0], moments.shape[2])
    return make(moments.shape) { factors in
      launch(
        "Channels", "cuda_channel_factors",
        cuda_channel_factors_arguments(
          moments: at(moments), scale: at(scale), bias: at(bias), factors: factors, sets: Int64(sets),
          channels: Int32(channels), unused: 0), numbers: sets * channels)
    }
  }

  private func factors(_ factors: ChannelFactors) -> (a: UnsafePointer<Float>?, b: UnsafePointer<Float>?) {
    (at(factors.scale), at(factors.bias).map { $0 + factors.biasStart })
  }

  package func channelAffine(
    _ plan: ChannelPlan, _ x: Tensor, _ factors: ChannelFactors, adding: Tensor?
  ) -> Tensor {
    let (a, b) = self.factors(factors)
    return make(x.shape) { y in
      launch(
        "Channels", "cuda_channel_affine",
        cuda_channel_affine_arguments(
          x: at(x), a: a, b: b, added: at(adding), y: y, images: Int64(plan.images), step: Int64(factors.step),
          pixels: Int32(plan.pixels), channels: Int32(plan.channels), finish: Int32(plan.finish.kernel.rawValue),
          unused: 0), numbers: x.count)
    }
  }

  /// The gradient before the finish, and by image its sums and its products with `x - mean`: `[images, 2, channels]`.
  private func beforeFinish(
    _ plan: ChannelPlan, _ x: Tensor, _ factors: ChannelFactors, adding: Tensor?, mean: Tensor?,
    _ outputGradient: Tensor
  ) -> (dz: Tensor, sums: Tensor) {
    let (images, pixels, channels) = (plan.images, plan.pixels, plan.channels)
    let (a, b) = self.factors(factors)
    let part = min(CUDADevice.part, max(pixels, 1))
    let parts = max(1, (pixels + part - 1) / part)
    let partial = allocate(floats: images * parts * 2 * channels)
    let dz = make(x.shape) { dz in
      launch(
        "Channels", "cuda_channel_upstream",
        cuda_channel_upstream_arguments(
          x: at(x), a: a, b: b, added: at(adding), dy: at(outputGradient), mean: at(mean), dz: dz,
          sums: partial.floats, images: Int64(images), step: Int64(factors.step), mean_step: Int64(factors.step),
          pixels: Int32(pixels), channels: Int32(channels), part: Int32(part),
          finish: Int32(plan.finish.kernel.rawValue)),
        grid: (images * parts * ((channels + 31) / 32), 1, 1), block: 256)
    }
    let shape = [images, 2, channels]
    defer { withExtendedLifetime(partial) {} }
    guard parts > 1 else {
      return (dz, Tensor(shape: shape, storage: Storage(count: images * 2 * channels, on: partial)))
    }
    return (
      dz,
      make(shape) { sumMiddle(UnsafePointer(partial.floats), outer: images, size: parts, inner: 2 * channels, to: $0) }
    )
  }

  /// What `fill` launches from `dz`: in its place, unless that is wanted as well.
  private func written(over dz: Tensor, keeping: Bool, _ fill: (UnsafeMutablePointer<Float>?) -> Void) -> Tensor {
    if keeping { return make(dz.shape, fill) }
    fill(memory(dz.storage).floats)
    return dz
  }

  /// `[2, channels]` as two rows of channels, the second first.
  private func halves(_ both: Tensor, _ shape: [Int]) -> (second: Tensor, first: Tensor) {
    let axis = both.rank - 2
    return (sliced(both, axis: axis, 1..<2).reshaped(shape), sliced(both, axis: axis, 0..<1).reshaped(shape))
  }

  package func channelNormGradient(
    _ plan: ChannelPlan, _ x: Tensor, moments: Tensor, groups: Int, scale: Tensor?, bias: Tensor?, adding: Tensor?,
    wantsAdded: Bool, _ outputGradient: Tensor
  ) -> (x: Tensor, added: Tensor?, scale: Tensor, bias: Tensor) {
    guard x.count > 0 else {
      return Processor().channelNormGradient(
        plan, x, moments: moments, groups: groups, scale: scale, bias: bias, adding: adding, wantsAdded: wantsAdded,
        outputGradient)
    }
    let (images, channels) = (plan.images, plan.channels)
    let together = moments.shape[0] == 1 && images > 1
    let (dz, sums) = beforeFinish(
      plan, x, ChannelFactors(normalizing: channelFactors(moments, scale: scale, bias: bias)), adding: adding,
      mean: moments, outputGradient)
    let total = together ? sum(sums, over: 0...0) : sums
    let sets = moments.shape[0]
    let coefficients = allocate(floats: sets * 3 * channels, .scratch)
    let size = Float((together ? images : 1) * plan.pixels * (channels / groups))
    let parts = make([sets, 2, channels]) { parts in
      launch(
        "Channels", "cuda_channel_coefficients",
        cuda_channel_coefficients_arguments(
          sums: at(total), moments: at(moments), scale: at(scale), coefficients: coefficients.floats, parts: parts,
          sets: Int64(sets), channels: Int32(channels), groups: Int32(groups), size: size, unused: 0),
        grid: ((sets * groups + 7) / 8, 1, 1), block: 256)
    }
    func gradient(_ dx: UnsafeMutablePointer<Float>?) {
      launch(
        "Channels", "cuda_channel_gradient",
        cuda_channel_gradient_arguments(
          x: at(x), dz: at(dz), coefficients: UnsafePointer(coefficients.floats), dx: dx, images: Int64(images),
          step: Int64(sets == 1 ? 0 : 3 * channels), pixels: Int32(plan.pixels), channels: Int32(channels)),
        numbers: x.count)
    }
    let dx = written(over: dz, keeping: wantsAdded, gradient)
    let both = sum(parts, over: 0...0).reshaped([2, channels])
    let (scaleGradient, biasGradient) = halves(both, [channels])
    return withExtendedLifetime(coefficients) { (dx, wantsAdded ? dz : nil, scaleGradient, biasGradient) }
  }

  package func channelAffineGradient(
    _ plan: ChannelPlan, _ x: Tensor, scale: Tensor, bias: Tensor?, adding: Tensor?, wantsAdded: Bool,
    _ outputGradient: Tensor
  ) -> (x: Tensor, added: Tensor?, scale: Tensor, bias: Tensor) {
    let (images, channels) = (plan.images, plan.channels)
    let shared = scale.count == channels && images > 1
    let factors = ChannelFactors(scale: scale, bias: bias)
    let (dz, sums) = beforeFinish(plan, x, factors, adding: adding, mean: nil, outputGradient)
    func gradient(_ dx: UnsafeMutablePointer<Float>?) {
      launch(
        "Channels", "cuda_channel_scale",
        cuda_channel_scale_arguments(
          dz: at(dz), a: at(scale), dx: dx, images: Int64(images), step: Int64(shared ? 0 : channels),
          pixels: Int32(plan.pixels), channels: Int32(channels)), numbers: x.count)
    }
    let dx = written(over: dz, keeping: wantsAdded, gradient)
    let total = shared ? sum(sums, over: 0...0) : sums
    let (scaleGradient, biasGradient) = halves(total, scale.shape)
    return (dx, wantsAdded ? dz : nil, scaleGradient, biasGradient)
  }
}
