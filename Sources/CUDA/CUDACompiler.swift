import CCUDA
import Files
import Foundation
import Tensors

/// Machine code of the kernels' files for one device: compiled by NVRTC at the first use, and kept in the cache folder.
package struct CUDACompiler {
  /// Where compiled kernels are kept.
  package static var cacheFolder: String { CacheFolder.path + "/cuda" }

  private let table: ccuda_nvrtc
  private let architecture: String
  private let cache: String

  /// - Parameter capability: of the device: (9, 0).
  init(_ libraries: CUDALibraries, capability: (major: Int, minor: Int), cache: String) throws(CUDAError) {
    table = libraries.compiler
    self.cache = cache
    var count: Int32 = 0
    _ = table.nvrtcGetNumSupportedArchs(&count)
    var known = [Int32](repeating: 0, count: Int(count))
    _ = table.nvrtcGetSupportedArchs(&known)
    // Machine code for a GPU runs on later ones of its generation: 8.6's on 8.9, never 8.0's on 9.0.
    let own = capability.major * 10 + capability.minor
    guard let best = known.map(Int.init).filter({ $0 / 10 == capability.major && $0 <= own }).max() else {
      var (major, minor): (Int32, Int32) = (0, 0)
      _ = table.nvrtcVersion(&major, &minor)
      throw .compilerTooOld(version: "\(major).\(minor)", capability: "\(capability.major).\(capability.minor)")
    }
    architecture = "sm_\(best)"
  }

  /// Every source and header by name.
  static let files: [String: [UInt8]] = {
    let headers = ["Arguments.h", "Dialect.h"]
    let kernels = [
      "Elementwise", "Movement", "Reductions", "Rows", "Channels", "Attention", "Convolution", "Pooling", "Optimizer",
      "Random", "Points", "Harmonics", "Splats",
    ]
    return Dictionary(
      uniqueKeysWithValues: headers.map { ($0, EmbeddedFile.bytes($0)) }
        + kernels.map { ($0, EmbeddedFile.bytes($0 + ".cu")) })
  }()

  private func options(_ macro: String?) -> [String] {
    [
      "--gpu-architecture=\(architecture)", "--std=c++17", "--minimal", "--restrict", "--fmad=true",
      // For lambdas that kernels hand to each other.
      "--device-as-default-execution-space",
    ] + (macro.map { ["--define-macro=\($0)"] } ?? [])
  }

  /// - Parameters:
  ///   - again: compiles it although it was kept.
  ///   - part: a file of kernels, or as much of it as a macro leaves: `Elementwise`, `Attention:ATTENTION_WIDTH=64`.
  func image(_ part: String, again: Bool = false) throws(CUDAError) -> [UInt8] {
    let words = part.split(separator: ":").map(String.init)
    let name = words[0]
    let options = options(words.count > 1 ? words[1] : nil)
    let source = CUDACompiler.files[name]!
    var (major, minor): (Int32, Int32) = (0, 0)
    _ = table.nvrtcVersion(&major, &minor)
    var hash = StableHash()
    for part in [source, CUDACompiler.files["Arguments.h"]!, CUDACompiler.files["Dialect.h"]!] {
      hash.add(part)
      hash.add([0] as [UInt8])
    }
    hash.add("\(options) \(major).\(minor)".utf8)
    let key = String(format: "%016lx", hash.value)
    let path = "\(cache)/\(name)-\(architecture)-\(key).cubin"
    if !again, let kept = FileManager.default.contents(atPath: path), !kept.isEmpty { return Array(kept) }
    let image = try compiled(name, source, options)
    // A cache that cannot be written costs time only.
    try? FileManager.default.createDirectory(atPath: cache, withIntermediateDirectories: true)
    try? Data(image).write(to: URL(fileURLWithPath: path), options: .atomic)
    return image
  }

  private func compiled(_ name: String, _ source: [UInt8], _ options: [String]) throws(CUDAError) -> [UInt8] {
    var program: nvrtcProgram?
    let headers = ["Dialect.h", "Arguments.h"]
    let status = CUDACompiler.withStrings([String(decoding: source, as: UTF8.self), name + ".cu"]) { texts in
      CUDACompiler.withStrings(headers.map { String(decoding: CUDACompiler.files[$0]!, as: UTF8.self) }) { contents in
        CUDACompiler.withStrings(headers) { names in
          table.nvrtcCreateProgram(&program, texts[0], texts[1], Int32(headers.count), contents, names)
        }
      }
    }
    guard status == CCUDA_NVRTC_SUCCESS else {
      throw .failed(call: "nvrtcCreateProgram", reason: text(status))
    }
    defer { _ = table.nvrtcDestroyProgram(&program) }
    func compile(_ options: [String]) -> Int32 {
      CUDACompiler.withStrings(options) { table.nvrtcCompileProgram(program, Int32(options.count), $0) }
    }
    var result = compile(options)
    // Only saves time, and the first releases of CUDA 12 do not know it.
    if result == CCUDA_NVRTC_INVALID_OPTION { result = compile(options.filter { $0 != "--minimal" }) }
    guard result == CCUDA_NVRTC_SUCCESS else {
      var size = 0
      _ = table.nvrtcGetProgramLogSize(program, &size)
      var log = [CChar](repeating: 0, count: size + 1)
      _ = table.nvrtcGetProgramLog(program, &log)
      let said = String(decoding: log.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      throw .compilation(file: name, log: said.isEmpty ? text(result) : said)
    }
    var size = 0
    _ = table.nvrtcGetCUBINSize(program, &size)
    var image = [CChar](repeating: 0, count: size)
    _ = table.nvrtcGetCUBIN(program, &image)
    return image.map(UInt8.init(bitPattern:))
  }

  private func text(_ status: Int32) -> String {
    table.nvrtcGetErrorString(status).map { String(cString: $0) } ?? "\(status)"
  }

  private static func withStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Result
  ) -> Result {
    let pointers = strings.map { UnsafePointer(strdup($0)) }
    defer { for pointer in pointers { free(UnsafeMutablePointer(mutating: pointer)) } }
    return pointers.withUnsafeBufferPointer { body($0.baseAddress!) }
  }
}
