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
  /// How many steps before the actions to be carried out run out the next answer is asked for, so that the robot does not wait for
  /// it (real-time chunking); nil, as at first, to ask when they have run out.
  ///
  /// The request holds the actions that remain as its prefix, and the answer begins with them. They are handed out until it has
  /// come; then as many of its actions are left out as steps were taken since. `execute` counts from the answer's first action, so
  /// `execute - realTime` actions of each are new ones. When the answer has not come before the last of the old ones is handed
  /// out, the next action waits for it.
  ///
  /// It is from 1 to half of `execute`, as an answer that takes that long leaves the other half; it takes a policy with `metadata.realTime`, and goes neither with `ensemble` nor with
  /// `skipsPassedSteps`: `action(for:)` throws otherwise.
  public var realTime: Int?

  /// A request whose answer is not taken yet.
  private struct Pending {
    var since = ContinuousClock.now
    /// What the server is shown by it.
    var frames: [Observation]
    /// Of the episode that it begins.
    var seed: UInt64?
    /// How many actions were handed out since.
    var passed = 0
    /// Whether another episode has begun: its answer is of no use.
    var isStale = false
  }

  private let client: WebSocketClient
  private let execute: Int
  private let isEnsembling: Bool
  /// Turns rotations into the first two rows of their matrices before they are averaged, and back: the mean of axes times angles is
  /// no rotation between them. Nil where nothing is averaged, or nothing turns.
  private let averaging: ActionLayout?
  private var plan: ActionPlan
  private var pending: Pending?
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
    metadata = try PolicyMetadata(PolicyClient.value(client.receive()))
    self.execute = max(1, execute ?? metadata.nActionSteps)
    isEnsembling = ensemble != nil
    averaging =
      ensemble == nil || metadata.rotations.isEmpty
      ? nil
      : ActionLayout(
        learned: Array(0..<metadata.actions.count), template: [Float](repeating: 0, count: metadata.actions.count),
        rotations: metadata.rotations)
    plan = ActionPlan(execute: self.execute, ensemble: ensemble)
  }

  /// Says goodbye.
  public func close() { client.close() }

  public func begin(seed: UInt64) {
    (frames, self.seed) = ([], seed)
    pending?.isStale = true
    plan.clear()
  }

  public var plansNext: Bool { plan.isDone }

  /// - Throws: `PolicyClientError`, or how the connection was lost: the client is of no use then.
  public func action(for observation: Observation) throws -> [Float] {
    try metadata.schema.check(observation)
    let ahead = try stepsAhead()
    frames = (frames + [observation]).suffix(metadata.history)
    if pending?.isStale == true {
      _ = try client.receive()
      pending = nil
    }
    if pending != nil, let answer = try plan.isDone ? client.receive() : client.received() { try take(answer) }
    if pending == nil, plan.rest.count <= ahead {
      try ask(observation.instruction)
      if plan.isDone { try take(client.receive()) }
    }
    pending?.passed += 1
    let action = plan.next()
    return averaging?.whole(action) ?? action
  }

  /// `realTime`, or 0, after a look at whether it can be.
  private func stepsAhead() throws -> Int {
    guard let realTime else {
      guard skipsPassedSteps else { return 0 }
      if isEnsembling { throw PolicyClientError.skipsPassedSteps(reason: "it does not go with ensemble") }
      if metadata.actions.controlHertz == nil {
        throw PolicyClientError.skipsPassedSteps(reason: "the server does not say at which rate its policy acts")
      }
      return 0
    }
    let carriedOut = min(execute, metadata.chunk)
    let reason: String? =
      if isEnsembling {
        "it does not go with ensemble"
      } else if skipsPassedSteps {
        "it does not go with skipsPassedSteps, which it replaces"
      } else if !metadata.realTime {
        "the server's policy '\(metadata.policy)' cannot continue given actions (real_time of its metadata is false)"
      } else if realTime < 1 || 2 * realTime > carriedOut {
        "it is \(realTime) and \(carriedOut) actions of an answer are carried out; it must be from 1 to half of that"
      } else {
        nil
      }
    if let reason { throw PolicyClientError.realTime(reason: reason) }
    return realTime
  }

  /// Sends what the server has not seen, and the actions that are carried out meanwhile.
  private func ask(_ instruction: String) throws {
    let request = Pending(frames: frames, seed: seed)
    try client.send(message(instruction).encoded)
    (pending, frames, seed) = (request, [], nil)
  }

  /// Goes on with the answer to what was asked.
  private func take(_ message: WebSocketClient.Message) throws {
    guard let request = pending else { return }
    pending = nil
    do {
      var actions = try PolicyClient.actions(PolicyClient.value(message), width: metadata.actions.count)
      if let averaging { actions = actions.map(averaging.learned(from:)) }
      guard skipsPassedSteps else {
        guard request.passed < min(execute, actions.count) else {
          throw PolicyClientError.answer("\(actions.count) actions, and \(request.passed) steps have passed since")
        }
        return plan.add(actions, passed: request.passed)
      }
      let passed = (ContinuousClock.now - request.since) / .seconds(1) * (metadata.actions.controlHertz ?? 0)
      plan.add(Array(actions.dropFirst(Int(min(passed, Double(actions.count - 1))))))
    } catch {
      // What was refused the server has not seen.
      (frames, seed) = ((request.frames + frames).suffix(metadata.history), request.seed)
      throw error
    }
  }

  /// All frames that the server has not seen, each key with one more axis in front, and the actions that are still carried out.
  private func message(_ instruction: String) -> MessagePack {
    var entries: [MessagePack.Entry] = []
    func add(_ key: String, _ value: MessagePack) { entries.append(.init(key: .text(key), value: value)) }
    add(metadata.prompt, .text(instruction))
    for (key, size) in metadata.schema.images {
      var pixels: [UInt8] = []
      for frame in frames { pixels += frame.images[key]!.pixels }
      let shape = [frames.count, size.height, size.width, 3]
      add(key, MessagePack(NumericArray(type: "|u1", shape: shape, data: pixels[...])))
    }
    for (key, width) in metadata.schema.vectors {
      add(key, MessagePack(NumericArray(frames.map { $0.vectors[key]! }, width: width)))
    }
    if let seed {
      add("reset", .bool(true))
      add("seed", Int64(exactly: seed).map { .integer($0) } ?? .unsigned(seed))
    }
    let prefix = plan.rest
    if !prefix.isEmpty { add("action_prefix", MessagePack(NumericArray(prefix, width: metadata.actions.count))) }
    return .map(entries)
  }

  /// A message's value.
  private static func value(_ message: WebSocketClient.Message) throws -> MessagePack {
    switch message {
    case .binary(let bytes):
      do { return try MessagePack(bytes[...]) } catch { throw PolicyClientError.answer("\(error)") }
    case .text(let text):
      throw PolicyClientError.refused(text.plainLine)
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

extension String {
  /// In one line without what a terminal obeys, and not longer than anybody reads.
  var plainLine: String {
    let plain = split(whereSeparator: \.isNewline).joined(separator: " ").unicodeScalars.filter {
      $0.properties.generalCategory != .control && $0.properties.generalCategory != .format
    }
    return String(String(String.UnicodeScalarView(plain)).prefix(1000))
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
  /// Why `realTime` cannot be as it is.
  case realTime(reason: String)
  /// Why `skipsPassedSteps` cannot be on.
  case skipsPassedSteps(reason: String)
  /// A vector that the server takes as a part of an array (`--map`), which is not sent.
  case part(key: String)

  public var description: String {
    switch self {
    case .address(let text): "'\(text)' is no server's address; write ws://HOST:PORT or wss://HOST:PORT"
    case .metadata(let key):
      "the server's metadata has no '\(key)' that can be used; docs/serving.md says what `imitate serve` sends"
    case .refused(let text): "the server refuses: \(text)"
    case .realTime(let reason): "realTime: \(reason)"
    case .skipsPassedSteps(let reason): "skipsPassedSteps: \(reason)"
    case .part(let key): "the server takes '\(key)', a part of an array (--map), and this client sends no parts"
    case .answer(let reason): "the server's answer cannot be used: \(reason)"
    }
  }
}
