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

  static func open(_ precision: ProductPrecision) -> CUDADevice {
    try! CUDADevice(
      precision: precision, environment: ["IMITATE_CUDA_LIBRARIES": library], cache: cache)
  }

  /// Strict float32: compared with the processor's numbers.
  static let exact = open(.float32)
  static let tf32 = open(.tf32)
}
