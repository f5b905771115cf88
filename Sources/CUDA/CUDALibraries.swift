import CCUDA
import Foundation

/// The CUDA libraries of this machine, opened at run time: nothing of them is needed to build or to run on a processor.
///
/// Looked for, first hit wins: the folders (or the one file) of IMITATE_CUDA_LIBRARIES, the system's own search, `CUDA_PATH`
/// and `CUDA_HOME`, the usual folders, and the Python wheels of `VIRTUAL_ENV`, `CONDA_PREFIX` and of the `python3` on the PATH.
final class CUDALibraries: @unchecked Sendable {  // Written in `init` only.
  private(set) var driver = ccuda_driver()
  /// The same, for calls by way of C.
  let driverTable = UnsafeMutablePointer<ccuda_driver>.allocate(capacity: 1)
  private(set) var compiler = ccuda_nvrtc()
  private(set) var products = ccuda_blas()
  /// Of the driver: 12040 for CUDA 12.4.
  private(set) var driverVersion: Int32 = 0
  /// The file of each library that was opened.
  private(set) var paths: [(name: String, path: String)] = []

  init(environment: [String: String] = ProcessInfo.processInfo.environment) throws(CUDAError) {
    let places = Places(environment)
    paths.append(("driver", try CUDALibraries.openDriver(places, &driver)))
    driverTable.initialize(to: driver)
    _ = driver.cuDriverGetVersion(&driverVersion)
    guard driverVersion >= 12_000 else { throw .driverTooOld(version: CUDALibraries.version(driverVersion)) }
    // Libraries of a later major version than the driver's do not run on it.
    let majors = driverVersion >= 13_000 ? [13, 12] : [12]
    let nvrtc = try CUDALibraries.open("NVRTC", majors.map { "libnvrtc.so.\($0)" }, places)
    try CUDALibraries.fill("NVRTC", nvrtc.path, ccuda_fill_nvrtc(nvrtc.handle, &compiler))
    paths.append(("NVRTC", CUDALibraries.text(ccuda_path_of_nvrtc(&compiler)) ?? nvrtc.path))
    let blas = try CUDALibraries.open("cuBLASLt", majors.map { "libcublasLt.so.\($0)" }, places)
    try CUDALibraries.fill("cuBLASLt", blas.path, ccuda_fill_blas(blas.handle, &products))
    paths.append(("cuBLASLt", CUDALibraries.text(ccuda_path_of_blas(&products)) ?? blas.path))
  }

  fileprivate static func openDriver(_ places: Places, _ table: inout ccuda_driver) throws(CUDAError) -> String {
    let system = try open("the CUDA driver", ["libcuda.so.1"], places)
    try fill("the CUDA driver", system.path, ccuda_fill_driver(system.handle, &table))
    return text(ccuda_path_of_driver(&table)) ?? system.path
  }

  /// NCCL, for several GPUs.
  static func openNetwork(_ environment: [String: String], _ table: inout ccuda_nccl) throws(CUDAError) {
    let found = try open("NCCL", ["libnccl.so.2"], Places(environment))
    try fill("NCCL", found.path, ccuda_fill_nccl(found.handle, &table))
  }

  /// 12040 as 12.4.
  fileprivate static func version(_ number: Int32) -> String { "\(number / 1000).\(number % 1000 / 10)" }

  private static func text(_ pointer: UnsafePointer<CChar>?) -> String? { pointer.map { String(cString: $0) } }

  private static func fill(_ name: String, _ path: String, _ missing: UnsafePointer<CChar>?) throws(CUDAError) {
    if let missing = text(missing) { throw .libraryUnusable(name, path: path, reason: "it has no \(missing)") }
  }

