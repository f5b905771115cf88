import Tensors

/// Fréchet video distance (Unterthiner et al. 2018): how far apart two sets of clips are to I3D, as the Fréchet
/// distance of two Gaussians with their features' means and covariances.
///
/// The features are the 400 logits, averaged over time. The weights are the user's, see docs/image-metrics.md.
package struct VideoDistance: Sendable {
  private let network: InflatedInception

  package init(_ network: InflatedInception) {
    self.network = network
  }

  /// - Parameter path: I3D's weights as safetensors.
  /// - Throws: `MetricWeightsError`, `SafetensorsError`.
  package init(contentsOf path: String) throws {
    network = try InflatedInception(contentsOf: path)
  }

  /// A clip's features.
  ///
  /// - Parameters:
  ///   - clip: `[frames, height, width, 3]`, clipped to 0...1; at least `InflatedInception.fewestFrames`, usually 16.
  ///   - side: what each frame is resized to, whatever its proportions. Only with 224 is the result FVD's.
  package func features(_ clip: Tensor, side: Int = 224) -> [Double] {
    let frames = VideoDistance.resized(clip.clamped(to: 0...1), to: side)
    return network.logits(frames * 2 - 1).scalars.map(Double.init)
  }

  /// The distance of two sets of clips by their features. Biased upwards for few: only results from as many clips compare.
  package static func distance(_ real: [[Double]], _ generated: [[Double]]) -> Double {
    let (a, b) = (moments(real), moments(generated))
    return frechet(mean: a.mean, covariance: a.covariance, otherMean: b.mean, otherCovariance: b.covariance)
  }

  /// Mean and covariance, the latter row by row and divided by the number of clips.
  package static func moments(_ features: [[Double]]) -> (mean: [Double], covariance: [Double]) {
    precondition(!features.isEmpty, "moments: no clips")
    let width = features[0].count
    precondition(features.allSatisfy { $0.count == width }, "moments: clips with different numbers of features")
    var mean = [Double](repeating: 0, count: width)
    for row in features {
      for column in 0..<width { mean[column] += row[column] / Double(features.count) }
    }
    var covariance = [Double](repeating: 0, count: width * width)
    covariance.withUnsafeMutableBufferPointer { covariance in
      for row in features {
        let centered = zip(row, mean).map(-)
        centered.withUnsafeBufferPointer { centered in
          for i in 0..<width {
            let factor = centered[i] / Double(features.count)
            for j in 0..<width { covariance[i * width + j] += factor * centered[j] }
          }
        }
      }
    }
    return (mean, covariance)
  }

  /// `|m₁ - m₂|² + tr(S₁ + S₂ - 2 √(S₁S₂))`, with row-by-row covariances.
  ///
  /// The root's trace is the sum of the roots of the eigenvalues of `AᵀS₂A`, where `S₁ = AAᵀ`: that matrix is
  /// symmetric, `S₁S₂` is not. Eigenvalues that rounding made negative count as 0.
  package static func frechet(
    mean: [Double], covariance: [Double], otherMean: [Double], otherCovariance: [Double]
  ) -> Double {
    let width = mean.count
    precondition(
      otherMean.count == width && covariance.count == width * width && otherCovariance.count == width * width,
      "frechet: means of \(width), \(otherMean.count), covariances of \(covariance.count) and \(otherCovariance.count)"
    )
    guard (mean + covariance + otherMean + otherCovariance).allSatisfy(\.isFinite) else { return .nan }
    var distance = zip(mean, otherMean).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    for i in 0..<width { distance += covariance[i * (width + 1)] + otherCovariance[i * (width + 1)] }
    let first = SymmetricEigenproblem(covariance, width: width)
    // The rows of Aᵀ: eigenvectors as long as the roots of their eigenvalues.
    var factor = first.vectors
    for i in 0..<width {
      let length = max(0, first.values[i]).squareRoot()
      for j in 0..<width { factor[i * width + j] *= length }
    }
    // Covariances are symmetric, so both products are of rows with rows.
    let half = rowProducts(factor, otherCovariance, width: width)
    let second = SymmetricEigenproblem(rowProducts(half, factor, width: width), width: width)
    distance -= 2 * second.values.reduce(0) { $0 + max(0, $1).squareRoot() }
    return max(0, distance)
  }

  /// Every row of `a` times every row of `b`.
  private static func rowProducts(_ a: [Double], _ b: [Double], width: Int) -> [Double] {
    var result = [Double](repeating: 0, count: width * width)
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        for i in 0..<width {
          for j in 0..<width {
            var sum = SIMD4<Double>.zero
            let (x, y) = (a.baseAddress! + i * width, b.baseAddress! + j * width)
            for k in stride(from: 0, to: width - width % 4, by: 4) {
              sum += SIMD4(x[k], x[k + 1], x[k + 2], x[k + 3]) * SIMD4(y[k], y[k + 1], y[k + 2], y[k + 3])
            }
            var rest = sum.sum()
            for k in width - width % 4..<width { rest += x[k] * y[k] }
            result[i * width + j] = rest
          }
        }
      }
    }
    return result
  }

  /// Frames of `[frames, height, width, channels]` as squares: bilinear between pixel centers, nothing smoothed before.
  package static func resized(_ frames: Tensor, to side: Int) -> Tensor {
    precondition(frames.rank == 4 && side > 0 && frames.count > 0, "resized: shape \(frames.shape) to \(side)")
    let (count, height, width, channels) = (frames.shape[0], frames.shape[1], frames.shape[2], frames.shape[3])
    guard height != side || width != side else { return frames }
    let (rows, columns) = (neighbors(from: height, to: side), neighbors(from: width, to: side))
    return Tensor(shape: [count, side, side, channels]) { target in
      frames.withUnsafeBufferPointer { source in
        var to = 0
        for frame in 0..<count {
          for row in rows {
            let (above, below) = ((frame * height + row.low) * width, (frame * height + row.high) * width)
            for column in columns {
              for channel in 0..<channels {
                func value(_ line: Int, _ place: Int) -> Float { source[(line + place) * channels + channel] }
                let top = value(above, column.low) * (1 - column.share) + value(above, column.high) * column.share
                let bottom = value(below, column.low) * (1 - column.share) + value(below, column.high) * column.share
                target[to] = top * (1 - row.share) + bottom * row.share
                to += 1
              }
            }
          }
        }
      }
    }
  }

  /// For each place of the new axis the two of the old one around it, and the share of the second.
  private static func neighbors(from old: Int, to new: Int) -> [(low: Int, high: Int, share: Float)] {
    (0..<new).map { place in
      let center = max(0, (Double(place) + 0.5) * Double(old) / Double(new) - 0.5)
      let low = min(Int(center), old - 1)
      return (low, min(low + 1, old - 1), Float(center - Double(low)))
    }
  }
}

