import Imitation

/// What a client asks for: actions for the newest of these frames.
package struct ActionRequest: Sendable, Equatable {
  /// What was seen since the last request, oldest first; at least one.
  package var frames: [Observation]
  /// Whether an episode begins: what was seen before is forgotten.
  package var begins = false
  /// What the episode's random numbers follow from; nil for the server's choice.
  package var seed: UInt64?
  /// The first actions where they are given: what is carried out from the newest frame on while the answer is computed.
  package var prefix: [[Float]] = []

  package init(frames: [Observation], begins: Bool = false, seed: UInt64? = nil) {
    (self.frames, self.begins, self.seed) = (frames, begins, seed)
  }
}

/// What a policy takes as `action_prefix`.
package struct ActionPrefix: Sendable {
  /// What recipes call the policy.
  package var policy: String
  /// How many numbers an action has.
  package var width: Int
  /// The most actions; 0 for a policy that continues none.
  package var most: Int

  package init(policy: String, width: Int, most: Int) {
    (self.policy, self.width, self.most) = (policy, width, most)
  }
}

/// A message that is no observation of the policy's.
package enum ObservationProblem: Error, Equatable, CustomStringConvertible {
  case notADictionary(String)
  case twice(String)
  case missing(String, wants: String, available: [String])
  case differs(String, wants: String, found: String)
  case jpeg(String, reason: String)
  case frames(String, Int, others: Int)
  case notFinite(String)
  case seedAlone
  case continuesNothing(policy: String, found: String)

  package var description: String {
    switch self {
    case .notADictionary(let found): "an observation is a dict, this is \(found)"
    case .twice(let key): "the observation has '\(key)' twice"
    case .missing(let key, let wants, let available):
      "the policy needs '\(key)' (\(wants)), the observation has: "
        + (available.isEmpty ? "nothing" : available.joined(separator: ", "))
    case .differs(let key, let wants, let found): "'\(key)' is \(found), the policy needs \(wants)"
    case .jpeg(let key, let reason): "'\(key)': \(reason)"
    case .frames(let key, let count, let others): "'\(key)' has \(count) frames, the others have \(others)"
    case .notFinite(let key): "'\(key)' holds a value that is not a number"
    case .continuesNothing(let policy, let found):
      "'action_prefix' is \(found), and policy '\(policy)' cannot continue given actions (real_time of the metadata is false)"
    case .seedAlone: "'seed' goes with 'reset': it is an episode's, and none begins"
    }
  }
}