  private static func open(
    _ name: String, _ files: [String], _ places: Places
  ) throws(CUDAError) -> (handle: UnsafeMutableRawPointer, path: String) {
    var unusable: CUDAError?
    for file in files {
      for path in places.candidates(file) {
        var handle: UnsafeMutableRawPointer?
        var message = [CChar](repeating: 0, count: 512)
        if ccuda_open(path, &handle, &message, message.count) == 0, let handle { return (handle, path) }
        if path.contains("/") {
          let reason = String(decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
          unusable = .libraryUnusable(name, path: path, reason: reason)
        }
      }
    }
    throw unusable ?? .libraryNotFound(name, looked: files)
  }

  /// Where libraries may be.
  fileprivate struct Places {
    /// One file that stands for all of them: a test's.
    let single: String?
    private let named: [String]
    private let folders: [String]

    init(_ environment: [String: String]) {
      let manager = FileManager.default
      func isFolder(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return manager.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
      }
      let own = (environment["IMITATE_CUDA_LIBRARIES"] ?? "").split(separator: ":").map(String.init)
      single = own.first { manager.fileExists(atPath: $0) && !isFolder($0) }
      named = own.filter(isFolder)
      var found: [String] = []
      for (variable, below) in [
        ("CUDA_PATH", "lib64"), ("CUDA_HOME", "lib64"),
      ] {
        if let root = environment[variable] { found.append("\(root)/\(below)") }
      }
      found += [
        "/usr/local/cuda/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/local/nvidia/lib64", "/usr/lib/wsl/lib",
      ]
      var prefixes = ["VIRTUAL_ENV", "CONDA_PREFIX"].compactMap { environment[$0] }
      let path = (environment["PATH"] ?? "").split(separator: ":")
      if let folder = path.first(where: { manager.isExecutableFile(atPath: "\($0)/python3") }) {
        prefixes.append(String(folder).parentFolder)
      }
      for prefix in prefixes {
        let versions = ((try? manager.contentsOfDirectory(atPath: "\(prefix)/lib")) ?? []).sorted()
        for version in versions where version.hasPrefix("python3") {
          let wheels = "\(prefix)/lib/\(version)/site-packages/nvidia"
          for part in ["cu13/lib", "cuda_nvrtc/lib", "cublas/lib", "nccl/lib"] {
            found.append("\(wheels)/\(part)")
          }
        }
      }
      folders = found.filter(isFolder)
    }

    func candidates(_ file: String) -> [String] {
      if let single { return [single] }
      let manager = FileManager.default
      return named.map { "\($0)/\(file)" }.filter(manager.fileExists) + [file]
        + folders.map { "\($0)/\(file)" }.filter(manager.fileExists)
    }
  }
}

/// The GPUs of this machine, whether or not anything can be computed there.
package struct CUDASurvey: Sendable {
  /// The version of CUDA that the driver is for: 12.4.
  package let version: String
  /// By name and memory.
  package let devices: [String]

  package init(environment: [String: String] = ProcessInfo.processInfo.environment) throws(CUDAError) {
    var driver = ccuda_driver()
    _ = try CUDALibraries.openDriver(CUDALibraries.Places(environment), &driver)
    var number: Int32 = 0
    version = driver.cuDriverGetVersion(&number) == CCUDA_SUCCESS ? CUDALibraries.version(number) : "unknown"
    let code = driver.cuInit(0)
    guard code == CCUDA_SUCCESS || code == CCUDA_NO_DEVICE else { throw CUDADevice.failure(driver, "cuInit", code) }
    guard code == CCUDA_SUCCESS, driver.cuDeviceGetCount(&number) == CCUDA_SUCCESS, number > 0 else { throw .noDevice }
    devices = (0..<number).compactMap { index in
      var (device, bytes): (CUdevice, Int) = (0, 0)
      guard driver.cuDeviceGet(&device, index) == CCUDA_SUCCESS,
        driver.cuDeviceTotalMem_v2(&bytes, device) == CCUDA_SUCCESS
      else { return nil }
      return CUDADevice.name(of: device, driver) + String(format: ", %.0f GB", Double(bytes) / 1e9)
    }
  }
}
