import CCUDA
import Foundation
import Synchronization
import Tensors

/// One GPU: its memory, its compiled kernels, and the stream on which everything runs in order.
///
/// Operations return before they are computed. A call that fails is remembered, nothing is launched after it, and what is read
/// then is not a number: `check` throws it, which whoever trains or acts asks for at every step.
package final class CUDADevice: @unchecked Sendable {  // `functions` and `staging` are locked; the rest is written in `init`.
  package let name: String
  /// Compute capability: 9.0 is (9, 0).
  package let capability: (major: Int, minor: Int)
  package let precision: ProductPrecision
  /// What the present task computes on.
  package static var current: CUDADevice? { Device.current as? CUDADevice }

  /// The library's file by its name, for reports.
  package var libraryPaths: [(name: String, path: String)] { libraries.paths }

  /// Numbers of a convolution's windows that are multiplied at once.
  let mostWindows: Int
  let libraries: CUDALibraries
  /// Where libraries are looked for.
  let environment: [String: String]
  let pool = CUDAPool()
  let stream: CUstream
  let products: CUDAProducts
  private let context: CUcontext
  private let compiler: CUDACompiler
  private let functions = Mutex<[String: CUDAFunction]>([:])
  private let modules = Mutex<[String: CUDAFunction]>([:])
  private let staging: CUDAStaging
  private let problem = Mutex<CUDAError?>(nil)
  private let hasFailed = Atomic<Bool>(false)
  let graphs: CUDAGraphs
  private let counts = Mutex(CUDATransfers())
  private let launched = Atomic<Int>(0)

  /// A pointer of the driver: made once, never changed.
  private struct CUDAFunction: @unchecked Sendable { let pointer: UnsafeMutableRawPointer? }

  /// Says what a user may want to know while it computes.
  package var tell: (@Sendable (String) -> Void)? {
    get { graphs.tell.withLock { $0 } }
    set { graphs.tell.withLock { $0 = newValue } }
  }

  /// - Parameters:
  ///   - number: of the GPU, counted from 0 among those that the driver shows.
  ///   - environment: says where libraries are.
  ///   - cache: the folder of compiled kernels.
  ///   - mostWindows: numbers of a convolution's windows that are multiplied at once: 256 MB of them.
  package init(
    number: Int = 0, precision: ProductPrecision = .tf32,
    environment: [String: String] = ProcessInfo.processInfo.environment, cache: String = CUDACompiler.cacheFolder,
    mostWindows: Int = 1 << 26
  ) throws(CUDAError) {
    let libraries = try CUDALibraries(environment: environment)
    self.libraries = libraries
    self.environment = environment
    self.precision = precision
    self.mostWindows = mostWindows
    let driver = libraries.driver
    func check(_ call: String, _ result: CUresult) throws(CUDAError) {
      if result == CCUDA_NO_DEVICE { throw .noDevice }
      guard result == CCUDA_SUCCESS else { throw CUDADevice.failure(driver, call, result) }
    }
    try check("cuInit", driver.cuInit(0))
    var count: Int32 = 0
    try check("cuDeviceGetCount", driver.cuDeviceGetCount(&count))
    guard count > 0 else { throw .noDevice }
    guard number >= 0, number < count else { throw .noSuchDevice(number: number, count: Int(count)) }
    var device: CUdevice = 0
    try check("cuDeviceGet", driver.cuDeviceGet(&device, Int32(number)))
    name = CUDADevice.name(of: device, driver)
    func attribute(_ which: Int) -> Int {
      var value: Int32 = 0
      _ = driver.cuDeviceGetAttribute(&value, Int32(which), device)
      return Int(value)
    }
    capability = (attribute(CCUDA_CAPABILITY_MAJOR), attribute(CCUDA_CAPABILITY_MINOR))
    guard capability.major >= 8 else {
      throw .tooOld(name: name, capability: "\(capability.major).\(capability.minor)")
    }
    var context: CUcontext?
    try check("cuDevicePrimaryCtxRetain", driver.cuDevicePrimaryCtxRetain(&context, device))
    try check("cuCtxSetCurrent", driver.cuCtxSetCurrent(context))
    self.context = context!
    var stream: CUstream?
    try check("cuStreamCreate", driver.cuStreamCreate(&stream, UInt32(CCUDA_STREAM_NON_BLOCKING)))
    self.stream = stream!
    compiler = try CUDACompiler(libraries, capability: capability, cache: cache)
    staging = CUDAStaging()
    graphs = CUDAGraphs(isOn: environment["IMITATE_CUDA_GRAPHS"] != "0")
    products = try CUDAProducts(libraries, capability: capability, precision: precision)
  }

  static func name(of device: CUdevice, _ driver: ccuda_driver) -> String {
    var text = [CChar](repeating: 0, count: 256)
    _ = driver.cuDeviceGetName(&text, 255, device)
    return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  static func failure(_ driver: ccuda_driver, _ call: String, _ result: CUresult) -> CUDAError {
    var text: UnsafePointer<CChar>?
    _ = driver.cuGetErrorString(result, &text)
    return .failed(call: call, reason: text.map { String(cString: $0) } ?? "error \(result)")
  }

  // MARK: Failures

  /// Throws what went wrong since the device was made.
  package func check() throws {
    guard hasFailed.load(ordering: .acquiring), let error = problem.withLock({ $0 }) else { return }
    throw error
  }

  func fail(_ error: CUDAError) {
    problem.withLock { if $0 == nil { $0 = error } }
    hasFailed.store(true, ordering: .releasing)
  }

  @discardableResult func did(_ call: String, _ result: CUresult) -> Bool {
    if result == CCUDA_SUCCESS { return true }
    fail(CUDADevice.failure(libraries.driver, call, result))
    return false
  }

  /// Whether anything may still be launched. Makes the context this thread's.
  func isReady() -> Bool {
    !hasFailed.load(ordering: .acquiring) && did("cuCtxSetCurrent", libraries.driver.cuCtxSetCurrent(context))
  }

  // MARK: Memory

  package var memory: MemoryReport? { pool.report }

  package func startCounting() { pool.restart() }

  func allocate(bytes: Int, _ kind: MemoryKind? = nil) -> CUDAMemory {
    let kind = kind ?? Memory.kind
    let driver = libraries.driver
    var address: CUdeviceptr = 0
    if isReady() {
      func more(_ size: Int) -> CUdeviceptr? {
        var fresh: CUdeviceptr = 0
        return driver.cuMemAlloc_v2(&fresh, size) == CCUDA_SUCCESS ? fresh : nil
      }
      var found = pool.take(bytes: bytes, kind, more: more)
      if found == nil {
        // What lies free in pieces of other sizes.
        synchronize()
        graphs.forget(self)
        pool.returnFree { did("cuMemFree", driver.cuMemFree_v2($0)) }
        found = pool.take(bytes: bytes, kind, more: more)
      }
      if let found { address = found } else { fail(.outOfMemory(wanted: bytes, used: pool.held, device: name)) }
    }
    return CUDAMemory(self, address: address, bytes: bytes, kind: kind)
  }

  func allocate(floats: Int, _ kind: MemoryKind? = nil) -> CUDAMemory { allocate(bytes: floats * 4, kind) }

  /// The numbers of `storage` in this device's memory.
  func memory(_ storage: Storage) -> CUDAMemory {
    storage.memory(where: { $0.device === self }) { host in
      let memory = allocate(floats: storage.count, storage.kind)
      upload(UnsafeRawPointer(host), bytes: storage.count * 4, to: memory)
      return memory
    }
  }

  func upload<Element>(_ values: [Element], _ kind: MemoryKind? = nil) -> CUDAMemory {
    let bytes = values.count * MemoryLayout<Element>.stride
    let memory = allocate(bytes: bytes, kind)
    values.withUnsafeBytes { if let base = $0.baseAddress { upload(base, bytes: bytes, to: memory) } }
    return memory
  }

  private func upload(_ from: UnsafeRawPointer, bytes: Int, to memory: CUDAMemory) {
    guard bytes > 0 else { return }
    counts.withLock {
      $0.uploads += 1; $0.uploadedBytes += bytes
    }
    submit(.upload(to: memory.address, bytes: bytes), from)
  }

  func read(_ memory: CUDAMemory, into host: UnsafeMutablePointer<Float>, count: Int) {
    read(memory.address, into: UnsafeMutableRawPointer(host), bytes: count * 4)
    if hasFailed.load(ordering: .acquiring) { host.update(repeating: .nan, count: count) }
  }

  func read(_ address: CUdeviceptr, into host: UnsafeMutableRawPointer, bytes: Int) {
    guard bytes > 0, isReady() else { return }
    counts.withLock {
      $0.downloads += 1; $0.downloadedBytes += bytes
    }
    graphs.apart(self) {
      did("cuMemcpyDtoHAsync", libraries.driver.cuMemcpyDtoHAsync_v2(host, address, bytes, stream))
      wait()
    }
  }

  /// Waits until all that was launched has run.
  package func synchronize() {
    guard isReady() else { return }
    graphs.apart(self) { wait() }
  }

  private func wait() { did("cuStreamSynchronize", libraries.driver.cuStreamSynchronize(stream)) }

  /// What was copied between the processor and the device so far.
  package var transfers: CUDATransfers { counts.withLock { $0 } }

  // MARK: Kernels

  /// How many kernels of ours were launched so far.
  package var launches: Int { launched.load(ordering: .relaxed) }

  /// Launches the kernel `name` of the file `file`; does nothing after a failure.
  func launch<Arguments>(
    _ file: String, _ name: String, _ arguments: Arguments, grid: (Int, Int, Int), block: Int, shared: Int = 0
  ) {
    guard grid.0 > 0, grid.1 > 0, grid.2 > 0, isReady(), let function = function(file, name) else { return }
    // Kernels have a few kilobytes of their own beside it.
    if shared > 40 << 10 {
      let attribute = Int32(CCUDA_FUNCTION_MAX_DYNAMIC_SHARED_BYTES)
      did("cuFuncSetAttribute", libraries.driver.cuFuncSetAttribute(function, attribute, Int32(shared)))
    }
    launched.add(1, ordering: .relaxed)
    let kernel = CUDAWork.Kernel(
      function: function, grid: SIMD3(UInt32(grid.0), UInt32(grid.1), UInt32(grid.2)), block: UInt32(block),
      shared: UInt32(shared), arguments: withUnsafeBytes(of: arguments) { [UInt8]($0) }, name: name)
    submit(.kernel(kernel))
  }

  /// Has the stream do something now, or when the step ends that it is part of; nothing after a failure.
  ///
  /// - Parameter source: the numbers of an upload; they may change when this returns.
  func submit(_ work: CUDAWork, _ source: UnsafeRawPointer? = nil) {
    if isReady() { graphs.submit(work, source, self) }
  }

  /// Has the stream do something now.
  ///
  /// - Returns: what went wrong.
  func issue(_ work: CUDAWork, _ source: UnsafeRawPointer? = nil) -> CUDAError? {
    let result: CUresult
    switch work {
    case .kernel(let kernel):
      result = kernel.arguments.withUnsafeBytes {
        ccuda_launch(
          libraries.driverTable, kernel.function, kernel.grid.x, kernel.grid.y, kernel.grid.z, kernel.block,
          kernel.shared, stream, $0.baseAddress!)
      }
    case .product(let call): return products.multiply(call, self)
    case .copy(let from, let to, let bytes): result = libraries.driver.cuMemcpyDtoDAsync_v2(to, from, bytes, stream)
    case .upload(let to, let bytes):
      staging.upload(source!, bytes: bytes, to: to, self)
      return nil
    }
    return result == CCUDA_SUCCESS ? nil : CUDADevice.failure(libraries.driver, work.name, result)
  }

  /// The same; a failure is remembered.
  func issueNow(_ work: CUDAWork, _ source: UnsafeRawPointer? = nil) {
    if let error = issue(work, source) { fail(error) }
  }

  package func repeated<Result>(_ name: String, _ body: () throws -> Result) rethrows -> Result {
    try graphs.repeated(name, self, body)
  }

  /// How often a step was launched as one graph so far.
  package var graphLaunches: Int { graphs.launches }

  /// An elementwise kernel: four numbers a thread, a grid that strides.
  func launch<Arguments>(_ file: String, _ name: String, _ arguments: Arguments, numbers: Int) {
    launch(file, name, arguments, grid: (min((numbers + 1023) / 1024, 8192), 1, 1), block: 256)
  }

  private func function(_ file: String, _ name: String) -> CUfunction? {
    if let known = functions.withLock({ $0[name] }) { return known.pointer }
    do throws(CUDAError) {
      let module = try module(file)
      var function: CUfunction?
      guard did("cuModuleGetFunction \(name)", libraries.driver.cuModuleGetFunction(&function, module, name)) else {
        return nil
      }
      let found = CUDAFunction(pointer: function)
      functions.withLock { $0[name] = found }
      return function
    } catch {
      fail(error)
      return nil
    }
  }

  private func module(_ file: String) throws(CUDAError) -> CUmodule? {
    if let known = modules.withLock({ $0[file] }) { return known.pointer }
    var module: CUmodule?
    func load(_ image: [UInt8]) -> CUresult {
      image.withUnsafeBytes { libraries.driver.cuModuleLoadData(&module, $0.baseAddress!) }
    }
    var result = load(try compiler.image(file))
    // What was kept may be damaged.
    if result != CCUDA_SUCCESS { result = load(try compiler.image(file, again: true)) }
    guard result == CCUDA_SUCCESS else {
      throw CUDADevice.failure(libraries.driver, "cuModuleLoadData \(file)", result)
    }
    let loaded = CUDAFunction(pointer: module)
    modules.withLock { $0[file] = loaded }
    return module
  }
}

/// Copies between the processor and the device.
package struct CUDATransfers: Sendable, Equatable {
  package var uploads = 0
  package var uploadedBytes = 0
  package var downloads = 0
  package var downloadedBytes = 0

  /// What has been copied since.
  package func since(_ other: CUDATransfers) -> CUDATransfers {
    CUDATransfers(
      uploads: uploads - other.uploads, uploadedBytes: uploadedBytes - other.uploadedBytes,
      downloads: downloads - other.downloads, downloadedBytes: downloadedBytes - other.downloadedBytes)
  }
}
