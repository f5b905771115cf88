#if canImport(COpenBLAS)
  import COpenBLAS

  /// OpenBLAS called directly on arrays of ours, with its own threads: what `imitate benchmark` compares products with.
  package final class PlainProduct {
    private let size: Int
    private let a: Storage
    private let b: Storage
    private let c: Storage

    /// Square matrices of `size` rows, all ones.
    package init(size: Int) {
      _ = OpenBLAS.ready
      self.size = size
      (a, b, c) = (Storage(count: size * size), Storage(count: size * size), Storage(count: size * size))
      a.pointer.update(repeating: 1, count: a.count)
      b.pointer.update(repeating: 1, count: b.count)
    }

    package func run(threads: Int) {
      openblas_set_num_threads(Int32(threads))
      let count = Int32(size)
      cblas_sgemm(
        CblasRowMajor, CblasNoTrans, CblasNoTrans, count, count, count, 1, a.pointer, count, b.pointer, count, 0,
        c.pointer, count)
      openblas_set_num_threads(1)
    }
  }
#endif
