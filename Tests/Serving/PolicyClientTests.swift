import COpenSSL
import Evaluation
import Foundation
import Imitation
import Serving
import Support
import Synchronization
import Tensors
import Testing

/// Goes where actions say and ends when its seed says.
private final class Drifting: Environment {
  let spec = EnvironmentSpec(
    name: "drifting", schema: Echo.schema, actions: Served.actions,
    tasks: [SimulatedTask(name: "t", group: "g", horizon: 14)])
  private var (place, seed) = (Float(0), UInt64(0))
  private let stepped: () -> Void
  init(stepped: @escaping () -> Void = {}) { self.stepped = stepped }

  func reset(_ episode: EpisodeSpec) -> Observation {
    (place, seed) = (Float(episode.seed) / 10, episode.seed)
    return Observation(vectors: ["x": [place]], instruction: "go")
  }

  func step(_ action: [Float]) -> Transition {
    stepped()
    place = 0.9 * place + 0.1 * (action[0] + action[2])
    return Transition(
      observation: Observation(vectors: ["x": [place]], instruction: "go"), success: seed % 3 == 0 && place > 0.2)
  }
}

/// What several threads have said.
private final class Results: Sendable {
  private let said = Mutex<[String]>([])
  var all: [String] { said.withLock { $0 } }
  func add(_ text: String) { said.withLock { $0.append(text) } }
}

/// A server's answer to who asks for a WebSocket (RFC 6455, section 4.2.2).
private enum WebSocketAnswer {
  static func accepting(_ key: String) -> String {
    let text = Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)
    var digest = [UInt8](repeating: 0, count: 20)
    EVP_Digest(text, text.count, &digest, nil, EVP_sha1(), nil)
    return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      + "Sec-WebSocket-Accept: \(Data(digest).base64EncodedString())\r\n\r\n"
  }
}

/// Turns about the first axis by a little less and a little more than half a turn in turn: axes times angles of opposite signs.
private struct Turning: Policy {
  struct Options: PluginOptions { init() {} }
  static let name = "turning"
  static let help = "For tests."
  let encoder: any ObservationEncoder
  let window = Window(observations: 0...0, actions: 0...3)

  init() { encoder = Echo().encoder }
  init(options: Options, encoder: any ObservationEncoder, actionWidth: Int, random: inout Random) {
    self.encoder = encoder
  }
  func loss(on batch: Batch) -> PolicyLoss { PolicyLoss(batch.actions.sum()) }
  func actions(for observations: ObservationBatch, randoms: inout [Random]) -> Tensor {
    let seen = encoder(observations).pooled.scalars
    let rows = (0..<observations.count).flatMap { row -> [Float] in
      let angle = Float.pi + (Int(seen[row]) % 2 == 0 ? -0.1 : 0.1)
      return (0..<4).flatMap { _ in [1, 0, 0, 0, cos(angle), -sin(angle)] }
    }
    return Tensor(rows, shape: [observations.count, 4, 6])
  }
}

/// The client against a server over a socket of this machine.
@Suite(.serialized) struct PolicyClientTests {
  private func client(_ served: Served, execute: Int? = nil, ensemble: Float? = nil) throws -> PolicyClient {
    try PolicyClient("ws://127.0.0.1:\(served.port)", execute: execute, ensemble: ensemble, seconds: 20)
  }

  private func acts(_ behavior: any Behavior, _ number: Int, seed: UInt64) throws -> [[Float]] {
    behavior.begin(seed: seed)
    return try (0..<10).map {
      try behavior.action(for: Observation(vectors: ["x": [Served.seen(number, $0)]], instruction: "go"))
    }
  }

  /// A policy that looks at three frames: whatever part of an answer is carried out, the bits are those of an agent.
  @Test func actsAsAnAgent() throws {
    let served = try Served()
    let agent = try Served.agent()
    for execute in 1...3 {
      let here = Agent(
        policy: agent.policy, normalizer: agent.normalizer, schema: agent.schema, actions: agent.actions,
        execute: execute)
      let there = try client(served, execute: execute)
      for seed: UInt64 in [4, 5, .max] {
        let expected = try acts(here, execute, seed: seed)
        #expect(try acts(there, execute, seed: seed) == expected && Set(expected).count == 10)
      }
      there.close()
    }
    let here = Agent(
      policy: agent.policy, normalizer: agent.normalizer, schema: agent.schema, actions: agent.actions, execute: 1,
      ensemble: 0.1)
    for (a, b) in try zip(acts(client(served, execute: 1, ensemble: 0.1), 1, seed: 7), acts(here, 1, seed: 7)) {
      #expect(zip(a, b).allSatisfy { abs($0 - $1) < 1e-6 })
    }
  }

