import Foundation
import Testing

/// The commands on a GPU: the fake one, whose library stands beside the executable.
@Suite struct DeviceTests {
  private static let fake = [
    "IMITATE_CUDA_LIBRARIES": URL(fileURLWithPath: CommandRunner.executable).deletingLastPathComponent()
      .appending(path: "libFakeCUDA.so").path
  ]

  @Test func withoutLibraries() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    let nowhere = ["IMITATE_CUDA_LIBRARIES": "/nowhere"]
    let result = try runner.run(["cuda"], environment: nowhere)
    // A machine with a driver finds the system's.
    if result.status == 0 { return #expect(result.output.contains("GPU")) }
    #expect(result.status == 1)
    #expect(result.complaint.hasPrefix("imitate: "))
  }

  @Test func unknownDevice() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    let result = try runner.run("train", "recipe.yaml", "--device", "gpu")
    #expect(result.status != 0)
    #expect(result.errors.contains("'gpu' is none of cpu, cuda, cuda:NUMBER"))
  }

  @Test(arguments: ["tf32", "float32"]) func check(_ precision: String) throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    let result = try runner.run(
      ["cuda", "--check", "--size", "2", "--precision", precision], environment: Self.fake)
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.contains("Fake"))
    #expect(result.output.contains("as on the processor"))
  }

  #if Kitchenette
    /// Killed and continued there it ends in the bits of a run that was not, and what it learned acts on the processor.
    @Test func training() throws {
      let whole = try CommandRunner()
      let killed = try CommandRunner()
      defer {
        whole.remove()
        killed.remove()
      }
      let arguments = ["train", "recipe.yaml", "--run", "run", "--device", "cuda"]
      try whole.writeSmallProject()
      try killed.writeSmallProject()
      let result = try whole.run(arguments, environment: Self.fake)
      #expect(result.status == 0, "\(result.errors)")
      #expect(result.errors.contains("computes on Fake"))
      for attempt in 0..<4 {
        let process = try killed.start(arguments, log: "kill-\(attempt)", environment: Self.fake)
        Thread.sleep(forTimeInterval: 0.4 + 0.3 * Double(attempt))
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
      }
      #expect(try killed.run(arguments, environment: Self.fake).status == 0)
      let last = "run/checkpoints/step-0000024.safetensors"
      let expected = whole.bytes(last)
      #expect(expected != nil && killed.bytes(last) == expected)
      let evaluated = try whole.run("evaluate", "run", "--episodes", "1")
      #expect(evaluated.status == 0, "\(evaluated.errors)")
      // A GPU that is lost meanwhile is no failure of the policy.
      let lost = try killed.run(
        ["evaluate", "run", "--episodes", "1", "--device", "cuda"],
        environment: Self.fake.merging(["FAKE_CUDA_FAIL": "cuLaunchKernel:300:700", "FAKE_CUDA_QUIET": "1"]) { $1 })
      #expect(lost.errors.contains("episodes crashed") && lost.errors.contains("the GPU failed"), "\(lost.errors)")
    }

    /// Memory that does not suffice: one line, and what was saved is there.
    @Test func outOfMemory() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject()
      let result = try runner.run(
        ["train", "recipe.yaml", "--run", "run", "--device", "cuda"],
        environment: Self.fake.merging(["FAKE_CUDA_MEMORY": "40000000", "FAKE_CUDA_QUIET": "1"]) { $1 })
      #expect(result.status == 1)
      #expect(result.complaint.contains("is out of memory"), "\(result.errors)")
    }
  #endif
}
