import Imitation

/// What a server says of its policy when a client connects: what to send, and what comes back.
public struct PolicyMetadata: Sendable, Equatable {
  /// The recipe's name.
  public let policy: String
  /// The server's program and its version; "" when it does not say.
  public let server: String
  /// Of weights and settings: another policy has another one.
  public let digest: String
  /// The cameras and vectors of an observation.
  public let schema: ObservationSchema
  /// The key of the instruction.
  public let prompt: String
  /// How many frames the policy looks at.
  public let history: Int
  /// Whether it continues actions that are given, `action_prefix`; false when the server does not say.
  public let realTime: Bool
  /// How many actions an answer has.
  public let chunk: Int
  /// How many of them the policy's recipe carries out.
  public let nActionSteps: Int
  /// What the numbers of an action mean, as far as the server knows.
  public let actions: ActionSchema
  /// Where three numbers of an action are an axis times an angle, as far as the server says.
  public let rotations: [Int]
  /// What the numbers of vectors mean, as far as the server knows, by key.
  public let vectorSchemas: [String: VectorSchema]

  /// The widest image, the most numbers, the longest chunk that are believed.
  private static let most = 1 << 16

  /// - Throws: `PolicyClientError.metadata` with what is missing or no such thing.
  package init(_ message: MessagePack) throws {
    func found<Value>(_ key: String, _ value: Value?) throws -> Value {
      guard let value else { throw PolicyClientError.metadata(key: key) }
      return value
    }
    func integer(_ value: MessagePack?) -> Int? {
      guard case .integer(let value) = value?.plain, (1...Int64(PolicyMetadata.most)).contains(value) else {
        return nil
      }
      return Int(value)
    }
    func integers(_ value: MessagePack?, _ count: Int) -> [Int]? {
      guard case .list(let values) = value, values.count == count else { return nil }
      let integers = values.compactMap { integer($0) }
      return integers.count == count ? integers : nil
    }
    func group<Value>(_ key: String, _ body: (MessagePack) -> Value?) throws -> [String: Value] {
      guard let value = message[key], case .map(let entries) = value else { throw PolicyClientError.metadata(key: key) }
      var values: [String: Value] = [:]
      for entry in entries {
        let name = try found(key, entry.key.name)
        values[name] = try found("\(key)/\(name)", body(entry.value))
      }
      return values
    }
    // It is shown, and in names of files.
    policy = try found(
      "policy",
      message["policy"]?.name.flatMap { name in
        name == name.plainLine && (1...200).contains(name.utf8.count) && !name.contains("/") ? name : nil
      })
    server = message["server"]?.name?.plainLine ?? ""
    // It names a folder.
    digest = try found(
      "digest", message["digest"]?.name.flatMap { $0.wholeMatch(of: /[0-9a-f]{8,64}/) == nil ? nil : $0 })
    schema = ObservationSchema(
      images: try group("images") { value in
        integers(value, 3).flatMap { $0[2] == 3 ? .init(height: $0[0], width: $0[1]) : nil }
      }, vectors: try group("vectors") { integers($0, 1)?[0] })
    if let part = schema.vectors.keys.sorted().first(where: { $0.wholeMatch(of: /.*\[\d+:\d+\]/) != nil }) {
      throw PolicyClientError.part(key: part)
    }
    vectorSchemas =
      message["vector_schemas"] == nil
      ? [:]
      : try group("vector_schemas") { value in
        VectorSchema(
          unit: value["unit"]?.name?.plainLine, frame: value["frame"]?.name?.plainLine,
          quaternion: value["quaternion"]?.name?.plainLine)
      }
    prompt = try found("prompt", message["prompt"]?.name)
    history = try found("history", integer(message["history"]))
    switch message["real_time"]?.plain {
    case nil, .null: realTime = false
    case .bool(let value): realTime = value
    default: throw PolicyClientError.metadata(key: "real_time")
    }
    let actions = try found("actions", message["actions"])
    let shape = try found("actions/shape", integers(actions["shape"], 2))
    chunk = shape[0]
    nActionSteps = min(try found("actions/n_action_steps", integer(actions["n_action_steps"])), chunk)
    switch actions["rotations"] {
    case nil, .null: rotations = []
    case .list(let values):
      let places = values.compactMap { value in
        if case .integer(let place) = value.plain, place >= 0, place + 3 <= Int64(shape[1]) { Int(place) } else { nil }
      }
      guard places.count == values.count, zip(places, places.dropFirst()).allSatisfy({ $1 - $0 >= 3 }) else {
        throw PolicyClientError.metadata(key: "actions/rotations")
      }
      rotations = places
    default: throw PolicyClientError.metadata(key: "actions/rotations")
    }
    /// A fact of each number; none of any when the server says nothing.
    func each<Value>(_ key: String, _ body: (MessagePack) -> Value?) throws -> [Value?] {
      guard let value = actions[key], value != .null else { return Array(repeating: nil, count: shape[1]) }
      guard case .list(let values) = value, values.count == shape[1] else {
        throw PolicyClientError.metadata(key: "actions/\(key)")
      }
      return values.map(body)
    }
    func number(_ value: MessagePack?) -> Double? {
      switch value?.plain {
      case .number(let value) where value.isFinite: value
      case .integer(let value): Double(value)
      default: nil
      }
    }
    let hertz = number(actions["control_hertz"])
    guard hertz.map({ $0 > 0 && $0 <= 1e5 }) ?? true else {
      throw PolicyClientError.metadata(key: "actions/control_hertz")
    }
    let (names, units) = (try each("names") { $0.name }, try each("units") { $0.name })
    let (low, high) = (try each("low") { number($0) }, try each("high") { number($0) })
    self.actions = ActionSchema(
      dimensions: (0..<shape[1]).map {
        .init(name: names[$0], unit: units[$0], low: low[$0].map { Float($0) }, high: high[$0].map { Float($0) })
      }, controlHertz: hertz, control: actions["control"]?.name)
  }
}