/// Eigenvalues and eigenvectors of a real symmetric matrix: reflections make it tridiagonal, shifted QR steps diagonal
/// (Golub and Van Loan, "Matrix Computations", sections 8.3.1 and 8.3.5).
private struct SymmetricEigenproblem {
  private let width: Int
  private var matrix: [Double]
  /// The diagonal, eigenvalues in the end, in no order.
  private(set) var values: [Double]
  /// Beside the diagonal.
  private var beside: [Double]
  /// One eigenvector a row.
  private(set) var vectors: [Double]

  init(_ matrix: [Double], width: Int) {
    self.matrix = matrix
    self.width = width
    values = Array(repeating: 0, count: width)
    beside = Array(repeating: 0, count: width)
    vectors = Array(repeating: 0, count: width * width)
    for i in 0..<width { vectors[i * (width + 1)] = 1 }
    tridiagonalise()
    diagonalise()
  }

  private mutating func tridiagonalise() {
    let width = width
    // Reflections of this column are I - s v vᵀ; those so far are the rows of `vectors`.
    var v = [Double](repeating: 0, count: width)
    var w = [Double](repeating: 0, count: width)
    for column in 0..<max(0, width - 2) {
      let first = column + 1
      let length = (first..<width).reduce(0) { $0 + matrix[$1 * width + column] * matrix[$1 * width + column] }
        .squareRoot()
      guard length > 0 else { continue }
      for i in first..<width { v[i] = matrix[i * width + column] }
      // Away from cancellation.
      v[first] += v[first] < 0 ? -length : length
      let s = 2 / (first..<width).reduce(0) { $0 + v[$1] * v[$1] }
      matrix.withUnsafeMutableBufferPointer { matrix in
        // A - v wᵀ - w vᵀ with w = s A v - (s² vᵀA v / 2) v. The column itself is reflected with the rest.
        for i in column..<width {
          var sum = 0.0
          for j in first..<width { sum += matrix[i * width + j] * v[j] }
          w[i] = s * sum
        }
        let share = s / 2 * (first..<width).reduce(0) { $0 + w[$1] * v[$1] }
        for i in first..<width { w[i] -= share * v[i] }
        v[column] = 0
        for i in column..<width {
          let (a, b) = (v[i], w[i])
          for j in column..<width { matrix[i * width + j] -= a * w[j] + b * v[j] }
        }
      }
      vectors.withUnsafeMutableBufferPointer { vectors in
        // With the reflections one after another as rows: (I - s v vᵀ) Q.
        for j in 0..<width { w[j] = 0 }
        for i in first..<width {
          for j in 0..<width { w[j] += v[i] * vectors[i * width + j] }
        }
        for i in first..<width {
          let factor = s * v[i]
          for j in 0..<width { vectors[i * width + j] -= factor * w[j] }
        }
      }
    }
    for i in 0..<width {
      values[i] = matrix[i * (width + 1)]
      beside[i] = i + 1 < width ? matrix[i * width + i + 1] : 0
    }
  }

