import Tensors

/// Linear regression with a penalty on large coefficients.
///
/// It is solved in the dual form, by the Gram matrix of the training rows, so that features may have many more columns than there
/// are rows. Columns are standardized by the training rows. A penalty counts times the mean of the Gram matrix's diagonal and
/// so means the same for features of any width.
package struct RidgeRegression {
  /// What is chosen from.
  package static let penalties: [Double] = [1e-5, 1e-4, 0.001, 0.01, 0.1, 1, 10, 100, 1000]

  /// How far predictions of held-out rows are off.
  package struct Outcome: Sendable, Equatable {
    /// Root of the mean squared distance.
    package var error: Double
    /// The penalty that was chosen on training rows.
    package var penalty: Double
  }

  /// Inner products of all rows with the training rows, `[rows, training]`.
  private let gram: Tensor
  /// How many rows are to learn from.
  private let training: Int

  /// - Parameters:
  ///   - features: `[rows, width]`, the training rows first.
  ///   - beside: more columns, `[rows, width]`, which together are as large as the features, however few they are.
  ///   - training: how many rows are to learn from.
  package init(_ features: Tensor, beside: Tensor? = nil, training: Int) {
    precondition(
      features.rank == 2 && (1...features.shape[0]).contains(training),
      "RidgeRegression: \(training) training rows of \(features.shape)")
    let own = RidgeRegression.standardized(features, training)
    var gram = RidgeRegression.gram(own.rows, training)
    if let beside {
      let more = RidgeRegression.standardized(beside, training)
      let weight = more.columns > 0 ? Float(max(own.columns, 1)) / Float(more.columns) : 0
      gram = gram + RidgeRegression.gram(more.rows, training) * weight
    }
    self.gram = gram
    self.training = training
  }

  private static func gram(_ rows: Tensor, _ training: Int) -> Tensor {
    rows.matmul(rows.sliced(axis: 0, 0..<training), transposingOther: true)
  }

  /// Columns of mean 0 and deviation 1 over the training rows, and how many of them move.
  private static func standardized(_ features: Tensor, _ training: Int) -> (rows: Tensor, columns: Int) {
    let known = features.sliced(axis: 0, 0..<training)
    let mean = known.mean(axes: [0])
    let scale = zip(known.variance(axes: [0]).scalars, mean.scalars).map { variance, mean in
      // What does not move but by rounding says nothing.
      let deviation = max(0, variance).squareRoot()
      return deviation > 1e-6 * max(1e-3, abs(mean)) ? 1 / deviation : 0
    }
    return ((features - mean) * Tensor(scale, shape: [scale.count]), scale.count { $0 > 0 })
  }

  /// Predicts the held-out rows from all training rows, each target with a penalty of its own: the one with which every fifth
  /// group of training rows is predicted best from the other groups.
  ///
  /// - Parameters:
  ///   - values: a row of the targets' values for each row of features.
  ///   - targets: the columns of each target.
  ///   - groups: which group each training row is of: its demonstration.
  /// - Returns: an outcome for each target; nil with fewer than two groups, no held-out row or features that are no numbers.
  package func outcomes(_ values: [[Double]], targets: [Range<Int>], groups: [Int]) -> [Outcome]? {
    precondition(
      values.count == gram.shape[0] && groups.count == training,
      "RidgeRegression: \(values.count) rows of values, \(groups.count) groups for \(gram.shape)")
    var order: [Int: Int] = [:]
    for group in groups where order[group] == nil { order[group] = order.count }
    guard order.count > 1, values.count > training else { return nil }
    let chosen = (0..<training).filter { order[groups[$0]]! % 5 == 0 }
    let others = (0..<training).filter { order[groups[$0]]! % 5 != 0 }
    let tried = predictions(of: chosen, from: others, values, RidgeRegression.penalties)
    let best = targets.map { columns -> Int in
      // Where rounding made a factorization fail, that penalty is none.
      let errors = tried.map { Self.error($0, chosen, values, columns) }.map { $0.isFinite ? $0 : .infinity }
      return errors.indices.min { errors[$0] < errors[$1] }!
    }
    let heldOut = Array(training..<values.count)
    var known: [Int: [[Double]]] = [:]
    func outcome(_ columns: Range<Int>, _ place: Int) -> Outcome {
      let penalty = RidgeRegression.penalties[place]
      known[place] = known[place] ?? predictions(of: heldOut, from: Array(0..<training), values, [penalty])[0]
      return Outcome(error: Self.error(known[place]!, heldOut, values, columns), penalty: penalty)
    }
    let all = RidgeRegression.penalties.count
    let found = zip(targets, best).map { columns, place in
      // Rounding may break the factorization of all rows where that of most had held: a larger penalty mends it.
      (place..<all).lazy.map { outcome(columns, $0) }.first { $0.error.isFinite }
    }
    return found.contains { $0 == nil } ? nil : found.compactMap(\.self)
  }

  /// How far the mean of the training rows is from the held-out ones, by target; nil with no held-out row.
  package static func errorsOfMean(_ values: [[Double]], training: Int, targets: [Range<Int>]) -> [Double]? {
    guard training > 0, values.count > training else { return nil }
    let mean = mean(values[..<training])
    let heldOut = Array(training..<values.count)
    return targets.map { error(heldOut.map { _ in mean }, heldOut, values, $0) }
  }

  /// - Returns: for each penalty a row of values for each of `rows`.
  package func predictions(
    of rows: [Int], from fit: [Int], _ values: [[Double]], _ penalties: [Double]
  ) -> [[[Double]]] {
    let n = fit.count
    func products(_ rows: [Int]) -> [[Double]] {
      gram.withUnsafeBufferPointer { gram in
        rows.map { row in fit.map { Double(gram[row * training + $0]) } }
      }
    }
    func mean(_ row: [Double]) -> Double { row.reduce(0, +) / Double(n) }
    // Inner products of what is left when the mean of the rows to fit is taken away.
    var matrix = products(fit)
    let means = matrix.map(mean)
    let all = mean(means)
    for i in 0..<n { for j in 0..<n { matrix[i][j] += all - means[i] - means[j] } }
    let asked = products(rows).map { row in
      let own = mean(row)
      return row.indices.map { row[$0] + all - own - means[$0] }
    }
    let middle = Self.mean(fit.map { values[$0] }[...])
    let right = middle.indices.map { column in fit.map { values[$0][column] - middle[column] } }
    let diagonal = mean((0..<n).map { matrix[$0][$0] })
    let (flat, isConstant) = (matrix.flatMap(\.self), diagonal <= 0)
    return parallelMap(penalties.count) { place in
      guard !isConstant else { return asked.map { _ in middle } }
      let weights = Self.solve(flat, n, ridge: penalties[place] * diagonal, right)
      return asked.map { row in
        weights.indices.map { column in middle[column] + zip(row, weights[column]).reduce(0) { $0 + $1.0 * $1.1 } }
      }
    }
  }

  private static func mean(_ rows: ArraySlice<[Double]>) -> [Double] {
    rows[rows.startIndex].indices.map { column in rows.reduce(0) { $0 + $1[column] } / Double(rows.count) }
  }

  private static func error(
    _ found: [[Double]], _ rows: [Int], _ values: [[Double]], _ columns: Range<Int>
  ) -> Double {
    let squares = zip(found, rows).reduce(0.0) { sum, pair in
      columns.reduce(sum) { $0 + (pair.0[$1] - values[pair.1][$1]) * (pair.0[$1] - values[pair.1][$1]) }
    }
    return (squares / Double(rows.count)).squareRoot()
  }

  /// Solves `(matrix + ridge) x = b` for each of `right` by Cholesky's decomposition; the matrix is symmetric, row by row.
  ///
  /// - Returns: no numbers where rounding has spoilt the matrix: no pivot of a sound one is below the ridge.
  private static func solve(_ matrix: [Double], _ n: Int, ridge: Double, _ right: [[Double]]) -> [[Double]] {
    var lower = matrix
    return lower.withUnsafeMutableBufferPointer { buffer in
      let l = buffer.baseAddress!
      for i in 0..<n {
        for j in 0..<i { l[i * n + j] = (l[i * n + j] - dot(l + i * n, l + j * n, j)) / l[j * n + j] }
        let pivot = l[i * n + i] + ridge - dot(l + i * n, l + i * n, i)
        guard pivot >= ridge / 2 else { return right.map { $0.map { _ in .nan } } }
        l[i * n + i] = pivot.squareRoot()
      }
      return right.map { b in
        var x = b
        for i in 0..<n {
          x[i] = (x[i] - x.withUnsafeBufferPointer { dot(l + i * n, $0.baseAddress!, i) }) / l[i * n + i]
        }
        for i in (0..<n).reversed() {
          x[i] /= l[i * n + i]
          for k in 0..<i { x[k] -= l[i * n + k] * x[i] }
        }
        return x
      }
    }
  }

  private static func dot(_ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, _ count: Int) -> Double {
    var sums = SIMD8<Double>.zero
    let (x, y) = (UnsafeRawPointer(a), UnsafeRawPointer(b))
    for start in stride(from: 0, to: count & ~7, by: 8) {
      sums +=
        x.loadUnaligned(fromByteOffset: 8 * start, as: SIMD8<Double>.self)
        * y.loadUnaligned(fromByteOffset: 8 * start, as: SIMD8<Double>.self)
    }
    return (count & ~7..<count).reduce(sums.sum()) { $0 + a[$1] * b[$1] }
  }
}
