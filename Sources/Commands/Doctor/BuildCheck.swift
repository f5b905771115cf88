import Foundation
import ImitationKit

/// What this program is and runs on.
enum BuildCheck {
  static var findings: [Finding] {
    let cores = ProcessorCores.count
    func gigabytes(_ bytes: Int) -> String { String(format: "%.1f GB", Double(bytes) / 1e9) }
    let memory = gigabytes(Int(ProcessInfo.processInfo.physicalMemory))
    return [
      Finding(
        "imitate", .ok,
        "version \(Toolkit.version), \(kernelVariant) kernels, \(cores) core\(cores == 1 ? "" : "s"), "
          + "\(gigabytes(MachineMemory.free)) of \(memory) memory free"),
      Finding(
        "libraries", .ok,
        "HDF5 \(HDF5File.libraryVersion), OpenBLAS \(openBLASVersion), \(Image.jpegLibrary)"),
    ]
  }
}
