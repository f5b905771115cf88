/// Linear regression with a little weight on small coefficients.
package enum RidgeRegression {
  /// R² on `test` of a regression on `known`, averaged over the columns that vary.
  package static func explained(
    _ features: [[Double]], _ values: [[Double]], _ testFeatures: [[Double]], _ testValues: [[Double]]
  ) -> Double {
    let (count, width) = (Double(features.count), features[0].count)
    let mean = (0..<width).map { column in features.reduce(0) { $0 + $1[column] } / count }
    let deviation = (0..<width).map { column in
      (features.reduce(0) { $0 + ($1[column] - mean[column]) * ($1[column] - mean[column]) } / count).squareRoot()
    }
    func even(_ row: [Double]) -> [Double] { (0..<width).map { (row[$0] - mean[$0]) / max(deviation[$0], 1e-9) } }
    let rows = features.map(even)
    var gram = [Double](repeating: 0, count: width * width)
    for row in rows { for i in 0..<width { for j in 0...i { gram[i * width + j] += row[i] * row[j] } } }
    for i in 0..<width {
      gram[i * width + i] += 1e-3 * count
      for j in 0..<i { gram[j * width + i] = gram[i * width + j] }
    }
    let factor = cholesky(gram, width)
    let test = testFeatures.map(even)
    var sum = 0.0
    var columns = 0
    for column in 0..<values[0].count {
      let average = values.reduce(0) { $0 + $1[column] } / count
      var right = [Double](repeating: 0, count: width)
      for (row, value) in zip(rows, values) {
        for i in 0..<width { right[i] += row[i] * (value[column] - average) }
      }
      let weights = solve(factor, right, width)
      let middle = testValues.reduce(0) { $0 + $1[column] } / Double(testValues.count)
      var (off, all) = (0.0, 0.0)
      for (row, value) in zip(test, testValues) {
        let found = average + (0..<width).reduce(0) { $0 + weights[$1] * row[$1] }
        off += (value[column] - found) * (value[column] - found)
        all += (value[column] - middle) * (value[column] - middle)
      }
      guard all / Double(testValues.count) > 1e-10 else { continue }
      sum += 1 - off / all
      columns += 1
    }
    return columns > 0 ? sum / Double(columns) : .nan
  }

  /// The lower triangle L of a positive definite matrix L Lᵀ.
  private static func cholesky(_ matrix: [Double], _ n: Int) -> [Double] {
    var l = matrix
    for j in 0..<n {
      for k in 0..<j { l[j * n + j] -= l[j * n + k] * l[j * n + k] }
      l[j * n + j] = max(l[j * n + j], 1e-300).squareRoot()
      for i in j + 1..<max(n, j + 1) {
        for k in 0..<j { l[i * n + j] -= l[i * n + k] * l[j * n + k] }
        l[i * n + j] /= l[j * n + j]
      }
    }
    return l
  }

  private static func solve(_ l: [Double], _ right: [Double], _ n: Int) -> [Double] {
    var x = right
    for i in 0..<n {
      for k in 0..<i { x[i] -= l[i * n + k] * x[k] }
      x[i] /= l[i * n + i]
    }
    for i in (0..<n).reversed() {
      for k in i + 1..<max(n, i + 1) { x[i] -= l[k * n + i] * x[k] }
      x[i] /= l[i * n + i]
    }
    return x
  }
}
