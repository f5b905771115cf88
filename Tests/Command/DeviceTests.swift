import Files
import Foundation
import Testing

/// The commands on a GPU: the fake one, whose library stands beside the executable.
@Suite struct DeviceTests {
  static let fake = [
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

  @Test func doctorSaysWhatDeviceWorks() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    let result = try runner.run(["doctor"], environment: Self.fake)
    #expect(result.output.contains("Fake H100"))
    #expect(result.output.contains("--device cuda computes there"), "\(result.output)")
    let old = try runner.run(["doctor"], environment: Self.fake.merging(["FAKE_CUDA_DEVICE": "7.5"]) { $1 })
    #expect(old.output.contains("--device cuda does not work"), "\(old.output)")
  }

  @Test func unknownDevice() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    let result = try runner.run("train", "recipe.yaml", "--device", "gpu")
    #expect(result.status != 0)
    #expect(result.errors.contains("'gpu' is none of cpu, cuda, cuda:NUMBER"))
  }

  @Test(arguments: ["tf32", "bf16", "float32"]) func check(_ precision: String) throws {
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
      #expect(result.errors.contains("launched as one graph"), "\(result.errors)")
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

    /// Two GPUs give the same bits again, and without NCCL two processors come near them; a rank that is killed ends the other one in
    /// one line, and the same command goes on to the bits of a run that was never disturbed.
    @Test func severalRanks() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject()
      func losses(_ run: String) throws -> [Double] {
        let text = String(decoding: runner.bytes("\(run)/metrics.jsonl") ?? Data(), as: UTF8.self)
        return text.matches(of: /"loss":([-0-9.e]+)/).compactMap { Double($0.output.1) }
      }
      let two = Self.fake.merging(["FAKE_CUDA_DEVICES": "2", "FAKE_CUDA_MODE": "eager"]) { $1 }
      let arguments = [
        "train", "recipe.yaml", "--gpus", "2", "--device", "cuda", "--set", "training.precision=float32", "--run",
      ]
      for run in ["one", "two"] {
        let result = try runner.run(arguments + [run], environment: two)
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.errors.contains("2 ranks: GPUs 0 to 1"))
      }
      let last = "checkpoints/step-0000024.safetensors"
      let expected = runner.bytes("one/\(last)")
      #expect(expected != nil && runner.bytes("two/\(last)") == expected)

      // Ranks that a launcher has started, on processors.
      func start(_ run: String) throws -> [Process] {
        try (0..<2).map { rank in
          let place = ["RANK": "\(rank)", "WORLD_SIZE": "2", "LOCAL_RANK": "\(rank)", "LOCAL_WORLD_SIZE": "2"]
          return try runner.start(["train", "recipe.yaml", "--run", run], log: "\(run)-\(rank)", environment: place)
        }
      }
      for process in try start("here") {
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
      }
      for (a, b) in zip(try losses("here"), try losses("one")) { #expect(abs(a - b) < 1e-3 * abs(a), "\(a) \(b)") }
      #expect(try losses("here").count == losses("one").count)
      // Nothing but errors from the others.
      #expect((try String(contentsOfFile: runner.folder + "/here-1.err", encoding: .utf8)) == "")
      for attempt in 0..<3 {
        let processes = try start("killed")
        Thread.sleep(forTimeInterval: 0.5 + 0.4 * Double(attempt))
        kill(processes[1].processIdentifier, SIGKILL)
        processes.forEach { $0.waitUntilExit() }
        let said = try String(contentsOfFile: runner.folder + "/killed-0.err", encoding: .utf8)
        #expect(processes[0].terminationStatus == 0 || said.contains("imitate: rank 1 has ended"), "\(said)")
      }
      for process in try start("killed") {
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
      }
      #expect(runner.bytes("killed/\(last)") == runner.bytes("here/\(last)"))

      // A child that fails says why by way of the one that people see.
      let failed = try runner.run(
        ["train", "recipe.yaml", "--run", "refused-train", "--gpus", "2", "--device", "cuda"],
        environment: two.merging(["FAKE_CUDA_FAIL": "ncclAllGather:2:1", "FAKE_CUDA_QUIET": "1"]) { $1 })
      #expect(failed.status == 1 && failed.complaint.contains("the GPU failed: ncclAllGather"), "\(failed.errors)")

      // A world model, stage after stage.
      try runner.writeSmallProject(size: 24)
      try runner.write(WorldTests.recipe.replacing("steps: 6, batch: 2", with: "steps: 2, batch: 6"), to: "world.yaml")
      for run in ["world-one", "world-two"] {
        let world = try runner.run(
          ["world", "train", "world.yaml", "--run", run, "--gpus", "2", "--device", "cuda"], environment: two)
        #expect(world.status == 0 && world.errors.contains("2 ranks: GPUs 0 to 1"), "\(world.errors)")
      }
      let world = runner.bytes("world-one/world.safetensors")
      #expect(world != nil && runner.bytes("world-two/world.safetensors") == world)

      for (more, complaint) in [
        (["--gpus", "2"], "--gpus: needs --device cuda"),
        (["--gpus", "9", "--device", "cuda"], "and each of 9 ranks needs at least "),
        (["--gpus", "3", "--device", "cuda"], "there is no GPU 2: the driver found 2"),
      ] {
        for verb in [["train", "recipe.yaml"], ["world", "train", "world.yaml"]] {
          let result = try runner.run(verb + ["--run", "refused-\(verb[0])"] + more, environment: two)
          #expect(result.status != 0 && result.errors.contains(complaint), "\(result.errors)")
        }
      }
    }

    /// Every stage of a world model begins with the processor's loss, given the stages before it, and goes on in numbers.
    @Test func worldModels() throws {
      let (here, there) = (try CommandRunner(), try CommandRunner())
      defer {
        here.remove()
        there.remove()
      }
      let recipe = WorldTests.recipe.replacing("log_every: 2", with: "log_every: 1, precision: float32")
      func train(_ runner: CommandRunner, _ device: String, _ run: String, _ more: String...) throws {
        let result = try runner.run(
          ["world", "train", "world.yaml", "--run", run, "--device", device] + more, environment: Self.fake)
        #expect(result.status == 0, "\(result.errors)")
      }
      func compare(_ stage: String) throws {
        let (expected, found) = try (losses(of: stage, in: here), losses(of: stage, in: there))
        #expect(found.count == 6 && found.allSatisfy(\.isFinite))
        #expect(abs(found[0] - expected[0]) < 1e-4 * abs(expected[0]), "\(stage): \(found) for \(expected)")
      }
      for (runner, device) in [(here, "cpu"), (there, "cuda")] {
        try runner.writeSmallProject(size: 24)
        try runner.write(recipe, to: "world.yaml")
        try train(runner, device, "run")
      }
      try compare("lift")
      // Later stages see what the earlier ones learned, which steps of the optimizer take apart: the same ones for both.
      for stage in ["codec", "dynamics"] {
        for (runner, device) in [(here, "cpu"), (there, "cuda")] {
          let changed = "\(stage): {steps: 6, batch: 2, learning_rate: 1.5e-3"
          try runner.write(
            recipe.replacing("\(stage): {steps: 6, batch: 2, learning_rate: 1.0e-3", with: changed), to: "world.yaml")
          try train(runner, device, "after-\(stage)", "--from", here.folder + "/run")
        }
        try compare(stage)
      }
      // What is measured of one world model is the same there and here.
      func measured(_ arguments: [String], _ device: String) throws -> [String: Double] {
        let result = try here.run(arguments + ["--format", "json", "--device", device], environment: Self.fake)
        #expect(
          result.status == 0 && result.errors.contains("computes on Fake") == (device == "cuda"), "\(result.errors)")
        return numbers(try JSONSerialization.jsonObject(with: Data(result.output.utf8)))
      }
      // A regression on so few frames makes more of the last digits.
      for (arguments, bar) in [
        (["world", "evaluate", "after-dynamics", "--steps", "3", "--clips", "2"], 1e-3),
        (["probe", "after-dynamics", "--frames", "40", "--targets", "robot0_base_to_eef_pos"], 1e-2),
      ] {
        let (expected, found) = try (measured(arguments, "cpu"), measured(arguments, "cuda"))
        #expect(!expected.isEmpty && Set(found.keys) == Set(expected.keys))
        for (key, number) in expected {
          #expect(abs(found[key]! - number) < bar * max(1, abs(number)), "\(arguments) \(key)")
        }
      }
      let imagined = try here.run(
        ["world", "imagine", "after-dynamics", "--steps", "2", "--device", "cuda"], environment: Self.fake)
      #expect(imagined.status == 0 && imagined.output.contains("imagined/"), "\(imagined.errors)")
    }

    /// All numbers of a document by their places in it.
    private func numbers(_ document: Any, _ path: String = "") -> [String: Double] {
      switch document {
      case let number as Double: return [path: number]
      case let list as [Any]:
        return list.enumerated().reduce(into: [:]) { $0.merge(numbers($1.element, "\(path)/\($1.offset)")) { $1 } }
      case let table as [String: Any]:
        return table.reduce(into: [:]) { $0.merge(numbers($1.value, "\(path)/\($1.key)")) { $1 } }
      default: return [:]
      }
    }

    private func losses(of stage: String, in runner: CommandRunner) throws -> [Double] {
      let path = runner.bytes("after-\(stage)/\(stage)/metrics.jsonl") ?? runner.bytes("run/\(stage)/metrics.jsonl")
      return try String(decoding: #require(path), as: UTF8.self).split(separator: "\n").compactMap { line in
        (try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])?["loss"] as? Double
      }
    }

    /// A GPU that is lost in the middle: one line, and the processor goes on from the last checkpoint.
    @Test func lostWhileTraining() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject()
      let lost = try runner.run(
        ["train", "recipe.yaml", "--run", "run", "--device", "cuda"],
        environment: Self.fake.merging(["FAKE_CUDA_FAIL": "cuLaunchKernel:3000:700", "FAKE_CUDA_QUIET": "1"]) { $1 })
      #expect(lost.status == 1 && lost.complaint.contains("the GPU failed"), "\(lost.errors)")
      let kept = try FileManager.default.contentsOfDirectory(atPath: runner.folder + "/run/checkpoints")
      #expect(!kept.isEmpty && !kept.contains("step-0000024.safetensors"), "\(kept)")
      for name in kept {
        let tensors = try Safetensors.read(runner.folder + "/run/checkpoints/" + name).tensors
        let isWhole = tensors.values.allSatisfy(\.isFinite)
        #expect(isWhole, "\(name)")
      }
      let result = try runner.run("train", "recipe.yaml", "--run", "run")
      #expect(result.status == 0, "\(result.errors)")
      #expect(runner.bytes("run/checkpoints/step-0000024.safetensors") != nil)
    }

    /// The cells of a grid compute there, too.
    @Test func ablations() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject()
      let result = try runner.run(
        [
          "ablate", "recipe.yaml", "--run", "grid", "--device", "cuda", "--jobs", "1", "--set", "training.steps=2",
          "--set", "evaluation.episodes=1",
        ], environment: Self.fake)
      #expect(result.status == 0, "\(result.errors)")
      // Once to train, once to evaluate.
      #expect(result.errors.components(separatedBy: "computes on Fake").count == 3, "\(result.errors)")
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
