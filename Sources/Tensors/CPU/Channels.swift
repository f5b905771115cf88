import CKernels

/// What is done to each number just before it is written.
public enum Finish: Sendable {
  /// `x` as it is, `max(x, 0)`, `x tanh(softplus(x))`, `x sigmoid(x)`.
  case none, relu, mish, silu

  package var kernel: ck_finish {
    switch self {
    case .none: ck_no_finish
    case .relu: ck_finish_relu
    case .mish: ck_finish_mish
    case .silu: ck_finish_silu
    }
  }
}

/// A tensor with channels last as the channel-wise kernels see it: `[images, pixels, channels]`.
package struct ChannelPlan: Sendable {
  package let images, pixels, channels: Int
  package let finish: Finish

  init(_ x: Tensor, finish: Finish) {
    channels = x.shape.last ?? 1
    images = x.rank > 1 ? x.shape[0] : 1
    pixels = x.count / max(images * channels, 1)
    self.finish = finish
  }

  var size: Int { pixels * channels }

  /// Images of a chunk worth its start.
  var grain: Int { max(1, Kernel.grain / 4 / max(size, 1)) }
}

/// What each channel is multiplied by, and what is added: two tensors, or one that holds both.
package struct ChannelFactors: Sendable {
  package let scale: Tensor
  package let bias: Tensor?
  /// Where the bias begins in its tensor.
  package let biasStart: Int
  /// Numbers from an image's factors to the next one's; 0 where all have the same.
  package let step: Int

  /// - Parameter both: `[sets, 2, channels]`, as `Backend.channelFactors` gives it.
  package init(normalizing both: Tensor) {
    (scale, bias, biasStart) = (both, both, both.shape[2])
    step = both.shape[0] == 1 ? 0 : 2 * both.shape[2]
  }

  /// - Parameters:
  ///   - scale: `[channels]` or `[images, channels]`; `bias` likewise.
  package init(scale: Tensor, bias: Tensor?) {
    (self.scale, self.bias, biasStart) = (scale, bias, 0)
    step = scale.rank == 1 || scale.shape[0] == 1 ? 0 : scale.shape[1]
  }

  fileprivate var scales: UnsafePointer<Float> { UnsafePointer(scale.storage.pointer) }
  fileprivate var biases: UnsafePointer<Float>? { bias.map { UnsafePointer($0.storage.pointer + biasStart) } }
}

// Every one of these is `finish(x * a + b + added)` with `a` and `b` by channel, and differs in where they come from:
// from the image's own statistics, from the batch's, or from outside (FiLM, adaptive normalization).
extension Kernel {
  /// The statistics of groups of channels, spread over their channels: `[sets, 2, channels]`, mean and reciprocal
  /// deviation. Sets are the images, or the whole batch when `together`.
  static func channelMoments(
    _ plan: ChannelPlan, _ x: Tensor, groups: Int, together: Bool, epsilon: Float
  ) -> (moments: Tensor, variance: Tensor) {
    let (images, pixels, channels) = (plan.images, plan.pixels, plan.channels)
    let sets = together ? 1 : images
    let width = channels / groups
    let variance = Storage(count: sets * channels)
    let moments = Tensor(shape: [sets, 2, channels]) { buffer in
      guard x.count > 0 else { return }
      withScratch(images * 2 * channels) { parts in
        nonisolated(unsafe) let (from, to, parts) = (x.storage.pointer, buffer.baseAddress!, parts)
        @Sendable func average(_ values: UnsafeMutablePointer<Float>, over count: Float) {
          for group in 0..<groups {
            let row = values + group * width
            row.update(repeating: ck_sum(row, width) / count, count: width)
          }
        }
        // Each image's own mean and squares about it, while it is in the cache.
        parallel(count: images, grain: plan.grain) { range in
          for image in range {
            let mean = parts + image * 2 * channels
            mean.update(repeating: 0, count: 2 * channels)
            ck_channel_sums(from + image * plan.size, pixels, channels, mean)
            average(mean, over: Float(pixels * width))
            ck_channel_squares(from + image * plan.size, mean, pixels, channels, mean + channels)
          }
        }
        for set in 0..<sets {
          let mean = to + set * 2 * channels
          let factor = mean + channels
          let members = together ? 0..<images : set..<set + 1
          mean.update(repeating: 0, count: 2 * channels)
          for image in members { ck_accumulate(parts + image * 2 * channels, mean, channels) }
          for c in 0..<channels { mean[c] /= Float(members.count) }
          for image in members {
            // Squares about the image's mean, moved to the set's (Chan et al. 1979).
            let own = parts + image * 2 * channels
            for c in 0..<channels {
              let shift = own[c] - mean[c]
              factor[c] += own[channels + c] + Float(pixels) * shift * shift
            }
          }
          average(factor, over: Float(members.count * pixels * width))
          for c in 0..<channels {
            variance.pointer[set * channels + c] = factor[c]
            factor[c] = 1 / (factor[c] + epsilon).squareRoot()
          }
        }
      }
    }
    return (moments, Tensor(shape: [sets, channels], storage: variance))
  }

