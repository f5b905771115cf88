import CCUDA

/// Why a GPU is not used, or was lost.
public enum CUDAError: Error, Equatable, CustomStringConvertible {
  /// None of the places has it.
  case libraryNotFound(String, looked: [String])
  /// It is there and lacks a function, or cannot be opened.
  case libraryUnusable(String, path: String, reason: String)
  /// The driver found no GPU.
  case noDevice
  /// There are fewer GPUs than `number` asks for.
  case noSuchDevice(number: Int, count: Int)
  /// Older than the kernels are written for.
  case tooOld(name: String, capability: String)
  /// The driver is for an older CUDA.
  case driverTooOld(version: String)
  /// NVRTC knows no GPUs of this generation.
  case compilerTooOld(version: String, capability: String)
  /// What was asked for and what tensors hold, in bytes.
  case outOfMemory(wanted: Int, used: Int, device: String)
  /// A call failed; after some failures the GPU's context is gone and the process has to end.
  case failed(call: String, reason: String)
  /// A kernel's file did not compile.
  case compilation(file: String, log: String)

  public var description: String {
    switch self {
    case .libraryNotFound(let name, let looked):
      "\(name) was not found (looked for \(looked.joined(separator: ", "))): "
        + "`imitate cuda` says where; IMITATE_CUDA_LIBRARIES names more folders"
    case .libraryUnusable(let name, let path, let reason): "\(name) at \(path) cannot be used: \(reason)"
    case .noDevice: "the CUDA driver found no GPU"
    case .noSuchDevice(let number, let count): "there is no GPU \(number): the driver found \(count), counted from 0"
    case .tooOld(let name, let capability):
      "the GPU \(name) has compute capability \(capability); 8.0 (Ampere) or later is needed"
    case .driverTooOld(let version): "the driver is for CUDA \(version); 12.0 or later is needed"
    case .compilerTooOld(let version, let capability):
      "NVRTC \(version) does not compile for compute capability \(capability): install a later one "
        + "(pip install --upgrade nvidia-cuda-nvrtc-cu12) or name its folder in IMITATE_CUDA_LIBRARIES"
    case .outOfMemory(let wanted, let used, let device):
      "\(device) is out of memory: \(wanted >> 20) MB were asked for with \(used >> 20) MB in use; "
        + "a smaller training.batch needs less"
    case .failed(let call, let reason): "the GPU failed: \(call): \(reason)"
    case .compilation(let file, let log): "NVRTC did not compile \(file): \(log)"
    }
  }
}
