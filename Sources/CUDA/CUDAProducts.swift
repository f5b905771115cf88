import CCUDA
import Synchronization
import Tensors

/// Matrix products by cuBLASLt. What it chooses for a shape is kept: asking costs more than multiplying.
final class CUDAProducts: @unchecked Sendable {  // Plans are locked while they are used; handles are used on one stream.
  /// One product of matrices on the device.
  struct Call: Equatable {
    var shape: Shape
    var a, b: UnsafePointer<Float>?
    var bias: UnsafePointer<Float>?
    var c: UnsafeMutablePointer<Float>?
  }

  struct Shape: Hashable {
    var m, n, k: Int
    var aTransposed = false
    var bTransposed = false
    var batch = 1
    var hasBias = false
    /// Whether all addresses are multiples of 16 bytes, as the faster kernels want them.
    var isAligned = true
    /// Whether factors stay as they are.
    var isPrecise = false
  }

  /// How one shape is multiplied.
  private struct Plan: @unchecked Sendable {
    var descriptor: cublasLtMatmulDesc_t?
    var a, b, c: cublasLtMatrixLayout_t?
    var algorithm = ccuda_blas_algorithm()
  }

  private let table: ccuda_blas
  private let handle: cublasLtHandle_t
  private let compute: Int32
  private let workspaceBytes: Int
  /// By shape; nil where cuBLASLt has nothing.
  private let plans = Mutex<[Shape: Plan?]>([:])
  private let workspace = Mutex<CUDAMemory?>(nil)

  init(
    _ libraries: CUDALibraries, capability: (major: Int, minor: Int), precision: ProductPrecision
  ) throws(CUDAError) {
    table = libraries.products
    var handle: cublasLtHandle_t?
    let status = table.cublasLtCreate(&handle)
    guard status == 0, let handle else { throw .failed(call: "cublasLtCreate", reason: "status \(status)") }
    self.handle = handle
    compute =
      switch precision {
      case .float32: Int32(CCUDA_BLAS_COMPUTE_FLOAT32)
      case .tf32: Int32(CCUDA_BLAS_COMPUTE_TF32)
      case .bf16: Int32(CCUDA_BLAS_COMPUTE_BFLOAT16)
      }
    // What NVIDIA advises.
    workspaceBytes = capability.major >= 9 ? 32 << 20 : 4 << 20
  }

  /// Whether cuBLASLt has something for products of this shape; also true after a failure.
  func knows(_ shape: Shape, _ device: CUDADevice) -> Bool {
    guard device.isReady() else { return true }
    do {
      return try plans.withLock { plans in
        let plan = try plans[shape] ?? self.plan(shape)
        plans[shape] = .some(plan)
        return plan != nil
      }
    } catch {
      device.fail(CUDAProducts.problem(error))
      return true
    }
  }

  private static func problem(_ error: any Error) -> CUDAError {
    error as? CUDAError ?? .failed(call: "cublasLtMatmul", reason: "\(error)")
  }

  /// `C = A B + bias`, row-major, of a shape that it knows. cuBLASLt's matrices are column-major, so that it computes Cᵀ = Bᵀ Aᵀ
  /// with the same memory.
  ///
  /// - Returns: what went wrong.
  func multiply(_ call: Call, _ device: CUDADevice) -> CUDAError? {
    nonisolated(unsafe) let (a, b, c) = (call.a, call.b, call.c)
    let (shape, address) = (call.shape, UInt64(UInt(bitPattern: call.bias)))
    do {
      let space = workspace.withLock { space in
        if space == nil { space = device.allocate(bytes: workspaceBytes, .scratch) }
        return space!.address
      }
      // Under the lock: a plan holds the bias of who uses it.
      try plans.withLock { plans in
        guard let plan = plans[shape] ?? nil else { return }
        if shape.hasBias { try setBias(address, in: plan) }
        var (alpha, beta, algorithm): (Float, Float, ccuda_blas_algorithm) = (1, 0, plan.algorithm)
        try did(
          "cublasLtMatmul",
          table.cublasLtMatmul(
            handle, plan.descriptor, &alpha, b, plan.b, a, plan.a, &beta, c, plan.c, c, plan.c, &algorithm,
            UnsafeMutableRawPointer(bitPattern: UInt(space)), workspaceBytes, device.stream))
      }
      return nil
    } catch {
      return CUDAProducts.problem(error)
    }
  }