  /// `a` and `b` of normalizing by `moments`, then `scale` and `bias`: `[sets, 2, channels]`.
  static func channelFactors(_ moments: Tensor, scale: Tensor?, bias: Tensor?) -> Tensor {
    let (sets, channels) = (moments.shape[0], moments.shape[2])
    return Tensor(shape: moments.shape) { buffer in
      for set in 0..<sets {
        let (mean, a) = (moments.storage.pointer + set * 2 * channels, buffer.baseAddress! + set * 2 * channels)
        for c in 0..<channels {
          a[c] = mean[channels + c] * (scale?.storage.pointer[c] ?? 1)
          a[channels + c] = (bias?.storage.pointer[c] ?? 0) - mean[c] * a[c]
        }
      }
    }
  }

  static func channelAffine(_ plan: ChannelPlan, _ x: Tensor, _ factors: ChannelFactors, adding: Tensor?) -> Tensor {
    Tensor(shape: x.shape) { buffer in
      guard x.count > 0 else { return }
      nonisolated(unsafe) let (from, to) = (x.storage.pointer, buffer.baseAddress!)
      nonisolated(unsafe) let (a, b) = (factors.scales, factors.biases)
      let step = factors.step
      let channels = plan.channels
      // No sums: images may be cut anywhere.
      let block = max(1, min(plan.pixels, grain / 2 / channels))
      let blocks = (plan.pixels + block - 1) / block
      parallel(count: plan.images * blocks, grain: max(1, grain / 4 / (block * channels))) { range in
        for cell in range {
          let (image, first) = (cell / blocks, cell % blocks * block)
          let start = image * plan.size + first * channels
          ck_channel_affine(
            plan.finish.kernel, from + start, a + image * step, b.map { $0 + image * step },
            adding.map { UnsafePointer($0.storage.pointer + start) }, to + start, min(block, plan.pixels - first),
            channels)
        }
      }
    }
  }

  /// The gradient before the finish, and by image its sums and its products with `x - mean`: `[images, 2, channels]`.
  private static func channelUpstream(
    _ plan: ChannelPlan, _ x: Tensor, _ factors: ChannelFactors, adding: Tensor?, mean: UnsafePointer<Float>?,
    _ outputGradient: Tensor
  ) -> (dz: Tensor, sums: Tensor) {
    let sums = Storage(count: plan.images * 2 * plan.channels)
    let dz = Tensor(shape: x.shape) { buffer in
      nonisolated(unsafe) let (from, above, to) = (
        x.storage.pointer, outputGradient.storage.pointer, buffer.baseAddress!
      )
      nonisolated(unsafe) let (a, b, mean) = (factors.scales, factors.biases, mean)
      let step = factors.step
      parallel(count: plan.images, grain: plan.grain) { range in
        for image in range {
          let start = image * plan.size
          let own = sums.pointer + image * 2 * plan.channels
          own.update(repeating: 0, count: 2 * plan.channels)
          ck_channel_upstream(
            plan.finish.kernel, from + start, a + image * step, b.map { $0 + image * step },
            adding.map { UnsafePointer($0.storage.pointer + start) }, above + start,
            mean.map { $0 + image * step }, to + start, own, own + plan.channels, plan.pixels, plan.channels)
        }
      }
    }
    return (dz, Tensor(shape: [plan.images, 2, plan.channels], storage: sums))
  }

