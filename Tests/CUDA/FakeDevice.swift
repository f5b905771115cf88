import CUDA
import Foundation
import Support
import Tensors

/// The fake GPU: the kernels' own files on the processor, behind libraries that answer like CUDA's.
enum FakeDevice {
  /// The library stands beside the tests.
  static let library: String = {
    let folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().path
    let candidates = [folder, Bundle.main.bundlePath].map { $0 + "/libFakeCUDA.so" }
    return candidates.first { FileManager.default.fileExists(atPath: $0) } ?? candidates[0]
  }()

  /// Kernels are "compiled" into a folder of this run's own.
  static let cache = NSTemporaryDirectory() + "imitate-cuda-\(getpid())"

  static func open(_ precision: ProductPrecision) -> CUDADevice { try! opened(precision) }

  /// One that multiplies the windows of a convolution few at a time.
  static let chunked = try! opened(.float32, mostWindows: 300)

  static func opened(
    _ precision: ProductPrecision, number: Int = 0, mostWindows: Int = 1 << 26, graphs: Bool = true
  ) throws(CUDAError) -> CUDADevice {
    var environment = ["IMITATE_CUDA_LIBRARIES": library]
    if !graphs { environment["IMITATE_CUDA_GRAPHS"] = "0" }
    return try CUDADevice(
      number: number, precision: precision, environment: environment, cache: cache, mostWindows: mostWindows)
  }

  /// Strict float32: compared with the processor's numbers.
  static let exact = open(.float32)
  /// The same without graphs.
  static let plain = try! opened(.float32, graphs: false)
  static let tf32 = open(.tf32)
  static let bf16 = open(.bf16)

  private static func function<Function>(_ name: String, as _: Function.Type) -> Function {
    let handle = dlopen(library, RTLD_NOW | RTLD_LOCAL)
    return unsafeBitCast(dlsym(handle, name)!, to: Function.self)
  }

  private static func reset() { function("fake_cuda_reset", as: (@convention(c) () -> Void).self)() }

  /// How often a kernel was launched, or a function called, since the settings were last read.
  static func calls(_ name: String) -> Int {
    typealias Count =
      @convention(c) (UnsafePointer<CChar>, UnsafeMutablePointer<Int>, UnsafeMutablePointer<Int>) -> Void
    var (calls, bytes) = (0, 0)
    function("fake_cuda_counts", as: Count.self)(name, &calls, &bytes)
    return calls
  }

  /// Device memory that the process has from the fake.
  static var bytesInUse: Int {
    typealias Report = @convention(c) (UnsafeMutablePointer<Int>, UnsafeMutablePointer<Int>) -> Void
    var (now, peak) = (0, 0)
    function("fake_cuda_memory", as: Report.self)(&now, &peak)
    return now
  }

  /// The next call of that name but `number - 1` others gives `code`.
  static func fail(_ call: String, _ number: Int32, code: Int32) {
    typealias Fail = @convention(c) (UnsafePointer<CChar>, Int32, Int32) -> Void
    function("fake_cuda_fail", as: Fail.self)(call, number, code)
  }

  /// Runs `body` with settings of the fake, `NAME=value`, and forgets them and all faults afterwards.
  static func with<Result>(_ settings: [String], _ body: () throws -> Result) rethrows -> Result {
    let pairs = settings.map { $0.split(separator: "=").map(String.init) }
    setenv("FAKE_CUDA_QUIET", "1", 1)
    for pair in pairs { setenv(pair[0], pair[1], 1) }
    reset()
    defer {
      for pair in pairs { unsetenv(pair[0]) }
      reset()
    }
    return try body()
  }
}
