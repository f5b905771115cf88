import Foundation
import ImitationKit
import Tensors
import Testing

/// `imitate serve`, the real executable, and clients over loopback.
@Suite struct ServeTests {
  /// A run of two training steps, as a package.
  private func project() throws -> CommandRunner {
    let runner = try CommandRunner()
    try runner.writeSmallProject()
    let trained = try runner.run("train", "recipe.yaml", "--run", "run", "--set", "training.steps=2")
    #expect(trained.status == 0, "\(trained.errors)")
    #expect(try runner.run("export", "run", "--output", "policy").status == 0)
    return runner
  }

  /// Starts a server and waits for its address.
  private func serve(_ runner: CommandRunner, _ arguments: [String], log: String, environment: [String: String] = [:])
    throws -> (Process, port: Int)
  {
    let process = try runner.start(["serve"] + arguments + ["--port", "0"], log: log, environment: environment)
    let end = Date(timeIntervalSinceNow: 20)
    while process.isRunning, Date() < end {
      let text = runner.bytes(log + ".out").map { String(decoding: $0, as: UTF8.self) } ?? ""
      if text.hasSuffix("\n"), let port = text.split(separator: ":").last.flatMap({ Int($0.dropLast()) }) {
        return (process, port)
      }
      usleep(10_000)
    }
    throw CocoaError(.featureUnsupported)
  }

  private func message(_ observation: Observation, jpeg: Bool = false, _ more: [MessagePack.Entry] = []) throws
    -> [UInt8]
  {
    var entries: [MessagePack.Entry] = [.init(key: .text("prompt"), value: .text(observation.instruction))]
    for (key, image) in observation.images {
      let raw = NumericArray(type: "|u1", shape: [image.height, image.width, 3], data: image.pixels[...])
      entries.append(.init(key: .text(key), value: jpeg ? .bytes(try image.jpeg()[...]) : MessagePack(raw)))
    }
    for (key, values) in observation.vectors {
      entries.append(.init(key: .text(key), value: .list(values.map { .number(Double($0)) })))
    }
    return MessagePack.map(entries + more).encoded
  }

  private func actions(_ message: WebSocketClient.Message) throws -> [Float] {
    guard case .binary(let bytes) = message else { throw WebSocketProblem.closed(reason: "\(message)") }
    return try #require(try MessagePack(bytes[...])["actions"]?.array?.floats)
  }

