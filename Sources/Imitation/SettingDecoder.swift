/// Decodes records from settings and refuses keys that a record does not know.
///
/// A key is known when the record's `CodingKeys` has it or the record asked for it, so the keys need not be written twice.
public struct SettingDecoder: Sendable {
  public init() {}

  /// - Parameter path: how the setting is called in messages, for example `encoder`.
  /// - Throws: `SettingError`.
  public func decode<Record: Decodable>(_ type: Record.Type, from setting: Setting, path: String = "") throws -> Record
  {
    let usage = KeyUsage()
    let position = Position(setting: setting, path: path, usage: usage)
    do {
      let record = try type.init(from: position)
      try usage.refuse(unasked: true)
      return record
    } catch let error as DecodingError {
      // A misspelt key often shows first as another one missing: name the cause.
      try usage.refuse(unasked: false)
      throw position.settingError(error)
    }
  }
}

/// Which keys of which groups are known, and which have been asked for.
private final class KeyUsage {
  private struct Group {
    var setting: Setting
    var names: (String) -> Bool
    var listed: [String]
    var asked: Set<String> = []
  }
  private var groups: [(path: String, group: Group)] = []

  func open<Key: CodingKey>(_ position: Position, _ type: Key.Type) -> Int {
    let listed = ((type as? any CaseIterable.Type)?.codingKeyNames ?? [])
    groups.append(
      (position.path, Group(setting: position.setting, names: { Key(stringValue: $0) != nil }, listed: listed)))
    return groups.count - 1
  }

  func ask(_ key: String, of group: Int) {
    groups[group].group.asked.insert(key)
  }

  /// - Parameter unasked: whether every known key has been asked for by now.
  func refuse(unasked: Bool) throws {
    // Two records may have been decoded from one group: their keys add up.
    for (path, _) in groups {
      let same = groups.filter { $0.path == path }.map(\.group)
      let asked = same.reduce(into: Set<String>()) { $0.formUnion($1.asked) }
      guard case .map(let entries) = same[0].setting.value else { continue }
      for entry in entries where !asked.contains(entry.key) {
        guard unasked || !same.contains(where: { $0.names(entry.key) }) else { continue }
        throw SettingError.unknownKey(
          path: path.isEmpty ? entry.key : "\(path).\(entry.key)", line: entry.line,
          allowed: asked.union(same.flatMap(\.listed)).sorted())
      }
    }
  }
}

extension CaseIterable {
  /// The names of an enumeration of coding keys.
  fileprivate static var codingKeyNames: [String] { allCases.compactMap { ($0 as? any CodingKey)?.stringValue } }
}

/// A place in the settings: the decoder that records see.
private struct Position: Decoder {
  var setting: Setting
  var path: String
  var usage: KeyUsage
  var codingPath: [any CodingKey] = []
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func child(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  func wrongType(_ wanted: String) -> SettingError {
    .wrongType(path: path, line: setting.line, wanted: wanted, found: setting.kind)
  }

  /// A complaint of a record's own decoding, with the line of the value that it is about.
  func settingError(_ error: DecodingError) -> SettingError {
    func place(_ context: DecodingError.Context, and key: (any CodingKey)? = nil) -> (path: String, line: Int) {
      var place = (path: path, line: setting.line)
      var here: Setting? = setting
      for key in context.codingPath.dropFirst(codingPath.count) + [key].compactMap({ $0 }) {
        if let index = key.intValue, case .list(let values)? = here?.value, values.indices.contains(index) {
          here = values[index]
          place.path += "[\(index)]"
        } else {
          here = here?[key.stringValue]
          place.path = place.path.isEmpty ? key.stringValue : "\(place.path).\(key.stringValue)"
        }
        place.line = here?.line ?? place.line
      }
      return place
    }
    switch error {
    case .dataCorrupted(let context):
      let place = place(context)
      return .invalid(path: place.path, line: place.line, reason: context.debugDescription)
    case .keyNotFound(let key, let context):
      let place = place(context, and: key)
      return .missingKey(path: place.path, line: place.line)
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      let place = place(context)
      return .invalid(path: place.path, line: place.line, reason: context.debugDescription)
    @unknown default:
      return .invalid(path: path, line: setting.line, reason: "\(error)")
    }
  }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    switch setting.value {
    case .map(let entries):
      KeyedDecodingContainer(Group(position: self, entries: entries, id: usage.open(self, Key.self)))
    // `encoder:` with nothing below it is a group without keys.
    case .null: KeyedDecodingContainer(Group(position: self, entries: [], id: usage.open(self, Key.self)))
    default: throw wrongType("a group of keys")
    }
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    guard case .list(let values) = setting.value else { throw wrongType("a list") }
    return Row(position: self, values: values)
  }

  func singleValueContainer() throws -> any SingleValueDecodingContainer { Single(position: self) }
}

