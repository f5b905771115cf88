import Foundation

/// The part of NVIDIA's driver that is in the kernel.
package enum KernelDriver {
  /// "550.54.15"; nil without a driver.
  package static var version: String? {
    (try? String(contentsOfFile: "/proc/driver/nvidia/version", encoding: .utf8)).flatMap(version(in:))
  }

  /// "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue ...".
  package static func version(in text: String) -> String? {
    text.split(whereSeparator: \.isWhitespace).first { word in
      word.contains(".") && word.allSatisfy { $0.isNumber || $0 == "." }
    }.map(String.init)
  }
}
