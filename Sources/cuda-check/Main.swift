import ArgumentParser
import CUDA
import Foundation
import Tensors

/// `imitate cuda --check` for a machine that has a GPU and nothing else of ours.
@main struct Main: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cuda-check",
    abstract: "Compare every kernel of ImitationKit on this GPU with the processor, run each twice, and time it.")

  @Option(help: "The GPU, counted from 0.") var number = 0
  @Option(help: "How products round: tf32, bf16 or float32.") var precision = ProductPrecision.tf32
  @Option(help: "How large the batches are.") var size = 64

  func validate() throws {
    if size < 1 { throw ValidationError("--size must be 1 or more") }
  }

  func run() throws {
    do {
      let device = try CUDADevice(number: number, precision: precision)
      print("\(device.name), compute capability \(device.capability.major).\(device.capability.minor)")
      for (name, path) in device.libraryPaths { print("\(name): \(path)") }
      let (count, wrong) = try CUDACheck(device, size: size).report {
        print($0)
        fflush(nil)
      }
      if wrong.isEmpty { return print("\(count) of \(count) as on the processor") }
      print("computes otherwise: \(wrong.joined(separator: ", "))")
    } catch {
      FileHandle.standardError.write(Data("cuda-check: \(error)\n".utf8))
    }
    throw ExitCode.failure
  }
}

extension ProductPrecision: ExpressibleByArgument {}