  /// With `g = dz scale`: `dx = r (g - mean(g) - x̂ mean(g x̂))`, the means over set and group.
  static func channelNormGradient(
    _ plan: ChannelPlan, _ x: Tensor, moments: Tensor, groups: Int, scale: Tensor?, bias: Tensor?, adding: Tensor?,
    wantsAdded: Bool, _ outputGradient: Tensor
  ) -> (x: Tensor, added: Tensor?, scale: Tensor, bias: Tensor) {
    let (images, channels) = (plan.images, plan.channels)
    let together = moments.shape[0] == 1 && images > 1
    let factors = channelFactors(moments, scale: scale, bias: bias)
    let (dz, sums) = channelUpstream(
      plan, x, ChannelFactors(normalizing: factors), adding: adding, mean: moments.storage.pointer, outputGradient)
    let sets = moments.shape[0]
    let members = together ? images : 1
    let width = channels / groups
    let size = Float(members * plan.pixels * width)
    // By set: the sums of its images; of x̂ rather than of x - mean.
    let total = together ? sum(sums, over: 0...0) : sums
    let coefficients = Storage(count: sets * 3 * channels)
    let parts = Tensor(shape: [sets, 2, channels]) { buffer in
      for set in 0..<sets {
        let (mean, own) = (moments.storage.pointer + set * 2 * channels, total.storage.pointer + set * 2 * channels)
        let (factor, dots, part) = (mean + channels, own + channels, buffer.baseAddress! + set * 2 * channels)
        let a = coefficients.pointer + set * 3 * channels
        let (b, d) = (a + channels, a + 2 * channels)
        for group in 0..<groups {
          var (shift, slope) = (Float(0), Float(0))
          for c in group * width..<(group + 1) * width {
            let weight = scale?.storage.pointer[c] ?? 1
            (part[c], part[channels + c]) = (own[c], dots[c] * factor[c])
            shift += weight * part[c]
            slope += weight * part[channels + c]
          }
          (shift, slope) = (shift / size, slope / size)
          for c in group * width..<(group + 1) * width {
            let r = factor[c]
            a[c] = r * (scale?.storage.pointer[c] ?? 1)
            b[c] = -r * r * slope
            d[c] = -r * shift + r * r * slope * mean[c]
          }
        }
      }
    }
    // In place unless the gradient before the finish is wanted as well.
    let dx = wantsAdded ? Tensor(shape: x.shape, storage: Storage(count: x.count)) : dz
    nonisolated(unsafe) let (from, above, to) = (x.storage.pointer, dz.storage.pointer, dx.storage.pointer)
    parallel(count: images, grain: plan.grain) { range in
      for image in range {
        let a = coefficients.pointer + (together ? 0 : image * 3 * channels)
        let start = image * plan.size
        ck_channel_gradient(
          from + start, above + start, a, a + channels, a + 2 * channels, to + start, plan.pixels, channels)
      }
    }
    let both = sum(parts, over: 0...0).reshaped([2, channels])
    return (
      dx, wantsAdded ? dz : nil, both.sliced(axis: 0, 1..<2).reshaped([channels]),
      both.sliced(axis: 0, 0..<1).reshaped([channels])
    )
  }

  /// Gradients of `finish(x a + b + added)` with `a` and `b` from outside, `[images or 1, channels]`.
  static func channelAffineGradient(
    _ plan: ChannelPlan, _ x: Tensor, scale: Tensor, bias: Tensor?, adding: Tensor?, wantsAdded: Bool,
    _ outputGradient: Tensor
  ) -> (x: Tensor, added: Tensor?, scale: Tensor, bias: Tensor) {
    let (images, channels) = (plan.images, plan.channels)
    let shared = scale.count == channels && images > 1
    let (dz, sums) = channelUpstream(
      plan, x, ChannelFactors(scale: scale, bias: bias), adding: adding, mean: nil, outputGradient)
    let dx = wantsAdded ? Tensor(shape: x.shape, storage: Storage(count: x.count)) : dz
    nonisolated(unsafe) let (above, to) = (dz.storage.pointer, dx.storage.pointer)
    parallel(count: images, grain: plan.grain) { range in
      for image in range {
        ck_channel_scale(
          above + image * plan.size, scale.storage.pointer + (shared ? 0 : image * channels), to + image * plan.size,
          plan.pixels, channels)
      }
    }
    let total = shared ? sum(sums, over: 0...0) : sums
    return (
      dx, wantsAdded ? dz : nil, total.sliced(axis: 1, 1..<2).reshaped(scale.shape),
      total.sliced(axis: 1, 0..<1).reshaped(scale.shape)
    )
  }
}
