import Imitation

/// A policy elsewhere, behind a server of openpi's protocol that says as much of its policy as `imitate serve` does.
///
/// It acts as an `Agent` of the same policy would, bit by bit: it sends every frame that the policy looks at, and carries out
/// the first `execute` actions of an answer before it asks again.
///
/// ```swift
/// let client = try PolicyClient("ws://127.0.0.1:8000")
/// client.begin(seed: 0)
/// let action = try client.action(for: observation)
/// ```
public final class PolicyClient: Behavior {
  /// What the server says of its policy.
  public let metadata: PolicyMetadata
  /// Whether the robot has moved on while an answer was computed: the actions of the steps that passed are then left out. The
  /// rate is the metadata's.
  public var skipsPassedSteps = false

  private let client: WebSocketClient
  private var plan: ActionPlan
  /// What the server has not seen yet.
  private var frames: [Observation] = []
  /// Of an episode that the server does not know of yet.
  private var seed: UInt64? = 0

  /// Connects.
  ///
  /// - Parameters:
  ///   - address: `ws://HOST:PORT`, or `wss://HOST:PORT` for TLS.
  ///   - token: the server's; nil for none.
  ///   - certificate: a PEM file of whom to trust with TLS; nil for those that the system trusts.
  ///   - execute: how many actions of an answer are carried out; the metadata's `nActionSteps` when nil.
  ///   - ensemble: as an agent's; nil to carry out the newest answer alone.
  ///   - seconds: how long the server may be silent.
  /// - Throws: `PolicyClientError`, or why there is no connection.
  public init(
    _ address: String, token: String? = nil, certificate: String? = nil, execute: Int? = nil, ensemble: Float? = nil,
    seconds: Double = 60
  ) throws {
    guard let place = ServerAddress(address) else { throw PolicyClientError.address(address) }
    client = try WebSocketClient(place, token: token, certificate: certificate, seconds: seconds)
    metadata = try PolicyMetadata(PolicyClient.received(client))
    plan = ActionPlan(execute: execute ?? metadata.nActionSteps, ensemble: ensemble)
  }

  /// Says goodbye.
  public func close() { client.close() }

  public func begin(seed: UInt64) {
    (frames, self.seed) = ([], seed)
    plan.clear()
  }

  public var plansNext: Bool { plan.isDone }

  /// - Throws: `PolicyClientError`, or how the connection was lost: the client is of no use then.
  public func action(for observation: Observation) throws -> [Float] {
    try metadata.schema.check(observation)
    frames = (frames + [observation]).suffix(metadata.history)
    if plan.isDone {
      let start = ContinuousClock.now
      try client.send(message(observation.instruction).encoded)
      let actions = try PolicyClient.actions(PolicyClient.received(client), width: metadata.actions.count)
      (frames, seed) = ([], nil)
      let passed = (ContinuousClock.now - start) / .seconds(1) * (metadata.actions.controlHertz ?? 0)
      plan.add(skipsPassedSteps ? Array(actions.dropFirst(min(Int(passed), actions.count - 1))) : actions)
    }
    return plan.next()
  }

  /// All frames that the server has not seen, each key with one more axis in front.
  private func message(_ instruction: String) -> MessagePack {
    var entries: [MessagePack.Entry] = [.init(key: .text(metadata.prompt), value: .text(instruction))]
    for (key, size) in metadata.schema.images {
      var pixels: [UInt8] = []
      for frame in frames { pixels += frame.images[key]!.pixels }
      let shape = [frames.count, size.height, size.width, 3]
      entries.append(
        .init(key: .text(key), value: MessagePack(NumericArray(type: "|u1", shape: shape, data: pixels[...]))))
    }
    for (key, width) in metadata.schema.vectors {
      let rows = frames.map { $0.vectors[key]! }
      entries.append(.init(key: .text(key), value: MessagePack(NumericArray(rows, width: width))))
    }
    if let seed {
      entries.append(.init(key: .text("reset"), value: .bool(true)))
      entries.append(.init(key: .text("seed"), value: Int64(exactly: seed).map { .integer($0) } ?? .unsigned(seed)))
    }
    return .map(entries)
  }

  /// The next message's value.
  private static func received(_ client: WebSocketClient) throws -> MessagePack {
    switch try client.receive() {
    case .binary(let bytes):
      do { return try MessagePack(bytes[...]) } catch { throw PolicyClientError.answer("\(error)") }
    case .text(let text):
      throw PolicyClientError.refused(text.split(whereSeparator: \.isNewline).joined(separator: " "))
    case .closed(_, let reason): throw WebSocketProblem.closed(reason: reason)
    }
  }

  /// An answer's actions, one or more.
  package static func actions(_ answer: MessagePack, width: Int) throws -> [[Float]] {
    guard let array = answer["actions"]?.array, let values = array.floats, array.shape.count == 2, !values.isEmpty
    else {
      throw PolicyClientError.answer("no 'actions' of two axes")
    }
    guard array.shape[1] == width else {
      throw PolicyClientError.answer("actions of \(array.shape[1]) numbers, and its metadata says \(width)")
    }
    guard values.allSatisfy(\.isFinite) else { throw AgentError.notFinite }
    return stride(from: 0, to: values.count, by: width).map { Array(values[$0..<$0 + width]) }
  }
}

/// Why a policy elsewhere does not act.
public enum PolicyClientError: Error, Equatable, CustomStringConvertible {
  /// No address of a server.
  case address(String)
  /// Metadata without a fact that is needed, or with another form of it.
  case metadata(key: String)
  /// The server's reason for an answer without actions.
  case refused(String)
  /// An answer that cannot be read.
  case answer(String)

  public var description: String {
    switch self {
    case .address(let text): "'\(text)' is no server's address; write ws://HOST:PORT or wss://HOST:PORT"
    case .metadata(let key):
      "the server's metadata has no '\(key)' that can be used; docs/serving.md says what `imitate serve` sends"
    case .refused(let text): "the server refuses: \(text)"
    case .answer(let reason): "the server's answer cannot be used: \(reason)"
    }
  }
}
