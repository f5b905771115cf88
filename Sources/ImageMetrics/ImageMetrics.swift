import Foundation
import Tensors

/// How close an image is to the one it should be, by its pixels alone.
///
/// Both are `[height, width, 3]`. Values are clipped to 0...1 and not rounded to 8 bits; where one is not a number,
/// neither is the result.
package enum ImageMetrics {
  /// Peak signal-to-noise ratio in decibels: `10 log₁₀(1 / (e + 1e-8))`, with `e` the mean squared error of all pixels
  /// and channels. The 1e-8 is piqa's; it gives equal images 80 dB instead of infinity.
  ///
  /// A video's is the mean of its frames' ratios, not the ratio of their mean error.
  package static func psnr(_ a: Tensor, _ b: Tensor) -> Double {
    check(a, b, "psnr")
    let squares = zip(a.scalars, b.scalars).reduce(0.0) { sum, pair in
      let difference = clipped(pair.0) - clipped(pair.1)
      return sum + difference * difference
    }
    return -10 * log10(squares / Double(a.count) + 1e-8)
  }

  /// Structural similarity (Wang et al. 2004), as piqa has it: means, variances and covariance under a Gaussian window
  /// of 11x11 pixels and deviation 1.5, wherever it lies wholly inside the image; population moments, not samples';
  /// K₁ = 0.01, K₂ = 0.03 and a range of 1; the mean over all places and the three channels.
  ///
  /// Toolkits that pad the border or take the samples' moments give other numbers.
  package static func ssim(_ a: Tensor, _ b: Tensor) -> Double {
    check(a, b, "ssim")
    let (height, width) = (a.shape[0], a.shape[1])
    precondition(height >= taps.count && width >= taps.count, "ssim: an image of \(width)x\(height) holds no window")
    let (row, valid) = (width * 3, (width - taps.count + 1) * 3)
    // Of each value: a, b, a² + b², ab. The variances are only needed as a sum, so four maps do.
    var columns = [SIMD4<Double>](repeating: .zero, count: row)
    var total = 0.0
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        columns.withUnsafeMutableBufferPointer { columns in
          for top in 0...height - taps.count {
            columns.update(repeating: .zero)
            for (tap, weight) in taps.enumerated() {
              let start = (top + tap) * row
              for place in 0..<row {
                let (x, y) = (clipped(a[start + place]), clipped(b[start + place]))
                columns[place] += weight * SIMD4(x, y, x * x + y * y, x * y)
              }
            }
            for place in 0..<valid {
              var moments = SIMD4<Double>.zero
              for (tap, weight) in taps.enumerated() { moments += weight * columns[place + 3 * tap] }
              total += similarity(moments)
            }
          }
        }
      }
    }
    return total / Double((height - taps.count + 1) * valid)
  }

  private static func similarity(_ moments: SIMD4<Double>) -> Double {
    let (c1, c2) = (0.01 * 0.01, 0.03 * 0.03)
    let (squares, product) = (moments.x * moments.x + moments.y * moments.y, moments.x * moments.y)
    return (2 * product + c1) * (2 * (moments.w - product) + c2) / ((squares + c1) * (moments.z - squares + c2))
  }

  /// A Gaussian of deviation 1.5 at 11 places, of sum 1.
  private static let taps: [Double] = {
    let bell = (-5...5).map { exp(-Double($0 * $0) / (2 * 1.5 * 1.5)) }
    return bell.map { $0 / bell.reduce(0, +) }
  }()

  private static func clipped(_ value: Float) -> Double { Double(value < 0 ? 0 : value > 1 ? 1 : value) }

  private static func check(_ a: Tensor, _ b: Tensor, _ metric: StaticString) {
    precondition(
      a.rank == 3 && a.shape[2] == 3 && a.count > 0 && a.shape == b.shape, "\(metric): shapes \(a.shape) and \(b.shape)"
    )
  }
}