/// Reads observations as `openpi-client` sends them: a dict of arrays by name, nested or not, and an instruction.
///
/// An array may have one more axis in front: the frames since the last request.
package struct ObservationReader: Sendable {
  /// Frames before these are of no use to the policy.
  let steps: Int
  let schema: ObservationSchema
  let names: ObservationNames
  let prefix: ActionPrefix

  /// - Parameters:
  ///   - steps: how many frames the policy looks at.
  ///   - prefix: which given actions it continues.
  package init(
    schema: ObservationSchema, steps: Int, names: ObservationNames = .init(),
    prefix: ActionPrefix = .init(policy: "", width: 0, most: 0)
  ) {
    (self.schema, self.steps, self.names, self.prefix) = (schema, steps, names, prefix)
  }

  /// - Throws: `MessagePackError`, `ObservationProblem`.
  package func request(_ message: ArraySlice<UInt8>) throws -> ActionRequest {
    let message = try MessagePack(message)
    guard case .map(let entries) = message, message.array == nil else {
      throw ObservationProblem.notADictionary(message.array?.description ?? message.kind)
    }
    var values: [String: MessagePack] = [:]
    try flatten(entries, under: "", into: &values)
    var frames = Frames()
    for (key, size) in schema.images {
      let (count, images) = try images(key, size, values)
      try frames.add(images, of: count, key: names[key].key) { $0.images[key] = $1 }
    }
    for (key, width) in schema.vectors {
      let (count, vectors) = try vectors(key, width, values)
      try frames.add(vectors, of: count, key: names[key].key) { $0.vectors[key] = $1 }
    }
    let instruction = try instruction(values)
    var request = ActionRequest(
      frames: frames.observations.map { frame in
        var frame = frame
        frame.instruction = instruction
        return frame
      })
    if let reset = values["reset"] {
      guard case .bool(let begins) = reset.plain else { throw differs("reset", "a bool", reset) }
      request.begins = begins
    }
    if let seed = values["seed"], seed != .null {
      switch seed.plain {
      case .integer(let value) where value >= 0: request.seed = UInt64(value)
      case .unsigned(let value): request.seed = value
      default: throw differs("seed", "an int of 0 or more", seed)
      }
      guard request.begins else { throw ObservationProblem.seedAlone }
    }
    if let given = values["action_prefix"], given != .null { request.prefix = try actions(given) }
    return request
  }

  /// Actions that the policy is to continue.
  private func actions(_ value: MessagePack) throws -> [[Float]] {
    guard prefix.most > 0 else {
      throw ObservationProblem.continuesNothing(
        policy: prefix.policy, found: value.array?.description ?? value.plain.kind)
    }
    guard let (values, shape) = numbers(value), shape.count == 2, shape[1] == prefix.width,
      (1...prefix.most).contains(shape[0])
    else { throw differs("action_prefix", "numbers [1 to \(prefix.most), \(prefix.width)]", value) }
    guard values.allSatisfy(\.isFinite) else { throw ObservationProblem.notFinite("action_prefix") }
    return stride(from: 0, to: values.count, by: prefix.width).map { Array(values[$0..<$0 + prefix.width]) }
  }

  /// Frames that are put together key by key.
  private struct Frames {
    var observations: [Observation] = []
    /// How many were sent, of which the policy needs the last ones.
    private var count: Int?

    mutating func add<Value>(
      _ values: [Value], of count: Int, key: String, _ set: (inout Observation, Value) -> Void
    ) throws {
      if self.count == nil { (self.count, observations) = (count, values.map { _ in Observation() }) }
      guard let others = self.count, count == others else {
        throw ObservationProblem.frames(key, count, others: self.count ?? 0)
      }
      for (index, value) in values.enumerated() { set(&observations[index], value) }
    }
  }

  /// `{"images": {"top": x}}` is `images/top`.
  private func flatten(
    _ entries: [MessagePack.Entry], under prefix: String, into values: inout [String: MessagePack]
  ) throws {
    for entry in entries {
      guard let name = entry.key.name else {
        throw ObservationProblem.differs("a key", wants: "a str", found: entry.key.kind)
      }
      if case .map(let inner) = entry.value, entry.value["__ndarray__"] == nil, entry.value["__npgeneric__"] == nil {
        try flatten(inner, under: prefix + name + "/", into: &values)
      } else if values.updateValue(entry.value, forKey: prefix + name) != nil {
        throw ObservationProblem.twice(prefix + name)
      }
    }
  }

  private func differs(_ key: String, _ wants: String, _ found: MessagePack) -> ObservationProblem {
    .differs(key, wants: wants, found: found.array?.description ?? found.plain.kind)
  }

  private func value(_ source: ObservationNames.Source, _ wants: String, _ values: [String: MessagePack]) throws
    -> MessagePack
  {
    guard let value = values[source.key] else {
      throw ObservationProblem.missing(source.key, wants: wants, available: values.keys.sorted())
    }
    return value
  }

  /// Text under `prompt`; empty without one.
  private func instruction(_ values: [String: MessagePack]) throws -> String {
    let key = names[ObservationNames.prompt].key
    guard let value = values[key], value != .null else { return "" }
    guard case .text(let text) = value.plain else { throw differs(key, "a str", value) }
    return text
  }

  // MARK: - Images

  /// - Returns: how many frames there are, and the last of them.
  private func images(_ key: String, _ size: ObservationSchema.ImageSize, _ values: [String: MessagePack]) throws
    -> (count: Int, [Image])
  {
    let (source, wants) = (names[key], "uint8 [\(size.height), \(size.width), 3] or a JPEG image")
    let value = try value(source, wants, values)
    if case .list(let files) = value {
      guard !files.isEmpty else { throw differs(source.key, wants, value) }
      let images = try files.suffix(steps).map { file in
        guard case .bytes(let bytes) = file else { throw differs(source.key, wants, file) }
        return try jpeg(bytes, size, source.key)
      }
      return (files.count, images)
    }
    if case .bytes(let bytes) = value { return (1, [try jpeg(bytes, size, source.key)]) }
    guard let array = value.array, let bytes = array.bytes else { throw differs(source.key, wants, value) }
    // What cv2.imencode returns, or np.frombuffer of a file.
    if array.shape.count == 1 || array.shape.count == 2 && array.shape[1] == 1, bytes.starts(with: [0xff, 0xd8]) {
      return (1, [try jpeg(bytes, size, source.key)])
    }
    let whole = [size.height, size.width, 3]
    guard array.shape.suffix(3) == whole[...], array.shape.count == 3 || array.shape.count == 4, !bytes.isEmpty else {
      throw differs(source.key, wants, value)
    }
    let length = size.height * size.width * 3
    let images = stride(from: 0, to: bytes.count, by: length).suffix(steps).map { offset in
      let start = bytes.startIndex + offset
      return Image(width: size.width, height: size.height, pixels: Array(bytes[start..<start + length]))
    }
    return (bytes.count / length, images)
  }

  /// The size is looked at before anything is decoded: a small file can stand for a huge image.
  private func jpeg(_ file: ArraySlice<UInt8>, _ size: ObservationSchema.ImageSize, _ key: String) throws -> Image {
    let file = Array(file)
    do {
      let found = try Image.size(jpeg: file)
      let header = JPEGHeader(file)
      // Turned pixels, or gray ones, are the right size and the wrong image.
      guard header.components == 3 else {
        throw ObservationProblem.differs(
          key, wants: "one of 3 colors", found: "a JPEG image of \(header.components) colors")
      }
      guard header.orientation == 1 else {
        throw ObservationProblem.jpeg(
          key,
          reason: "its EXIF data say that it is turned or mirrored (orientation \(header.orientation)); send it upright"
        )
      }
      guard found.width == size.width, found.height == size.height else {
        throw ObservationProblem.differs(
          key, wants: "[\(size.height), \(size.width), 3]",
          found: "a JPEG image of [\(found.height), \(found.width), 3]")
      }
      return try Image(jpeg: file)
    } catch let error as ImageError {
      throw ObservationProblem.jpeg(key, reason: error.description)
    }
  }

  // MARK: - Vectors

  /// - Returns: how many frames there are, and the last of them.
  private func vectors(_ key: String, _ width: Int, _ values: [String: MessagePack]) throws
    -> (count: Int, [[Float]])
  {
    let source = names[key]
    let wants = "numbers [\(width)]" + (source.range.map { " at [\($0.lowerBound):\($0.upperBound)]" } ?? "")
    let value = try value(source, wants, values)
    guard let (numbers, shape) = numbers(value) else { throw differs(source.key, wants, value) }
    // How many there are in a frame, and which of them are meant.
    let total = source.range == nil ? width : shape.last ?? 1
    let range = source.range ?? 0..<width
    let isScalar = shape.isEmpty && total == 1
    guard isScalar || shape.count == 1 || shape.count == 2, isScalar || shape.last == total, range.upperBound <= total,
      !numbers.isEmpty
    else { throw differs(source.key, wants, value) }
    let rows = stride(from: 0, to: numbers.count, by: total).suffix(steps)
      .map { Array(numbers[($0 + range.lowerBound)..<($0 + range.upperBound)]) }
    guard rows.allSatisfy({ $0.allSatisfy(\.isFinite) }) else { throw ObservationProblem.notFinite(source.key) }
    return (numbers.count / total, rows)
  }

  /// An array, a list of numbers or one number; nil for all else.
  private func numbers(_ value: MessagePack) -> (values: [Float], shape: [Int])? {
    if let array = value.array { return array.floats.map { ($0, array.shape) } }
    switch value.plain {
    case .integer(let value): return ([Float(value)], [])
    case .number(let value): return ([Float(value)], [])
    case .list(let values):
      let found = values.map { numbers($0) }
      guard found.allSatisfy({ $0?.shape.isEmpty ?? false }) else { return nil }
      return (found.flatMap { $0?.values ?? [] }, [values.count])
    default: return nil
    }
  }
}
