import ArgumentParser
import CUDA
import Foundation
import ImitationKit
import Tensors

/// `imitate cuda`: what of CUDA is there, and whether the GPU computes right.
struct CUDAReport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cuda",
    abstract: "Say which GPU and CUDA libraries are used, and check that they compute right.",
    discussion: """
      Libraries are looked for in IMITATE_CUDA_LIBRARIES (folders), in the system's own places, in CUDA_PATH and CUDA_HOME, \
      and among the packages of the Python environment in use.
      """)

  @Option(help: "The GPU, counted from 0.") var number = 0
  @Flag(help: "Compare every kernel with the processor, run each twice, and time it.") var check = false
  @Option(help: "How products round with --check: tf32, bf16 or float32.") var precision = ProductPrecision.tf32
  @Option(help: "How large the batches of --check are.") var size = 64

  func validate() throws { try requirePositive(("size", size)) }

  func run() throws {
    let device = try CUDADevice(number: number, precision: precision)
    let rows =
      [["GPU", "\(device.name), compute capability \(device.capability.major).\(device.capability.minor)"]]
      + device.libraryPaths.map { [$0.name, $0.path] }
    print(table(["part", "found"], rows))
    guard check else { return }
    let (count, wrong) = try CUDACheck(device, size: size).report {
      print($0)
      fflush(nil)
    }
    guard wrong.isEmpty else {
      throw CommandFailure("\(device.name) computes otherwise: \(wrong.joined(separator: ", "))")
    }
    print("\(count) of \(count) as on the processor")
  }
}

extension ProductPrecision: ExpressibleByArgument {}
