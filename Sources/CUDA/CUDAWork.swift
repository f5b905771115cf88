import CCUDA

/// One thing that the stream does.
enum CUDAWork: Equatable {
  struct Kernel: Equatable {
    let function: CUfunction
    let grid: SIMD3<UInt32>
    let block, shared: UInt32
    let arguments: [UInt8]
    let name: String

    static func == (a: Kernel, b: Kernel) -> Bool {
      a.function == b.function && a.grid == b.grid && a.block == b.block && a.shared == b.shared
        && a.arguments == b.arguments
    }
  }

  case kernel(Kernel)
  case product(CUDAProducts.Call)
  case copy(from: CUdeviceptr, to: CUdeviceptr, bytes: Int)
  /// Of the processor's numbers.
  case upload(to: CUdeviceptr, bytes: Int)

  var uploadedBytes: Int { if case .upload(_, let bytes) = self { bytes } else { 0 } }

  /// For messages.
  var name: String {
    switch self {
    case .kernel(let kernel): kernel.name
    case .product: "cublasLtMatmul"
    case .copy: "cuMemcpyDtoDAsync"
    case .upload: "cuMemcpyHtoDAsync"
    }
  }
}