private struct Group<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let position: Position
  let entries: [Setting.Entry]
  let id: Int

  var codingPath: [any CodingKey] { position.codingPath }
  var allKeys: [Key] { entries.compactMap { Key(stringValue: $0.key) } }

  private func find(_ key: Key) -> Setting? {
    position.usage.ask(key.stringValue, of: id)
    return entries.last { $0.key == key.stringValue }?.setting
  }

  private func at(_ key: Key) throws -> Position {
    guard let setting = find(key) else {
      throw DecodingError.keyNotFound(key, .init(codingPath: codingPath, debugDescription: "missing"))
    }
    return Position(
      setting: setting, path: position.child(key.stringValue), usage: position.usage, codingPath: codingPath + [key])
  }

  func contains(_ key: Key) -> Bool { find(key) != nil }
  func decodeNil(forKey key: Key) throws -> Bool { find(key)?.value ?? .null == .null }
  func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
    try Single(position: at(key)).decode(type)
  }
  func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type, forKey key: Key
  ) throws -> KeyedDecodingContainer<Nested> { try at(key).container(keyedBy: type) }
  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    try at(key).unkeyedContainer()
  }
  func superDecoder() throws -> any Decoder { position }
  func superDecoder(forKey key: Key) throws -> any Decoder { try at(key) }
}

private struct Row: UnkeyedDecodingContainer {
  let position: Position
  let values: [Setting]
  var currentIndex = 0

  struct Index: CodingKey {
    var intValue: Int?
    var stringValue: String { "\(intValue ?? 0)" }
    init(intValue: Int) { self.intValue = intValue }
    init?(stringValue: String) { self.intValue = Int(stringValue) }
  }

  init(position: Position, values: [Setting]) {
    self.position = position
    self.values = values
  }

  var codingPath: [any CodingKey] { position.codingPath }
  var count: Int? { values.count }
  var isAtEnd: Bool { currentIndex >= values.count }

  private mutating func next() throws -> Position {
    guard !isAtEnd else { throw position.wrongType("a longer list") }
    defer { currentIndex += 1 }
    return Position(
      setting: values[currentIndex], path: "\(position.path)[\(currentIndex)]", usage: position.usage,
      codingPath: codingPath + [Index(intValue: currentIndex)])
  }

  mutating func decodeNil() throws -> Bool {
    guard !isAtEnd, values[currentIndex].value == .null else { return false }
    currentIndex += 1
    return true
  }
  mutating func decode<T: Decodable>(_ type: T.Type) throws -> T { try Single(position: next()).decode(type) }
  mutating func nestedContainer<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    try next().container(keyedBy: type)
  }
  mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { try next().unkeyedContainer() }
  mutating func superDecoder() throws -> any Decoder { try next() }
}

private struct Single: SingleValueDecodingContainer {
  let position: Position

  var codingPath: [any CodingKey] { position.codingPath }
  func decodeNil() -> Bool { position.setting.value == .null }

  func decode<T: Decodable>(_ type: T.Type) throws -> T {
    switch type {
    case is Bool.Type:
      guard case .bool(let value) = position.setting.value else { throw position.wrongType("true or false") }
      return value as! T
    case is String.Type: return try text() as! T
    case is Double.Type: return try number() as! T
    case is Float.Type: return Float(try number()) as! T
    case is Int.Type: return try integer(Int.self) as! T
    case is UInt64.Type: return try integer(UInt64.self) as! T
    case is UInt32.Type: return try integer(UInt32.self) as! T
    case is Setting.Type: return position.setting as! T
    default: return try type.init(from: position)
    }
  }

  private func text() throws -> String {
    switch position.setting.value {
    case .text(let value): return value
    // `name: 50` is a fine name.
    case .integer(let value): return String(value)
    default: throw position.wrongType("text")
    }
  }

  private func number() throws -> Double {
    switch position.setting.value {
    case .number(let value): return value
    case .integer(let value): return Double(value)
    default: throw position.wrongType("a number")
    }
  }

  private func integer<Whole: FixedWidthInteger>(_ type: Whole.Type) throws -> Whole {
    guard case .integer(let value) = position.setting.value else { throw position.wrongType("a whole number") }
    guard let whole = Whole(exactly: value) else { throw position.wrongType("a whole number of 0 or more") }
    return whole
  }
}

extension Setting: Decodable {
  /// The undecoded value itself: how a record keeps what a plug-in will decode later.
  public init(from decoder: any Decoder) throws {
    guard let position = decoder as? Position else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "only a settings file can be kept undecoded"))
    }
    self = position.setting
  }
}

/// A plug-in named in a recipe with its options still undecoded: `{kind: resnet18, crop: 116}`.
public struct Choice: Decodable, Sendable, Equatable {
  public let kind: String
  /// The group without `kind`.
  public let options: Setting

  public init(kind: String, options: Setting = Setting(.map([]), line: 0)) {
    self.kind = kind
    self.options = options
  }

  public init(from decoder: any Decoder) throws {
    let setting = try Setting(from: decoder)
    guard case .map(let entries) = setting.value, let kind = setting["kind"], case .text(let word) = kind.value else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "needs `kind: NAME`, found \(setting.kind)"))
    }
    self.kind = word
    self.options = Setting(.map(entries.filter { $0.key != "kind" }), line: setting.line)
  }
}
