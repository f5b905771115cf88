import CKernels

extension Kernel {
  /// - Returns: the result, and `[rows, 2]`: mean and reciprocal deviation of each row.
  static func rowNorm(
    _ x: Tensor, scale: Tensor?, bias: Tensor?, epsilon: Float, centred: Bool
  ) -> (Tensor, moments: Tensor) {
    let width = x.shape.last ?? 1
    let rows = x.count / max(width, 1)
    let moments = Storage(count: rows * 2)
    let result = Tensor(shape: x.shape) { buffer in
      guard x.count > 0 else { return }
      nonisolated(unsafe) let (from, to) = (x.storage.pointer, buffer.baseAddress!)
      parallel(count: rows, grain: max(1, grain / 4 / width)) { range in
        for row in range {
          var (mean, variance) = (Float(0), Float(0))
          if centred {
            ck_moments(from + row * width, width, &mean, &variance)
          } else {
            variance = Float(ck_sum_of_squares(from + row * width, width)) / Float(width)
          }
          let factor = 1 / (variance + epsilon).squareRoot()
          moments.pointer[row * 2] = mean
          moments.pointer[row * 2 + 1] = factor
          ck_row_normalize(
            from + row * width, mean, factor, scale?.storage.pointer, bias?.storage.pointer, to + row * width, width)
        }
      }
    }
    return (result, Tensor(shape: [rows, 2], storage: moments))
  }

  static func rowNormGradient(
    _ x: Tensor, moments: Tensor, scale: Tensor?, _ upstream: Tensor, centred: Bool
  ) -> Tensor {
    let width = x.shape.last ?? 1
    return Tensor(shape: x.shape) { buffer in
      guard x.count > 0 else { return }
      nonisolated(unsafe) let (from, above, to) = (x.storage.pointer, upstream.storage.pointer, buffer.baseAddress!)
      parallel(count: x.count / width, grain: max(1, grain / 4 / width)) { range in
        for row in range {
          ck_row_normalize_gradient(
            from + row * width, moments.storage.pointer[row * 2], moments.storage.pointer[row * 2 + 1],
            scale?.storage.pointer, above + row * width, centred ? 1 : 0, to + row * width, width)
        }
      }
    }
  }

  static func rowNormParameters(_ x: Tensor, moments: Tensor, _ upstream: Tensor) -> (scale: Tensor, bias: Tensor) {
    let width = x.shape.last ?? 1
    let rows = x.count / max(width, 1)
    let block = max(8, grain / width)
    let blocks = max(1, (rows + block - 1) / block)
    let partial = Storage(count: blocks * 2 * width)
    partial.pointer.update(repeating: 0, count: partial.count)
    parallel(count: blocks, grain: 1) { range in
      for i in range {
        for row in i * block..<min(rows, (i + 1) * block) {
          ck_row_normalize_parameters(
            x.storage.pointer + row * width, moments.storage.pointer[row * 2], moments.storage.pointer[row * 2 + 1],
            upstream.storage.pointer + row * width, partial.pointer + i * 2 * width,
            partial.pointer + (i * 2 + 1) * width, width)
        }
      }
    }
    for i in 1..<max(blocks, 1) { ck_accumulate(partial.pointer + i * 2 * width, partial.pointer, 2 * width) }
    let both = Tensor(shape: [blocks * 2, width], storage: partial)
    return (both.sliced(axis: 0, 0..<1).reshaped([width]), both.sliced(axis: 0, 1..<2).reshaped([width]))
  }

