import Foundation

/// NVIDIA's GPUs and their driver, as far as they are there.
package struct GraphicsProcessor: Codable {
  /// The kernel's part: "550.54.15".
  var driver: String?
  /// The version of CUDA that libcuda is for: "12.4"; nil when it does not load.
  var cuda: String?
  /// By name and memory.
  var devices: [String] = []
  /// Why libcuda does not load or finds none.
  var problem: String?

  private static let versionFile = "/proc/driver/nvidia/version"

  /// Asks libcuda, which may hang where a driver is broken: in a child only.
  init() {
    let text = try? String(contentsOfFile: GraphicsProcessor.versionFile, encoding: .utf8)
    driver = text.flatMap(GraphicsProcessor.driverVersion)
    guard let library = dlopen("libcuda.so.1", RTLD_NOW) else {
      problem = "libcuda.so.1 does not load"
      return
    }
    func function<Function>(_ name: String, _: Function.Type) -> Function? {
      dlsym(library, name).map { unsafeBitCast($0, to: Function.self) }
    }
    typealias Number = @convention(c) (UnsafeMutablePointer<Int32>) -> Int32
    guard let start = function("cuInit", (@convention(c) (UInt32) -> Int32).self),
      let version = function("cuDriverGetVersion", Number.self), let count = function("cuDeviceGetCount", Number.self),
      let device = function("cuDeviceGet", (@convention(c) (UnsafeMutablePointer<Int32>, Int32) -> Int32).self),
      let name = function(
        "cuDeviceGetName", (@convention(c) (UnsafeMutablePointer<CChar>, Int32, Int32) -> Int32).self),
      let memory = function("cuDeviceTotalMem_v2", (@convention(c) (UnsafeMutablePointer<Int>, Int32) -> Int32).self)
    else {
      problem = "libcuda.so.1 lacks functions"
      return
    }
    var number: Int32 = 0
    if version(&number) == 0 { cuda = "\(number / 1000).\(number % 1000 / 10)" }
    let code = start(0)
    guard code == 0, count(&number) == 0 else {
      problem = "libcuda finds no device (error \(code))"
      return
    }
    for index in 0..<number {
      var (handle, bytes): (Int32, Int) = (0, 0)
      var characters = [CChar](repeating: 0, count: 256)
      guard device(&handle, index) == 0, name(&characters, 255, handle) == 0, memory(&bytes, handle) == 0 else {
        continue
      }
      devices.append(String(untilZero: characters) + String(format: ", %.0f GB", Double(bytes) / 1e9))
    }
  }

  /// "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue ...".
  package static func driverVersion(_ text: String) -> String? {
    text.split(whereSeparator: \.isWhitespace).first { word in
      word.contains(".") && word.allSatisfy { $0.isNumber || $0 == "." }
    }.map(String.init)
  }

  /// What there is, and what of it is used.
  static func finding(deadline: Double) -> Finding {
    let found: GraphicsProcessor
    do {
      found = try DoctorCheck.answer(GraphicsProcessor.self, to: ["doctor-check"], seconds: deadline)
    } catch {
      return Finding("gpu", .broken, "asking libcuda: \(error); imitate makes no use of it yet")
    }
    guard found.driver != nil || found.cuda != nil else { return Finding("gpu", .absent, "no NVIDIA driver") }
    let versions = ["driver": found.driver, "cuda": found.cuda].compactMapValues(\.self)
    let parts =
      [found.devices.isEmpty ? nil : found.devices.joined(separator: "; "), versions.listed, found.problem]
      .compactMap(\.self)
    return Finding(
      "gpu", found.problem == nil ? .ok : .broken,
      parts.joined(separator: "; ") + "; imitate makes no use of it yet: it computes on the CPU", versions: versions)
  }
}