  /// The mean of 3.04 and -3.04 radians is half a turn, not none.
  @Test func averagesRotationsAsAnAgentDoes() throws {
    func agent(_ ensemble: Float?) -> Agent {
      Agent(
        policy: Turning(),
        normalizer: Normalizer(keys: [
          "x": .init(scale: [1], offset: [0]),
          "actions": .init(scale: Array(repeating: 1, count: 6), offset: Array(repeating: 0, count: 6)),
        ]), schema: Echo.schema,
        actions: ActionLayout(learned: [0, 1, 2], template: [0, 0, 0], rotations: [0]), execute: 1, ensemble: ensemble)
    }
    var options = ServingOptions()
    options.port = 0
    let server = try PolicyServer(
      agent: agent(nil), name: "turning", actions: .unknown(width: 3),
      vectors: ["x": .init(unit: "m", frame: "robot base")], software: "test", options: options)
    defer { server.stop() }
    let there = try PolicyClient("ws://127.0.0.1:\(server.start())", execute: 1, ensemble: 0.1, seconds: 20)
    #expect(there.metadata.rotations == [0])
    #expect(there.metadata.vectorSchemas == ["x": .init(unit: "m", frame: "robot base")])
    let here = agent(0.1)
    here.begin(seed: 1)
    there.begin(seed: 1)
    for step in 0..<8 {
      let observation = Observation(vectors: ["x": [Float(step)]], instruction: "go")
      let (mine, other) = try (here.action(for: observation), there.action(for: observation))
      #expect(abs(abs(other[0]) - .pi) < 0.11, "\(other)")
      #expect(abs(cos(mine[0]) - cos(other[0])) < 1e-4 && abs(sin(mine[0]) - sin(other[0])) < 1e-4, "\(mine) \(other)")
    }
    there.close()
  }