  /// - Returns: the result, and `[images, 2, channels]`: mean and reciprocal deviation, repeated over each group.
  static func groupNorm(
    _ x: Tensor, groups: Int, scale: Tensor?, bias: Tensor?, epsilon: Float
  ) -> (Tensor, moments: Tensor) {
    let channels = x.shape.last!
    let images = x.shape[0]
    let pixels = x.count / max(images * channels, 1)
    let width = channels / groups
    let moments = Storage(count: images * 2 * channels)
    let result = Tensor(shape: x.shape) { buffer in
      guard x.count > 0 else { return }
      nonisolated(unsafe) let (from, to) = (x.storage.pointer, buffer.baseAddress!)
      parallel(count: images, grain: max(1, grain / 4 / (pixels * channels))) { range in
        let scratch = Storage(count: 2 * channels)
        for image in range {
          let source = from + image * pixels * channels
          let mean = moments.pointer + image * 2 * channels
          let factor = mean + channels
          mean.update(repeating: 0, count: 2 * channels)
          ck_channel_sums(source, pixels, channels, mean)
          averageGroups(mean, groups: groups, width: width, count: pixels * width)
          ck_channel_squares(source, mean, pixels, channels, factor)
          averageGroups(factor, groups: groups, width: width, count: pixels * width)
          let (a, b) = (scratch.pointer, scratch.pointer + channels)
          for c in 0..<channels {
            factor[c] = 1 / (factor[c] + epsilon).squareRoot()
            a[c] = factor[c] * (scale?.storage.pointer[c] ?? 1)
            b[c] = (bias?.storage.pointer[c] ?? 0) - mean[c] * a[c]
          }
          ck_channel_affine(source, a, b, to + image * pixels * channels, pixels, channels)
        }
      }
    }
    return (result, Tensor(shape: [images, 2, channels], storage: moments))
  }

  private static func averageGroups(_ values: UnsafeMutablePointer<Float>, groups: Int, width: Int, count: Int) {
    for group in 0..<groups {
      let row = values + group * width
      var sum: Float = 0
      for i in 0..<width { sum += row[i] }
      row.update(repeating: sum / Float(count), count: width)
    }
  }

  /// With `g = dy scale`: `dx = r (g - mean(g) - x̂ mean(g x̂))`, the means over image and group.
  static func groupNormGradient(
    _ x: Tensor, groups: Int, moments: Tensor, scale: Tensor?, _ upstream: Tensor
  ) -> (x: Tensor, scale: Tensor, bias: Tensor) {
    let channels = x.shape.last!
    let images = x.shape[0]
    let pixels = x.count / max(images * channels, 1)
    let width = channels / groups
    let size = Float(pixels * width)
    let parts = Storage(count: images * 2 * channels)
    let dx = Tensor(shape: x.shape) { buffer in
      guard x.count > 0 else { return }
      nonisolated(unsafe) let (from, above, to) = (x.storage.pointer, upstream.storage.pointer, buffer.baseAddress!)
      parallel(count: images, grain: max(1, grain / 4 / (pixels * channels))) { range in
        let scratch = Storage(count: 3 * channels)
        for image in range {
          let start = image * pixels * channels
          let mean = moments.storage.pointer + image * 2 * channels
          let factor = mean + channels
          let sums = parts.pointer + image * 2 * channels
          let dots = sums + channels
          sums.update(repeating: 0, count: 2 * channels)
          ck_channel_dots(from + start, mean, above + start, pixels, channels, sums, dots)
          for c in 0..<channels { dots[c] *= factor[c] }
          let (a, b, d) = (scratch.pointer, scratch.pointer + channels, scratch.pointer + 2 * channels)
          for group in 0..<groups {
            var (shift, slope) = (Float(0), Float(0))
            for c in group * width..<(group + 1) * width {
              let weight = scale?.storage.pointer[c] ?? 1
              shift += weight * sums[c]
              slope += weight * dots[c]
            }
            (shift, slope) = (shift / size, slope / size)
            for c in group * width..<(group + 1) * width {
              let r = factor[c]
              a[c] = r * (scale?.storage.pointer[c] ?? 1)
              b[c] = -r * r * slope
              d[c] = -r * shift + r * r * slope * mean[c]
            }
          }
          ck_channel_gradient(from + start, above + start, a, b, d, to + start, pixels, channels)
        }
      }
    }
    let both = Kernel.sum(Tensor(shape: [images, 2 * channels], storage: parts), over: 0...0).reshaped([2, channels])
    return (
      dx, both.sliced(axis: 0, 1..<2).reshaped([channels]), both.sliced(axis: 0, 0..<1).reshaped([channels])
    )
  }
}
