import CKernels

#if canImport(COpenBLAS)
  import COpenBLAS
#endif

/// A matrix in memory: rows `step` numbers apart; transposed, its rows are columns there.
struct Matrix: @unchecked Sendable {
  var pointer: UnsafePointer<Float>
  var step: Int
  var isTransposed = false

  init(_ pointer: UnsafePointer<Float>, step: Int, transposed: Bool = false) {
    self.pointer = pointer
    self.step = step
    isTransposed = transposed
  }

  func rows(from row: Int) -> Matrix {
    Matrix(pointer + (isTransposed ? row : row * step), step: step, transposed: isTransposed)
  }

  func columns(from column: Int) -> Matrix {
    Matrix(pointer + (isTransposed ? column * step : column), step: step, transposed: isTransposed)
  }
}

/// Whether products have vector kernels of ours: then a row's bits do not depend on how many rows there are, as OpenBLAS's do.
package var hasVectorKernels: Bool { ck_current_variant() != ck_baseline }

/// The vector kernels in use.
package var kernelVariant: String {
  switch ck_current_variant() {
  case ck_avx512: "AVX-512"
  case ck_avx2: "AVX2"
  default: "plain"
  }
}

#if canImport(COpenBLAS)
  /// OpenBLAS's version: "0.3.21".
  package var openBLASVersion: String {
    // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ..."
    let words = String(cString: openblas_get_config()).split(separator: " ")
    return words.count > 1 ? String(words[1]) : "of unknown version"
  }

  /// OpenBLAS with one thread a call: multiplies where there are no vector kernels of ours, and is what they are compared with.
  enum OpenBLAS {
    static let ready: Bool = {
      openblas_set_num_threads(1)
      return true
    }()

    /// As `Kernel.product`.
    static func product(
      _ m: Int, _ n: Int, _ k: Int, _ a: Matrix, _ b: Matrix, to c: UnsafeMutablePointer<Float>, step: Int,
      accumulating: Bool
    ) {
      _ = ready
      cblas_sgemm(
        CblasRowMajor, a.isTransposed ? CblasTrans : CblasNoTrans, b.isTransposed ? CblasTrans : CblasNoTrans, Int32(m),
        Int32(n), Int32(k), 1, a.pointer, Int32(a.step), b.pointer, Int32(b.step), accumulating ? 1 : 0, c, Int32(step))
    }
  }
#else
  /// In the place of OpenBLAS, in a program that shall need no library: slow, and only where there are no vector kernels.
  enum OpenBLAS {
    static func product(
      _ m: Int, _ n: Int, _ k: Int, _ a: Matrix, _ b: Matrix, to c: UnsafeMutablePointer<Float>, step: Int,
      accumulating: Bool
    ) {
      for i in 0..<m {
        for j in 0..<n {
          var sum = accumulating ? c[i * step + j] : 0
          for l in 0..<k {
            sum +=
              a.pointer[a.isTransposed ? l * a.step + i : i * a.step + l]
              * b.pointer[b.isTransposed ? j * b.step + l : l * b.step + j]
          }
          c[i * step + j] = sum
        }
      }
    }
  }
#endif

extension Kernel {
  /// `C = A B + bias`, or `C + A B` when `accumulating`, on this thread, with `scratchCount(m, k, a)` numbers of scratch.
  static func product(
    _ m: Int, _ n: Int, _ k: Int, _ a: Matrix, _ b: Matrix, to c: UnsafeMutablePointer<Float>, step: Int,
    bias: UnsafePointer<Float>? = nil, accumulating: Bool = false, scratch: UnsafeMutablePointer<Float>
  ) {
    guard m > 0, n > 0 else { return }
    if ck_current_variant() == ck_baseline {
      if let bias { for row in 0..<m { (c + row * step).update(from: bias, count: n) } }
      OpenBLAS.product(m, n, k, a, b, to: c, step: step, accumulating: accumulating || bias != nil)
    } else {
      ck_product(
        m, n, k, a.pointer, a.step, a.isTransposed ? 1 : 0, b.pointer, b.step, b.isTransposed ? 1 : 0, c, step, bias,
        accumulating ? 1 : 0, scratch)
    }
  }

  /// Whether a product has so few columns and so long sums that it is better added up along k in vectors. Asked of whole products,
  /// never of a part of one: how many rows there are must not decide.
  static func isNarrow(_ n: Int, _ k: Int) -> Bool { n <= 8 && k >= 1024 && hasVectorKernels }

  /// The columns of `[k, n]` as rows: where they lie, or copied to `scratch`.
  static func columns(of b: Matrix, _ n: Int, _ k: Int, _ scratch: UnsafeMutablePointer<Float>) -> Matrix {
    if b.isTransposed { return b }
    ck_transpose(k, n, b.pointer, b.step, scratch, k)
    return Matrix(scratch, step: k, transposed: true)
  }