  /// A table has no row for no instruction: the first prediction, which nobody asked for, is for one that it knows.
  @Test func servesAPolicyWithATableOfInstructions() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try runner.writeSmallProject()
    let rows = [
      "open the left drawer": Tensor([1, 0], shape: [2]), "open the right drawer": Tensor([0, 1], shape: [2]),
    ]
    try Safetensors.write(rows, to: runner.folder + "/table.safetensors")
    let trained = try runner.run(
      "train", "recipe.yaml", "--run", "run", "--set", "training.steps=2", "--set",
      "encoder.instruction={kind: table, file: table.safetensors}")
    #expect(trained.status == 0, "\(trained.errors)")
    let (process, _) = try serve(runner, ["run"], log: "table")
    process.terminate()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
  }

  /// What a package's policy does through the server is what it does in this process; SIGTERM ends it well.
  @Test func servesAPackageAndARun() throws {
    let runner = try project()
    defer { runner.remove() }
    let policy = try TrainedPolicy(package: runner.folder + "/policy")
    var random = Random(seed: 3)
    let seen = Observation(
      images: policy.schema.images.mapValues { size in
        Image(
          width: size.width, height: size.height,
          pixels: (0..<size.width * size.height * 3).map { _ in UInt8(random.below(256)) })
      }, vectors: ["robot0_base_to_eef_pos": [0.25, 0.5, -0.25]], instruction: "open the left drawer")
    let agent = policy.agent(seed: 4)
    let expected = try agent.action(for: seen) + agent.action(for: seen)
    for folder in ["policy", "run"] {
      let (process, port) = try serve(runner, [folder], log: folder)
      defer { if process.isRunning { process.terminate() } }
      let client = try WebSocketClient(.init(host: "127.0.0.1", port: port), seconds: 20)
      guard case .binary(let greeting) = try client.receive() else {
        throw WebSocketProblem.closed(reason: "no greeting")
      }
      #expect(try MessagePack(greeting[...])["policy"] == .text("small"))
      let reset: [MessagePack.Entry] = [
        .init(key: .text("reset"), value: .bool(true)), .init(key: .text("seed"), value: .integer(4)),
      ]
      try client.send(message(seen, reset))
      let found = try actions(client.receive())
      #expect(found.count == 4 * 12 && Array(found.prefix(24)) == expected)
      // A JPEG image is what it decodes to.
      var decoded = seen
      decoded.images = try seen.images.mapValues { try Image(jpeg: $0.jpeg()) }
      try client.send(message(decoded, reset))
      let raw = try actions(client.receive())
      try client.send(message(seen, jpeg: true, reset))
      #expect(try actions(client.receive()) == raw && raw != found)
      kill(process.processIdentifier, SIGTERM)
      process.waitUntilExit()
      #expect(process.terminationStatus == 0)
      #expect(try client.receive() == .closed(code: 1001, reason: "the server is stopping"))
      let output = String(decoding: try #require(runner.bytes(folder + ".out")), as: UTF8.self)
      #expect(output == "serving small at ws://127.0.0.1:\(port)\nanswered 3 requests\n")
    }
  }

  /// On a (fake) GPU a server answers as the processor does, up to its rounding of products; and several clients at once.
  @Test func servesOnAGPU() throws {
    let runner = try project()
    defer { runner.remove() }
    let policy = try TrainedPolicy(package: runner.folder + "/policy")
    let seen = Observation(
      images: policy.schema.images.mapValues { size in
        Image(
          width: size.width, height: size.height,
          pixels: (0..<size.width * size.height * 3).map { UInt8($0 * 7 % 256) })
      }, vectors: ["robot0_base_to_eef_pos": [0.25, 0.5, -0.25]], instruction: "open the left drawer")
    let agent = policy.agent(seed: 4)
    let expected = try agent.action(for: seen)
    let (process, port) = try serve(
      runner, ["policy", "--device", "cuda"], log: "gpu", environment: DeviceTests.fake)
    defer { if process.isRunning { process.terminate() } }
    let clients = try (0..<3).map { _ in try WebSocketClient(.init(host: "127.0.0.1", port: port), seconds: 60) }
    for client in clients { _ = try client.receive() }
    let begin: [MessagePack.Entry] = [
      .init(key: .text("reset"), value: .bool(true)), .init(key: .text("seed"), value: .integer(4)),
    ]
    for client in clients { try client.send(message(seen, begin)) }
    let answers = try clients.map { try actions($0.receive()) }
    #expect(answers[1] == answers[0] && answers[2] == answers[0], "an answer's bits do not depend on who else asks")
    for (found, want) in zip(answers[0], expected) { #expect(abs(found - want) < 5e-3, "\(found) for \(want)") }
    kill(process.processIdentifier, SIGTERM)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    let errors = String(decoding: runner.bytes("gpu.err") ?? Data(), as: UTF8.self)
    #expect(errors.contains("computes on Fake"), "\(errors)")
  }

  /// A server whose GPU is lost says so to who asks, and ends with one line and an error.
  @Test func endsWithItsGPU() throws {
    let runner = try project()
    defer { runner.remove() }
    let policy = try TrainedPolicy(package: runner.folder + "/policy")
    let (process, port) = try serve(
      runner, ["policy", "--device", "cuda"], log: "lost",
      environment: DeviceTests.fake.merging(["FAKE_CUDA_FAIL": "cuLaunchKernel:600:700", "FAKE_CUDA_QUIET": "1"]) { $1 }
    )
    defer { if process.isRunning { process.terminate() } }
    let client = try WebSocketClient(.init(host: "127.0.0.1", port: port), seconds: 60)
    _ = try client.receive()
    let seen = Observation(
      images: policy.schema.images.mapValues { size in
        Image(
          width: size.width, height: size.height,
          pixels: [UInt8](repeating: 90, count: size.width * size.height * 3))
      }, vectors: ["robot0_base_to_eef_pos": [0.25, 0.5, -0.25]], instruction: "open the left drawer")
    var refusal = ""
    for _ in 0..<200 where refusal.isEmpty {
      try client.send(message(seen))
      switch try client.receive() {
      case .text(let text): refusal = text
      case .binary(let bytes) where try MessagePack(bytes[...])["actions"] == nil:
        refusal = "\(try MessagePack(bytes[...]))"
      case .closed(_, let reason): refusal = reason
      default: break
      }
    }
    #expect(refusal.contains("the GPU failed"), "\(refusal)")
    let end = Date(timeIntervalSinceNow: 30)
    while process.isRunning, Date() < end { usleep(20_000) }
    guard !process.isRunning else { throw CocoaError(.featureUnsupported) }
    #expect(process.terminationStatus == 1)
    let errors = String(decoding: runner.bytes("lost.err") ?? Data(), as: UTF8.self)
    let last = errors.split(separator: "\n").last ?? ""
    #expect(last.hasPrefix("imitate: ") && last.contains("the GPU failed"), "\(errors)")
  }

  #if Kitchenette
    /// A run's policy through a server: the same episodes, in a place of their own; what does not fit is refused.
    @Test func evaluatesThroughAServer() throws {
      let runner = try project()
      defer { runner.remove() }
      try runner.write("opensesame\n", to: "token")
      let own = try runner.run("evaluate", "run", "--episodes", "2")
      #expect(own.status == 0, "\(own.errors)")
      let before = runner.bytes("run/episodes.jsonl")
      let (process, port) = try serve(runner, ["policy", "--token-file", "token"], log: "serve")
      defer { process.terminate() }
      // The recipe is all that the simulator's machine needs.
      try runner.write(CommandRunner.recipe.replacing("split: some", with: "split: some-4"), to: "bare/recipe.yaml")
      let address = "ws://127.0.0.1:\(port)"
      for run in ["run", "bare"] {
        let found = try runner.run(
          "evaluate", run, "--policy", address, "--token-file", "token", "--episodes", "2", "--with", "random")
        #expect(found.status == 0 && found.output.contains("served-small"), "\(found.errors)")
        let folder = try #require(
          try FileManager.default.contentsOfDirectory(atPath: "\(runner.folder)/\(run)/served").first)
        let here = try EvaluationResult.read(runner.folder + "/run/evaluation.json")
        let there = try EvaluationResult.read("\(runner.folder)/\(run)/served/\(folder)/evaluation.json")
        let served = there.episodes.filter { $0.policy == "served-small" }
        #expect(served.count == 2 && served.map(\.trace) == here.episodes.map(\.trace))
        #expect(
          served.map(\.steps) == here.episodes.map(\.steps) && served.map(\.reward) == here.episodes.map(\.reward))
        #expect(served.map(\.success) == here.episodes.map(\.success) && served.allSatisfy { $0.error == nil })
        #expect(there.served == "small, \(folder), at \(address)" && here.served == nil)
      }
      #expect(runner.bytes("run/episodes.jsonl") == before)
      func complaint(_ arguments: String...) throws -> String {
        let found = try runner.run(["evaluate", "run", "--episodes", "3"] + arguments)
        #expect(found.status == 1, "\(found.output)")
        return found.complaint
      }
      let policy = ["--policy", address, "--token-file", "token"]
      #expect(
        try complaint(policy[0], policy[1], policy[2], policy[3], "--set", "evaluation.simulator.image_size=24")
          == "imitate: the size of camera 'robot0_agentview_left_image' is 20x20 for the policy at \(address) and 24x24 for kitchenette: it must not act there"
      )
      #expect(try complaint("--policy", address).contains("the server refuses (401)"))
      #expect(try complaint("--policy", "ws://127.0.0.1:1").contains("Connection refused"))
      #expect(try complaint("--policy", "http://a:1").contains("write ws://HOST:PORT"))
    }
  #endif

  @Test func namesAndTokensComeFromFiles() throws {
    let runner = try project()
    defer { runner.remove() }
    try runner.write("opensesame\n", to: "token")
    try runner.write(
      """
      robot0_agentview_left_image: observation/image
      robot0_base_to_eef_pos: observation/state[1:4]
      prompt: task

      """, to: "names.yaml")
    let (process, port) = try serve(
      runner, ["policy", "--host", "0.0.0.0", "--token-file", "token", "--map", "names.yaml"], log: "serve")
    defer { process.terminate() }
    let address = ServerAddress(host: "127.0.0.1", port: port)
    #expect(throws: WebSocketProblem.self) { try WebSocketClient(address, seconds: 20) }
    let client = try WebSocketClient(address, token: "opensesame", seconds: 20)
    _ = try client.receive()
    let seen = Observation(
      images: ["observation/image": Image(width: 20, height: 20)], vectors: ["observation/state": [9, 0.1, 0.2, 0.3]])
    try client.send(message(seen))
    #expect(try actions(client.receive()).count == 48)
    try client.send(message(Observation(vectors: ["observation/state": [1]])))
    #expect(
      try client.receive()
        == .text(
          "the policy needs 'observation/image' (uint8 [20, 20, 3] or a JPEG image), the observation has: observation/state, prompt"
        ))
    #expect(
      runner.bytes("serve.err").map { String(decoding: $0, as: UTF8.self) }?.contains("can be read on the way") == true)
  }

  @Test func whatIsWrongIsOneLine() throws {
    let runner = try project()
    defer { runner.remove() }
    func complaint(_ arguments: String...) throws -> String {
      let found = try runner.run(["serve"] + arguments)
      #expect(found.status == 1 && found.errors.split(separator: "\n").count == 1, "\(found.errors)")
      return found.complaint
    }
    #expect(try complaint("nowhere") == "imitate: nowhere: no checkpoint yet; `imitate train` writes the first one")
    #expect(try complaint("policy", "--host", "0.0.0.0").contains("a token is required there"))
    #expect(try complaint("policy", "--token-file", "nowhere") == "imitate: nowhere: no such file, or not readable")
    try runner.write("one\ntwo\n", to: "token")
    #expect(
      try complaint("policy", "--token-file", "token")
        == "imitate: token: a token is 8 to 1000 visible ASCII characters without spaces")
    try runner.write("robot0_agentview_lef_image: image\n", to: "names.yaml")
    #expect(
      try complaint("policy", "--map", "names.yaml").hasPrefix(
        "imitate: names.yaml, line 1: unknown key 'robot0_agentview_lef_image'; allowed here: robot0_agentview_left_image"
      ))
    #expect(try complaint("policy", "--certificate", "a", "--key", "b") == "imitate: a: no such file, or not readable")
    let wrong = try runner.run("serve", "policy", "--batch", "0")
    #expect(wrong.status != 0 && wrong.errors.contains("--batch must be 1 or more"))
  }
}