  private mutating func diagonalise() {
    // The reflections have left errors of this size anyway.
    let negligible = Double.ulpOfOne * (values + beside).reduce(0) { max($0, abs($1)) }
    var high = width - 1
    // Two or three steps an eigenvalue are usual; the limit only keeps a bad matrix from running for ever.
    var steps = 60 * width
    while high > 0, steps > 0 {
      if abs(beside[high - 1]) <= negligible {
        beside[high - 1] = 0
        high -= 1
        continue
      }
      var low = high - 1
      while low > 0, abs(beside[low - 1]) > negligible { low -= 1 }
      step(low, high)
      steps -= 1
    }
  }

  /// One implicit QR step of the block `low...high`, shifted by its last two rows' eigenvalue nearer to the last value.
  private mutating func step(_ low: Int, _ high: Int) {
    let (half, last) = ((values[high - 1] - values[high]) / 2, beside[high - 1])
    let root = (half * half + last * last).squareRoot()
    let shift = values[high] - last * last / (half + (half < 0 ? -root : root))
    var (x, z) = (values[low] - shift, beside[low])
    for k in low..<high {
      let length = (x * x + z * z).squareRoot()
      let (c, s) = length > 0 ? (x / length, z / length) : (1, 0)
      if k > low { beside[k - 1] = length }
      let (a, b, d) = (values[k], beside[k], values[k + 1])
      values[k] = c * c * a + 2 * c * s * b + s * s * d
      values[k + 1] = s * s * a - 2 * c * s * b + c * c * d
      beside[k] = c * s * (d - a) + (c * c - s * s) * b
      if k + 1 < high {
        (x, z) = (beside[k], s * beside[k + 1])
        beside[k + 1] *= c
      }
      turn(k, c, s)
    }
  }

  private mutating func turn(_ k: Int, _ c: Double, _ s: Double) {
    let width = width
    vectors.withUnsafeMutableBufferPointer { vectors in
      let (upper, lower) = (vectors.baseAddress! + k * width, vectors.baseAddress! + (k + 1) * width)
      for j in 0..<width {
        let (a, b) = (upper[j], lower[j])
        upper[j] = c * a + s * b
        lower[j] = c * b - s * a
      }
    }
  }
}