  static func scratchCount(_ m: Int, _ k: Int, _ a: Matrix) -> Int {
    ck_product_scratch(m, k, a.isTransposed ? 1 : 0)
  }

  /// `batch` products of `[m, k]` and `[k, n]`, split over cores in blocks that the sizes alone decide.
  static func products(
    batch: Int, _ m: Int, _ n: Int, _ k: Int, _ a: Tensor, _ aTransposed: Bool, _ b: Tensor, _ bTransposed: Bool,
    bias: Tensor? = nil, shape: [Int]
  ) -> Tensor {
    Tensor(shape: shape) { buffer in
      guard buffer.count > 0 else { return }
      guard k > 0 else { return buffer.update(repeating: 0) }
      let left = Matrix(a.storage.pointer, step: aTransposed ? m : k, transposed: aTransposed)
      let right = Matrix(b.storage.pointer, step: bTransposed ? k : n, transposed: bTransposed)
      nonisolated(unsafe) let to = buffer.baseAddress!
      guard batch > 1 else {
        return product(m, n, k, left, right, to: to, step: n, bias: bias?.storage.pointer)
      }
      let isNarrow = isNarrow(n, k) && !aTransposed
      parallel(count: batch, grain: max(1, 1_000_000 / max(m * n * k, 1))) { range in
        withScratch(isNarrow ? n * k : scratchCount(m, k, left)) { scratch in
          for i in range {
            var (x, y) = (left, right)
            x.pointer += i * m * k
            y.pointer += i * k * n
            if isNarrow {
              let columns = Kernel.columns(of: y, n, k, scratch)
              ck_product_narrow(
                m, n, k, x.pointer, x.step, columns.pointer, columns.step, to + i * m * n, n, bias?.storage.pointer, 0)
            } else {
              product(m, n, k, x, y, to: to + i * m * n, step: n, bias: bias?.storage.pointer, scratch: scratch)
            }
          }
        }
      }
    }
  }

  /// One product on all cores, cut into rectangles of the result.
  static func product(
    _ m: Int, _ n: Int, _ k: Int, _ a: Matrix, _ b: Matrix, to c: UnsafeMutablePointer<Float>, step: Int,
    bias: UnsafePointer<Float>? = nil, accumulating: Bool = false
  ) {
    guard m > 0, n > 0 else { return }
    if isNarrow(n, k), !a.isTransposed {
      return withScratch(n * k) { scratch in
        let right = Kernel.columns(of: b, n, k, scratch)
        nonisolated(unsafe) let (to, bias) = (c, bias)
        parallel(count: m, grain: max(4, 250_000 / (n * k))) { range in
          ck_product_narrow(
            range.count, n, k, a.pointer + range.lowerBound * a.step, a.step, right.pointer, right.step,
            to + range.lowerBound * step, step, bias, accumulating ? 1 : 0)
        }
      }
    }
    let (rows, columns) = rectangle(m, n, k, copiesRows: a.isTransposed)
    let across = (n + columns - 1) / columns
    nonisolated(unsafe) let (to, bias) = (c, bias)
    parallel(count: (m + rows - 1) / rows * across, grain: 1) { range in
      withScratch(scratchCount(rows, k, a)) { scratch in
        for cell in range {
          let (row, column) = (cell / across * rows, cell % across * columns)
          product(
            min(rows, m - row), min(columns, n - column), k, a.rows(from: row), b.columns(from: column),
            to: to + row * step + column, step: step, bias: bias.map { $0 + column }, accumulating: accumulating,
            scratch: scratch)
        }
      }
    }
  }

  /// Rectangles of a product, about a dozen where there is work for them: each copies its columns of B, and its rows of
  /// A where `copiesRows`, into the order that the kernel reads; the fewer numbers are copied in all, the better.
  private static func rectangle(_ m: Int, _ n: Int, _ k: Int, copiesRows: Bool) -> (rows: Int, columns: Int) {
    let wanted = max(1, min(12, m * n * k / 500_000))
    let tallest = (m + 13) / 14
    var best = (rows: m, columns: n, pieces: 0, copied: 0)
    for across in 1...max(1, min(wanted, n / 64)) {
      let down = min(tallest, max((wanted + across - 1) / across, m * min(k, 1024) / 1_000_000))
      let pieces = min(wanted, across * down)
      let copied = (copiesRows ? across * m : 0) + down * n
      guard pieces > best.pieces || pieces == best.pieces && copied < best.copied else { continue }
      best = (
        max(14, ((m + down - 1) / down + 13) / 14 * 14), max(64, ((n + across - 1) / across + 63) / 64 * 64), pieces,
        copied
      )
    }
    return (best.rows, best.columns)
  }
}
