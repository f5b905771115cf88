import COpenBLAS

/// OpenBLAS, set up once: one thread each call, since `parallel` splits the work in blocks that do not depend on the
/// number of cores.
enum OpenBLAS {
  /// Forces the set-up; call before the first product.
  static let ready: Bool = {
    openblas_set_num_threads(1)
    return true
  }()
}

extension Kernel {
  /// `C = A B` (+ `C` when `accumulating`), row-major, one thread.
  @inline(__always)
  static func gemm(
    _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Float>, _ aTransposed: Bool, _ b: UnsafePointer<Float>,
    _ bTransposed: Bool, _ c: UnsafeMutablePointer<Float>, accumulating: Bool = false, leading: Int? = nil
  ) {
    cblas_sgemm(
      CblasRowMajor, aTransposed ? CblasTrans : CblasNoTrans, bTransposed ? CblasTrans : CblasNoTrans, Int32(m),
      Int32(n),
      Int32(k), 1, a, Int32(aTransposed ? m : k), b, Int32(bTransposed ? k : n), accumulating ? 1 : 0, c,
      Int32(leading ?? n))
  }

  /// `batch` products of `[m, k]` and `[k, n]`, split over cores in blocks that the sizes alone decide.
  static func products(
    batch: Int, _ m: Int, _ n: Int, _ k: Int, _ a: Tensor, _ aTransposed: Bool, _ b: Tensor, _ bTransposed: Bool,
    shape: [Int]
  ) -> Tensor {
    _ = OpenBLAS.ready
    return Tensor(shape: shape) { buffer in
      guard buffer.count > 0 else { return }
      guard k > 0 else { return buffer.update(repeating: 0) }
      nonisolated(unsafe) let (x, y, to) = (a.storage.pointer, b.storage.pointer, buffer.baseAddress!)
      if batch > 1 {
        parallel(count: batch, grain: max(1, 500_000 / max(m * n * k, 1))) { range in
          for i in range {
            gemm(m, n, k, x + i * m * k, aTransposed, y + i * k * n, bTransposed, to + i * m * n)
          }
        }
      } else {
        product(m, n, k, x, aTransposed, y, bTransposed, to)
      }
    }
  }

  /// One product, cut in two along its longer side: more pieces would pack the other operand again for each.
  static func product(
    _ m: Int, _ n: Int, _ k: Int, _ x: UnsafePointer<Float>, _ aTransposed: Bool, _ y: UnsafePointer<Float>,
    _ bTransposed: Bool, _ to: UnsafeMutablePointer<Float>
  ) {
    nonisolated(unsafe) let (x, y, to) = (x, y, to)
    let pieces = m * n * k < 200_000 ? 1 : max(2, min(8, m * n * k / 500_000_000))
    if m >= n {
      let rows = ((m + pieces - 1) / pieces + 15) / 16 * 16
      parallel(count: m, grain: rows) { range in
        cblas_sgemm(
          CblasRowMajor, aTransposed ? CblasTrans : CblasNoTrans, bTransposed ? CblasTrans : CblasNoTrans,
          Int32(range.count), Int32(n), Int32(k), 1, aTransposed ? x + range.lowerBound : x + range.lowerBound * k,
          Int32(aTransposed ? m : k), y, Int32(bTransposed ? k : n), 0, to + range.lowerBound * n, Int32(n))
      }
    } else {
      let columns = ((n + pieces - 1) / pieces + 15) / 16 * 16
      parallel(count: n, grain: columns) { range in
        cblas_sgemm(
          CblasRowMajor, aTransposed ? CblasTrans : CblasNoTrans, bTransposed ? CblasTrans : CblasNoTrans, Int32(m),
          Int32(range.count), Int32(k), 1, x, Int32(aTransposed ? m : k),
          bTransposed ? y + range.lowerBound * k : y + range.lowerBound, Int32(bTransposed ? k : n), 0,
          to + range.lowerBound, Int32(n))
      }
    }
  }
}