  private func setBias(_ address: UInt64, in plan: Plan) throws(CUDAError) {
    var address = address
    try did(
      "bias", table.cublasLtMatmulDescSetAttribute(plan.descriptor, Int32(CCUDA_BLAS_BIAS_POINTER), &address, 8))
  }

  private func did(_ call: String, _ status: Int32) throws(CUDAError) {
    guard status == 0 else { throw .failed(call: call, reason: "cuBLASLt answered status \(status)") }
  }

  /// - Returns: nil when nothing fits.
  private func plan(_ shape: Shape) throws(CUDAError) -> Plan? {
    var plan = Plan()
    let compute = shape.isPrecise ? Int32(CCUDA_BLAS_COMPUTE_FLOAT32) : compute
    try did("descriptor", table.cublasLtMatmulDescCreate(&plan.descriptor, compute, Int32(CCUDA_BLAS_FLOAT32)))
    func set(_ attribute: Int, _ value: Int32) throws(CUDAError) {
      var value = value
      try did(
        "attribute", table.cublasLtMatmulDescSetAttribute(plan.descriptor, Int32(attribute), &value, 4))
    }
    // The first matrix is our B, the second our A.
    try set(CCUDA_BLAS_TRANSPOSE_A, shape.bTransposed ? 1 : 0)
    try set(CCUDA_BLAS_TRANSPOSE_B, shape.aTransposed ? 1 : 0)
    if shape.hasBias { try set(CCUDA_BLAS_EPILOGUE, Int32(CCUDA_BLAS_EPILOGUE_BIAS)) }
    func layout(_ rows: Int, _ columns: Int, _ step: Int) throws(CUDAError) -> cublasLtMatrixLayout_t? {
      var layout: cublasLtMatrixLayout_t?
      try did(
        "layout",
        table.cublasLtMatrixLayoutCreate(
          &layout, Int32(CCUDA_BLAS_FLOAT32), UInt64(rows), UInt64(columns), Int64(rows)))
      if shape.batch > 1 {
        var (count, stride) = (Int32(shape.batch), Int64(step))
        try did(
          "batch",
          table.cublasLtMatrixLayoutSetAttribute(layout, Int32(CCUDA_BLAS_BATCH_COUNT), &count, 4))
        try did(
          "stride",
          table.cublasLtMatrixLayoutSetAttribute(layout, Int32(CCUDA_BLAS_BATCH_STRIDE), &stride, 8))
      }
      return layout
    }
    let (m, n, k) = (shape.m, shape.n, shape.k)
    plan.b = try shape.bTransposed ? layout(k, n, k * n) : layout(n, k, k * n)
    plan.a = try shape.aTransposed ? layout(m, k, m * k) : layout(k, m, m * k)
    plan.c = try layout(n, m, m * n)
    var preference: cublasLtMatmulPreference_t?
    try did("preference", table.cublasLtMatmulPreferenceCreate(&preference))
    defer { _ = table.cublasLtMatmulPreferenceDestroy(preference) }
    var bytes = workspaceBytes
    try did(
      "workspace",
      table.cublasLtMatmulPreferenceSetAttribute(
        preference, Int32(CCUDA_BLAS_MAX_WORKSPACE_BYTES), &bytes, MemoryLayout<Int>.size))
    for attribute in [CCUDA_BLAS_ALIGNMENT_A, CCUDA_BLAS_ALIGNMENT_B, CCUDA_BLAS_ALIGNMENT_C, CCUDA_BLAS_ALIGNMENT_D] {
      var alignment: UInt32 = shape.isAligned ? 16 : 4
      try did(
        "alignment",
        table.cublasLtMatmulPreferenceSetAttribute(preference, Int32(attribute), &alignment, 4))
    }
    var choice = ccuda_blas_choice()
    var found: Int32 = 0
    // Some versions look at the address, too.
    if shape.hasBias { try setBias(256, in: plan) }
    let status = table.cublasLtMatmulAlgoGetHeuristic(
      handle, plan.descriptor, plan.b, plan.a, plan.c, plan.c, preference, 1, &choice, &found)
    guard status == 0, found > 0, choice.status == 0 else { return nil }
    plan.algorithm = choice.algorithm
    return plan
  }
}