  @Test func metadataIsReadOrRefusedByName() throws {
    let served = try Served()
    let (_, greeting) = try served.client()
    let metadata = try PolicyMetadata(greeting)
    #expect(metadata.policy == "trial" && metadata.server == "test" && metadata.schema == Echo.schema)
    #expect(metadata.history == 3 && metadata.chunk == 3 && metadata.nActionSteps == 3)
    #expect(metadata.actions == Served.actions && metadata.prompt == "prompt")
    // Other weights, another digest; the same weights, the same one.
    #expect(try client(Served()).metadata == metadata)
    let other = try Served.agent()
    for (_, parameter) in other.policy.parameters() { parameter.value = parameter.value + parameter.value }
    #expect(try client(Served(other)).metadata.digest != metadata.digest)
    guard case .map(let entries) = greeting else { throw PolicyClientError.metadata(key: "") }
    for key in ["policy", "digest", "images", "vectors", "prompt", "history", "actions"] {
      #expect(throws: PolicyClientError.metadata(key: key)) {
        try PolicyMetadata(.map(entries.filter { $0.key.name != key }))
      }
    }
    /// The same metadata with another value of a key.
    func changed(_ entries: [MessagePack.Entry], _ key: String, _ value: MessagePack) -> [MessagePack.Entry] {
      entries.filter { $0.key.name != key } + [.init(key: .text(key), value: value)]
    }
    // What would be in names of files and on terminals, and rates that no clock has.
    for name in ["", "a/b", "x\u{1b}[31mred", "two\nlines", String(repeating: "n", count: 300)] {
      #expect(throws: PolicyClientError.metadata(key: "policy")) {
        try PolicyMetadata(.map(changed(entries, "policy", .text(name))))
      }
    }
    let actions = try #require(greeting["actions"])
    guard case .map(let numbers) = actions else { throw PolicyClientError.metadata(key: "") }
    for rate in [1e300, -20, 0] {
      #expect(throws: PolicyClientError.metadata(key: "actions/control_hertz")) {
        try PolicyMetadata(
          .map(changed(entries, "actions", .map(changed(numbers, "control_hertz", .number(rate))))))
      }
    }
    #expect(throws: PolicyClientError.part(key: "state[0:1]")) {
      try PolicyMetadata(
        .map(changed(entries, "vectors", .map([.init(key: .text("state[0:1]"), value: .list([.integer(1)]))]))))
    }
    #expect(throws: PolicyClientError.metadata(key: "digest")) {
      try PolicyMetadata(
        .map(entries.map { $0.key.name == "digest" ? .init(key: $0.key, value: .text("../../../etc")) : $0 }))
    }
    for text in ["localhost:8000", "http://a:1", "ws://a", "ws://a:0", "ws://u@a:1", "ws://a:1/path"] {
      #expect(throws: PolicyClientError.address(text)) { try PolicyClient(text) }
    }
    #expect(ServerAddress("wss://[::1]:80/") == ServerAddress(host: "::1", port: 80, isSecure: true))
  }

  /// An answer that takes more than two steps of 50 ms begins with the third action.
  @Test func stepsThatPassedAreSkipped() throws {
    let served = try Served(seconds: 0.12)
    let client = try client(served)
    let chunk = try Served.alone(1, steps: 3, seed: 3)[0]
    client.begin(seed: 3)
    let seen = Observation(vectors: ["x": [Served.seen(1, 0)]], instruction: "go")
    #expect(try client.action(for: seen) == chunk[0])
    client.skipsPassedSteps = true
    client.begin(seed: 3)
    #expect(try client.action(for: seen) == chunk[2])
    #expect(client.plansNext)
  }

  private func evaluate(_ acting: VectorRollout.Acting, stepped: @escaping @Sendable () -> Void = {}) -> [EpisodeResult]
  {
    let results = Mutex<[EpisodeResult]>([])
    VectorRollout(slots: 3, horizons: ["t": 14], pool: .evaluation).run(
      (0..<12).map { Trial(task: "t", policy: "slow", episode: $0, seed: UInt64($0)) },
      with: .init(environment: { _ in Drifting(stepped: stepped) }), acting: acting
    ) { result in results.withLock { $0.append(result) } }
    return results.withLock { $0.sorted { $0.episode < $1.episode } }
  }

  private func same(_ a: [EpisodeResult], _ b: [EpisodeResult]) -> Bool {
    a.map(\.trace) == b.map(\.trace) && a.map(\.success) == b.map(\.success) && a.map(\.steps) == b.map(\.steps)
      && a.map(\.reward) == b.map(\.reward)
  }

  /// Episode by episode as in process, also when the server goes down in the middle and another takes its place.
  @Test func evaluatesAsInProcess() throws {
    let here = evaluate(.here(ActionScheduler { try Served.agent() }))
    #expect(
      here.allSatisfy { $0.error == nil } && here.contains(where: \.success) && Set(here.map(\.trace)).count == 12)
    let served = try Served()
    let port = served.port
    let there = evaluate(.elsewhere { try PolicyClient("ws://127.0.0.1:\(port)", seconds: 20) })
    #expect(same(there, here))
    let steps = Mutex(0)
    let second = Mutex<Served?>(nil)
    let interrupted = evaluate(.elsewhere { try PolicyClient("ws://127.0.0.1:\(port)", seconds: 20) }) {
      steps.withLock { steps in
        steps += 1
        guard steps == 50 else { return }
        served.server.stop()
        second.withLock { $0 = try? Served { $0.port = port } }
      }
    }
    #expect(same(interrupted, here) && interrupted.allSatisfy { $0.error == nil }, "\(interrupted.map(\.error))")
    #expect(second.withLock { $0?.server.metrics.answers ?? 0 } > 0 && served.server.metrics.answers > 0)
  }

  /// A server that is gone is no episode's result: all is left as it was.
  @Test func aServerThatIsGoneEndsTheEvaluation() throws {
    let (results, lost) = (Results(), Results())
    VectorRollout(slots: 2, horizons: ["t": 14], pool: .evaluation).run(
      (0..<6).map { Trial(task: "t", policy: "slow", episode: $0, seed: UInt64($0)) },
      with: .init(environment: { _ in Drifting() }, lost: { lost.add("\($0)") }),
      acting: .elsewhere { throw PolicyClientError.metadata(key: "policy") }
    ) { results.add("\($0.episode)") }
    #expect(results.all.isEmpty && lost.all.count == 2 && lost.all[0].contains("metadata"))
  }

  /// A server that takes nothing: who sends is not kept for longer than was agreed.
  @Test func whoSendsIsNotKeptForever() throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(listener) }
    var address = sockaddr_in()
    (address.sin_family, address.sin_addr.s_addr) = (sa_family_t(AF_INET), inet_addr("127.0.0.1"))
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        _ = (bind(listener, address, size), listen(listener, 1), getsockname(listener, address, &size))
      }
    }
    let upgraded = Thread {
      let connection = accept(listener, nil, nil)
      var request = [UInt8](repeating: 0, count: 4096)
      let count = max(0, read(connection, &request, request.count))
      let text = String(decoding: request[..<count], as: UTF8.self)
      let key = text.split(separator: "\r\n").first { $0.lowercased().hasPrefix("sec-websocket-key:") } ?? ""
      let answer = WebSocketAnswer.accepting(
        String(key.drop { $0 != ":" }.dropFirst()).trimmingCharacters(in: .whitespaces))
      _ = answer.withCString { write(connection, $0, strlen($0)) }
      Thread.sleep(forTimeInterval: 20)
      close(connection)
    }
    upgraded.start()
    let client = try WebSocketClient(
      ServerAddress(host: "127.0.0.1", port: Int(UInt16(bigEndian: address.sin_port))), seconds: 1)
    let start = ContinuousClock.now
    #expect(throws: WebSocketProblem.silent(seconds: 1)) { try client.send([UInt8](repeating: 0, count: 64 << 20)) }
    client.close()
    #expect(ContinuousClock.now - start < .seconds(15))
  }

  /// What the server says against an observation is the policy's failure: it is not tried again.
  @Test func refusalsAreReported() throws {
    let served = try Served()
    let client = try client(served)
    client.begin(seed: 1)
    #expect(throws: AgentError.missingVector(key: "x", available: [])) { try client.action(for: Observation()) }
    #expect(
      throws: PolicyClientError.refused("'x' holds a value that is not a number")
    ) { try client.action(for: Observation(vectors: ["x": [.nan]], instruction: "go")) }
    client.begin(seed: 1)
    #expect(try client.action(for: Observation(vectors: ["x": [0]], instruction: "go")).count == 3)
  }
}
