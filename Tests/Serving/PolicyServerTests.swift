import Foundation
import Imitation
import Serving
import Support
import Tensors
import Testing

/// A whole server over a socket of this machine.
@Suite(.serialized) struct PolicyServerTests {
  @Test func greetsWithWhatToSendAndWhatComesBack() throws {
    let served = try Served()
    let (_, greeting) = try served.client()
    #expect(greeting["policy"] == .text("trial") && greeting["server"] == .text("test"))
    #expect(greeting["images"] == .map([:]) && greeting["vectors"] == .map(["x": .list([.integer(1)])]))
    #expect(greeting["prompt"] == .text("prompt") && greeting["history"] == .integer(3))
    let actions = try #require(greeting["actions"])
    #expect(actions["shape"] == .list([.integer(3), .integer(3)]) && actions["n_action_steps"] == .integer(3))
    #expect(actions["names"] == .list([.text("a"), .null, .text("c")]) && actions["control_hertz"] == .number(20))
    #expect(
      actions["low"] == .list([.number(-1), .null, .null]) && actions["units"] == .list([.text("m"), .null, .null]))
  }

  /// A client that sends the frames since its last request acts as an agent in this process, bit for bit; so does one that
  /// asks at every step.
  @Test func actsAsAnAgentInProcess() throws {
    let served = try Served()
    let (client, _) = try served.client()
    for episode in [5, 6, 5] {
      let found = try Served.through(client, 1, steps: 12, seed: Int64(episode))
      #expect(try found == Served.alone(1, steps: 12, seed: UInt64(episode)))
      #expect(found.joined().allSatisfy { $0.count == 3 && $0[1] == -1 })
    }
    #expect(try Served.alone(1, steps: 12, seed: 5) != Served.alone(1, steps: 12, seed: 6))
    let agent = try Served.agent()
    let eager = Agent(
      policy: agent.policy, normalizer: agent.normalizer, schema: agent.schema, actions: agent.actions, execute: 1)
    eager.begin(seed: 9)
    for step in 0..<6 {
      let x = Served.seen(1, step)
      let action = try eager.action(for: Observation(vectors: ["x": [x]], instruction: "go"))
      #expect(try Served.ask(client, [x], seed: step == 0 ? 9 : nil)[0] == action)
    }
  }

  /// Without a seed the first episode of every connection has seed 0, the next one 1.
  @Test func episodesAreNumberedByConnection() throws {
    let served = try Served()
    func reset(_ client: WebSocketClient) throws -> [[Float]] {
      try client.send(
        MessagePack.map(["x": .number(0.5), "reset": .bool(true)]).encoded)
      return try Served.actions(client.receive())
    }
    let (first, _) = try served.client()
    let (second, _) = try served.client()
    // A request whose actions are no numbers begins no episode: its third frame and its first overflow together.
    try first.send(MessagePack.map(["x": .number(3e38), "reset": .bool(true)]).encoded)
    let refused = try first.receive()
    #expect({ if case .text(let text) = refused { text.contains("not a number") } else { false } }())
    let found = try [Served.ask(first, [0.5]), reset(first), Served.ask(second, [0.5]), reset(second)]
    let expected = try (0..<2).map { try Served.ask(first, [0.5], seed: $0) }
    #expect(found == expected + expected && expected[0] != expected[1])
  }

  /// Clients that share forward passes get what each gets alone.
  @Test(.enabled(if: hasVectorKernels)) func batchingChangesNoBit() throws {
    let served = try Served(seconds: 0.02)
    let found = try atOnce(6) { number in
      try Served.through(served.client().0, number, steps: 18, seed: Int64(number))
    }
    for number in 0..<6 { #expect(try found[number] == Served.alone(number, steps: 18, seed: UInt64(number))) }
    #expect(Set(found).count == 6)
    let (passes, most) = (served.server.metrics.value("imitate_batch_size_count"), 36.0)
    #expect(passes < most, "\(passes) passes for 36 requests: none was shared")
    #expect(served.server.metrics.value("imitate_batch_size_sum") == most)
    #expect(served.server.metrics.answers == 36)
  }

  @Test func noMoreRowsThanAllowedShareAPass() throws {
    let served = try Served(seconds: 0.02) { $0.mostRows = 2 }
    let found = try atOnce(5) { number in
      try Served.through(served.client().0, number, steps: 6, seed: Int64(number))
    }
    for number in 0..<5 { #expect(try found[number] == Served.alone(number, steps: 6, seed: UInt64(number))) }
    #expect(
      served.server.metrics.value("imitate_batch_size_bucket{le=\"2.0\"}")
        == served.server.metrics.value("imitate_batch_size_count"))
  }

  /// The second message waits in line; a ping does not.
  @Test func requestsOfAConnectionAreAnsweredInOrder() throws {
    let served = try Served(seconds: 0.1)
    let socket = try Socket.upgraded(port: served.port)
    let messages = [Served.message([0.1], seed: 3), Served.message([0.2, 0.3])]
    socket.send(messages.flatMap { Socket.frame(0x82, $0) } + Socket.frame(0x89, [7, 7]))
    let frames = try (0..<3).map { _ in try #require(socket.frame()) }
    #expect(frames.map(\.code).sorted() == [0x82, 0x82, 0x8a])
    let answers = try frames.filter { $0.code == 0x82 }.map { try Served.actions(.binary($0.data)) }
    let (client, _) = try served.client()
    #expect(try answers == [Served.ask(client, [0.1], seed: 3), Served.ask(client, [0.2, 0.3])])
    #expect(frames.first { $0.code == 0x8a }?.data == [7, 7])
  }

  @Test func aMessageMayComeInParts() throws {
    let served = try Served()
    let socket = try Socket.upgraded(port: served.port)
    let message = Served.message([0.25], seed: 4)
    socket.send(Socket.frame(0x02, Array(message[..<10])))
    socket.send(Socket.frame(0x89, []))
    for byte in Socket.frame(0x00, Array(message[10..<20])) { socket.send([byte]) }
    socket.send(Socket.frame(0x80, Array(message[20...])))
    #expect(socket.frame()?.code == 0x8a)
    let answer = try Served.actions(.binary(try #require(socket.frame()).data))
    #expect(try answer == Served.ask(served.client().0, [0.25], seed: 4))
  }

  // MARK: - What is refused

  @Test func withoutTheTokenNobodyIsServed() throws {
    let served = try Served { $0.token = "opensesame" }
    for wrong in [nil, "opensesam", "opensesame1", "Opensesame"] {
      #expect {
        try served.client(token: wrong)
      } throws: {
        guard case .refused(401, let reason) = $0 as? WebSocketProblem else { return false }
        return reason.contains("Authorization: Api-Key TOKEN")
      }
    }
    #expect(try Served.ask(served.client(token: "opensesame").0, [0.5]).count == 3)
    #expect(try Socket.get("/healthz", port: served.port).hasSuffix("\r\n\r\nOK\n"))
    #expect(try Socket.get("/metrics", port: served.port).hasPrefix("HTTP/1.1 401"))
    let page = try Socket.get("/metrics", port: served.port, headers: "Authorization: Bearer opensesame\r\n")
    #expect(page.contains("imitate_refused_total{reason=\"unauthorized\"} 5\n"))
  }

  @Test func plainHTTPIsAnswered() throws {
    let served = try Served()
    #expect(try Socket.get("/healthz?x=1", port: served.port).hasPrefix("HTTP/1.1 200 OK\r\n"))
    #expect(try Socket.get("/", port: served.port).hasPrefix("HTTP/1.1 404"))
    let page = Socket.upgrade
    #expect(try Socket.get("/", port: served.port, headers: "Origin: http://x\r\n\(page)").hasPrefix("HTTP/1.1 403"))
    let old = page.replacingOccurrences(of: "Version: 13", with: "Version: 8")
    #expect(try Socket.get("/", port: served.port, headers: old).hasPrefix("HTTP/1.1 400"))
    let head = try Socket(port: served.port)
    head.send("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    #expect(head.text().hasSuffix("\r\n\r\n"))
  }

  /// What does not fit is answered by a text with both sides in it, and the connection goes on.
  @Test func aMismatchIsAnsweredAndForgotten() throws {
    let served = try Served()
    let (client, _) = try served.client()
    let expected = try Served.ask(client, [0.5], seed: 1)
    func refusal(_ message: MessagePack) throws -> WebSocketClient.Message {
      try client.send(message.encoded)
      return try client.receive()
    }
    #expect(
      try refusal(.map(["y": .number(1)]))
        == .text("the policy needs 'x' (numbers [1]), the observation has: y"))
    #expect(
      try refusal(.map(["x": .list([.number(1), .number(2)])]))
        == .text("'x' is a list of 2, the policy needs numbers [1]"))
    #expect(try Served.ask(client, [0.5], seed: 1) == expected)
    #expect(served.server.metrics.refusals(.mismatch) == 2)
  }

  /// The largest number plus itself is none: that row is refused, the others of its batch are not.
  @Test func aPolicyThatCannotActCostsTheOthersNothing() throws {
    let served = try Served(Echo().agent(execute: 1))
    let found = try atOnce(4) { number -> [WebSocketClient.Message] in
      let (client, _) = try served.client()
      return try (0..<20).map { step in
        try client.send(Served.message([number == 0 ? 3e38 : Float(number)], seed: 0))
        return try client.receive()
      }
    }
    #expect(found[0].allSatisfy { $0 == .text("the policy's action holds a value that is not a number") })
    for number in 1..<4 {
      for message in found[number] {
        #expect(try Served.actions(message) == [[Float(number)], [Float(number)], [Float(2 * number)]])
      }
    }
    #expect(served.server.metrics.refusals(.policy) == 20)
  }

  /// A request of every bad kind, over and over, while two clients act: these get the bits that they get alone.
  @Test(.enabled(if: hasVectorKernels)) func troublesomeClientsChangeNothingForOthers() throws {
    let served = try Served(seconds: 0.005) {
      $0.longestMessage = 4096
      $0.messageSeconds = 0.5
    }
    let port = served.port
    /// What each leads to: the close code of the WebSocket, and the beginning of the text before it.
    let troubles: [(send: [UInt8], code: Int, text: String)] = [
      (Socket.frame(0x82, [0xc1]), 1007, "no MessagePack that is read here: code 0xc1"),
      (Socket.frame(0x82, []), 1007, "no MessagePack: it ends within a value"),
      (Socket.frame(0x82, [UInt8](repeating: 0x91, count: 4000)), 1007, "MessagePack nested deeper"),
      (Socket.frame(0x81, Array("{}".utf8)), 1003, "a text message"),
      (Socket.frame(0x82, [], length: 5000), 1009, "a message of more than 4096 bytes"),
      (Socket.frame(0x82, [], length: 1 << 62), 1009, "a message of more than 4096 bytes"),
      (
        Socket.frame(0x02, [UInt8](repeating: 0, count: 4096)) + Socket.frame(0x80, [1]), 1009, "a message of more than"
      ),
      ([0x82, 0x01, 0x00], 1002, "no WebSocket: a client's frames are masked"),
      (Socket.frame(0xc2, [0]), 1002, "no WebSocket: a client's frames are masked, and no extension"),
      (Socket.frame(0x80, [0]), 1002, "no WebSocket: a message begins"),
      (Socket.frame(0x02, [0]) + Socket.frame(0x82, [0]), 1002, "no WebSocket: a message begins"),
      (Socket.frame(0x83, [0]), 1002, "no WebSocket: a frame of an unknown kind"),
      (Socket.frame(0x89, [], length: 200), 1002, "no WebSocket"),
      (Socket.frame(0x82, [1, 2, 3], length: 900), 1008, "the rest of a message did not come within 0.5 s"),
      (Socket.frame(0x02, [1, 2, 3]), 1008, "the rest of a message did not come within 0.5 s"),
    ]
    let acting = try atOnce(2 + troubles.count + 3) { number -> [[[Float]]] in
      switch number {
      case 0, 1: return try (0..<8).flatMap { try Served.through(served.client().0, number, steps: 18, seed: $0) }
      case 2:
        // No HTTP at all.
        for _ in 0..<5 {
          let socket = try Socket(port: port)
          socket.send("\u{0}\u{1}garbage\r\n\r\n")
          guard socket.text().hasPrefix("HTTP/1.1 400") else { throw WebSocketProblem.closed(reason: "garbage") }
        }
      case 3:
        // Half a head, and nothing at all: closed without a word.
        for beginning in ["GET / HT", ""] {
          let socket = try Socket(port: port)
          socket.send(beginning)
          guard socket.receive().isEmpty else { throw WebSocketProblem.closed(reason: "half a head") }
        }
      case 4:
        // One that leaves with its request under way, and one that does not say goodbye.
        for _ in 0..<5 { try Socket.upgraded(port: port).send(Socket.frame(0x82, Served.message([1]))) }
      default:
        let trouble = troubles[number - 5]
        for _ in 0..<2 {
          let socket = try Socket.upgraded(port: port)
          socket.send(trouble.send)
          let (text, last) = (socket.frame(), socket.frame())
          let code = last?.data.prefix(2).reduce(0) { $0 << 8 | Int($1) }
          let words = String(decoding: text?.data ?? [], as: UTF8.self)
          guard text?.code == 0x81, last?.code == 0x88, code == trouble.code, words.hasPrefix(trouble.text) else {
            throw WebSocketProblem.closed(reason: "\(trouble): \(words), \(code ?? 0)")
          }
          // The client says goodbye, and the server closes.
          socket.send(Socket.frame(0x88, [3, 232]))
          guard socket.receive().isEmpty else { throw WebSocketProblem.closed(reason: "more after the end") }
        }
      }
      return []
    }
    for number in 0..<2 {
      let expected = try (0..<8).flatMap { try Served.alone(number, steps: 18, seed: $0) }
      #expect(acting[number] == expected)
    }
    let metrics = served.server.metrics
    #expect(metrics.refusals(.malformed) == 2 * 10 + 5)
    #expect(metrics.refusals(.size) == 2 * 3)
    #expect(metrics.refusals(.timeout) == 2 * 2 + 2)
    #expect(metrics.refusals(.mismatch) == 0)
    // All of them are gone.
    let end = Date(timeIntervalSinceNow: 5)
    while metrics.value("imitate_connections") > 0, Date() < end { usleep(10_000) }
    #expect(metrics.value("imitate_connections") == 0)
  }

  @Test func noMoreConnectionsThanAllowed() throws {
    let served = try Served { $0.mostConnections = 2 }
    let (first, _) = try served.client()
    let (second, _) = try served.client()
    #expect {
      try served.client()
    } throws: {
      guard case .refused(503, let reason) = $0 as? WebSocketProblem else { return false }
      return reason.contains("all of its 2 connections are taken")
    }
    #expect(try Socket.get("/healthz", port: served.port).hasPrefix("HTTP/1.1 200"))
    #expect(try Served.ask(second, [1], seed: 1) == Served.ask(first, [1], seed: 1))
    first.close()
    let end = Date(timeIntervalSinceNow: 5)
    while served.server.metrics.value("imitate_connections") > 1, Date() < end { usleep(10_000) }
    #expect(try Served.ask(served.client().0, [1], seed: 1) == Served.ask(second, [1], seed: 1))
  }

  @Test func whoSaysNothingForLongIsClosed() throws {
    let served = try Served { $0.idleSeconds = 0.3 }
    let (client, _) = try served.client()
    #expect(try client.receive() == .closed(code: 1001, reason: "no message for 0.3 s"))
  }

  // MARK: - The end

  /// Who waits for an answer gets it; who does not is closed.
  @Test func stoppingFinishesWhatIsUnderWay() throws {
    let served = try Served(seconds: 0.5)
    let (busy, _) = try served.client()
    let (idle, _) = try served.client()
    let pending = try Socket(port: served.port)
    let expected = try Served.ask(busy, [0.5], seed: 2)
    try busy.send(Served.message([0.5], seed: 2))
    usleep(100_000)
    let start = Date()
    served.server.stop()
    #expect(Date().timeIntervalSince(start) < 5)
    #expect(try Served.actions(busy.receive()) == expected)
    for client in [busy, idle] {
      #expect(try client.receive() == .closed(code: 1001, reason: "the server is stopping"))
    }
    #expect(pending.receive().isEmpty)
    #expect(throws: WebSocketProblem.self) { try Socket(port: served.port) }
    #expect(served.server.metrics.answers == 2)
  }

  // MARK: - The beginning

  private func problem(_ change: (inout ServingOptions) -> Void) -> String {
    do { _ = try Served(nil, change) } catch { return "\(error)" }
    return ""
  }

  @Test func aServerThatCannotStartSaysWhy() throws {
    #expect(
      problem { $0.host = "0.0.0.0" }
        == "0.0.0.0 can be reached from other machines: a token is required there; give one with --token-file")
    #expect(problem { $0.host = "::" }.contains("a token is required"))
    #expect(
      problem { $0.host = "no.such.host.invalid" }
        == "cannot listen at no.such.host.invalid, port 0: no address of that name")
    #expect(problem { $0.host = "" } == "cannot listen at '', port 0: no address of that name")
    #expect(problem { $0.token = "short" } == "a token is 8 to 1000 visible ASCII characters without spaces")
    #expect(problem { $0.token = "with a space" }.hasPrefix("a token is"))
    let served = try Served()
    #expect(
      problem { $0.port = served.port } == "cannot listen at 127.0.0.1, port \(served.port): Address already in use")
    #expect(
      problem { $0.tls = ("/nowhere/a.pem", "/nowhere/b.pem") } == "/nowhere/a.pem: no such file, or not readable")
    #expect(problem { $0.tls = (#filePath, #filePath) }.hasPrefix("\(#filePath): not PEM that can be used"))
    // With a token it listens anywhere.
    let open = try Served {
      $0.host = "0.0.0.0"
      $0.token = "opensesame"
    }
    #expect(try Served.ask(open.client(token: "opensesame").0, [1]).count == 3)
  }

  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/openssl"))) func servesWithTLS() throws {
    let folder = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let openssl = Process()
    openssl.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
    openssl.arguments =
      ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
      + [
        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder + "/key.pem", "-out",
        folder + "/cert.pem",
      ]
    openssl.standardError = FileHandle.nullDevice
    try openssl.run()
    openssl.waitUntilExit()
    let served = try Served {
      $0.tls = (folder + "/cert.pem", folder + "/key.pem")
      $0.token = "opensesame"
    }
    let address = ServerAddress(host: "localhost", port: served.port, isSecure: true)
    let client = try WebSocketClient(address, token: "opensesame", certificate: folder + "/cert.pem", seconds: 20)
    _ = try client.receive()
    #expect(try Served.through(client, 2, steps: 9, seed: 1) == Served.alone(2, steps: 9, seed: 1))
    // A key of another certificate.
    let other = Process()
    other.executableURL = openssl.executableURL
    other.arguments = ["genrsa", "-out", folder + "/other.pem", "2048"]
    (other.standardError, other.standardOutput) = (FileHandle.nullDevice, FileHandle.nullDevice)
    try other.run()
    other.waitUntilExit()
    #expect(
      problem { $0.tls = (folder + "/cert.pem", folder + "/other.pem") }
        == "\(folder)/other.pem: not the key of the certificate in \(folder)/cert.pem")
    // One that the system does not trust, and one that speaks no TLS.
    #expect(throws: WebSocketProblem.self) { try WebSocketClient(address, token: "opensesame", seconds: 20) }
    #expect(throws: WebSocketProblem.self) {
      try WebSocketClient(.init(host: "127.0.0.1", port: served.port), token: "opensesame", seconds: 20)
    }
    #expect(try Served.through(client, 2, steps: 9, seed: 1) == Served.alone(2, steps: 9, seed: 1))
    client.close()
  }

  // MARK: - Metrics

  /// The page is in Prometheus' text format: each metric with its type, buckets that only grow, counts that agree.
  @Test func metricsAgreeWithWhatHappened() throws {
    let served = try Served()
    let (client, _) = try served.client()
    for _ in 0..<7 { _ = try Served.ask(client, [1]) }
    let text = try Socket.get("/metrics", port: served.port)
    #expect(text.contains("content-type: text/plain; version=0.0.4"))
    let body = text.components(separatedBy: "\r\n\r\n")[1]
    var (types, values): ([String: String], [(name: String, value: Double)]) = ([:], [])
    for line in body.split(separator: "\n") {
      let words = line.split(separator: " ").map(String.init)
      if line.hasPrefix("# TYPE") {
        types[words[2]] = words[3]
      } else if !line.hasPrefix("#") {
        #expect(words.count == 2, "\(line)")
        values.append((words[0], try #require(Double(words[1]), "\(line)")))
      }
    }
    func value(_ name: String) -> Double? { values.first { $0.name == name }?.value }
    #expect(value("imitate_requests_total") == 7 && value("imitate_connections") == 1)
    for name in ["imitate_request_seconds", "imitate_pass_seconds", "imitate_batch_size"] {
      #expect(types[name] == "histogram")
      let buckets = values.filter { $0.name.hasPrefix(name + "_bucket") }.map(\.value)
      #expect(buckets == buckets.sorted() && buckets.last == value(name + "_count"))
    }
    #expect(value("imitate_batch_size_count") == 7 && value("imitate_batch_size_sum") == 7)
    #expect(types.values.filter { $0 == "counter" }.count == 4)
  }
}

extension ServingMetrics {
  /// A value of the page; not a number when there is none.
  func value(_ name: String) -> Double {
    page.split(separator: "\n").first { $0.hasPrefix(name + " ") }.flatMap { Double($0.split(separator: " ")[1]) }
      ?? .nan
  }
}
