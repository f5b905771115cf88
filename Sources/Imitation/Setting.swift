/// One value of a recipe with the line it stands on, so that every complaint can say where.
public struct Setting: Sendable, Equatable {
  /// What was written.
  public indirect enum Value: Sendable, Equatable {
    /// One of YAML's kinds of values.
    case null, bool(Bool), integer(Int), number(Double), text(String), list([Setting]), map([Entry])
  }

  /// A key of a group and what is under it.
  public struct Entry: Sendable, Equatable {
    /// The key as written.
    public var key: String
    /// The line of the key.
    public var line: Int
    /// The value under the key.
    public var setting: Setting

    /// - Parameter line: the key's.
    public init(key: String, line: Int, setting: Setting) {
      self.key = key
      self.line = line
      self.setting = setting
    }
  }

  /// What was written.
  public var value: Value
  /// Where it begins; 0 for what comes from no file.
  public var line: Int

  /// - Parameter line: where it begins; 0 for what comes from no file.
  public init(_ value: Value, line: Int = 0) {
    self.value = value
    self.line = line
  }

  /// A group of keys that comes from no file.
  package init(entries: [(String, Setting)]) {
    self.init(.map(entries.map { Entry(key: $0, line: 0, setting: $1) }))
  }

  /// The value under `key`, when this is a map that has it.
  public subscript(key: String) -> Setting? {
    guard case .map(let entries) = value else { return nil }
    return entries.first { $0.key == key }?.setting
  }

  /// This group without some of its keys.
  public func without(_ keys: String...) -> Setting {
    guard case .map(let entries) = value else { return self }
    return Setting(.map(entries.filter { !keys.contains($0.key) }), line: line)
  }

  /// What kind of value this is, in a user's words.
  var kind: String {
    switch value {
    case .null: "nothing"
    case .bool: "true or false"
    case .integer: "a whole number"
    case .number: "a number"
    case .text(let text): "the text \"\(text)\""
    case .list: "a list"
    case .map: "a group of keys"
    }
  }
}

/// What is wrong with a recipe or another settings file, and where.
public enum SettingError: Error, Equatable, CustomStringConvertible {
  /// A file that cannot be read, and why.
  case unreadable(file: String, reason: String)
  /// Text that is not YAML.
  case syntax(line: Int, reason: String)
  /// A key that has no meaning there.
  case unknownKey(path: String, line: Int, allowed: [String])
  /// A key without a default that is not given.
  case missingKey(path: String, line: Int)
  /// A value of another type than its key has.
  case wrongType(path: String, line: Int, wanted: String, found: String)
  /// A value that is out of range or does not fit the others.
  case invalid(path: String, line: Int, reason: String)
  /// One of the others, and the file it is in.
  indirect case inFile(String, SettingError)

  public var description: String {
    // Line 0: what was given on the command line.
    func place(_ line: Int) -> String { line > 0 ? "line \(line): " : "" }
    return switch self {
    case .unreadable(let file, let reason): "\(file): \(reason)"
    case .syntax(let line, let reason): "\(place(line))not YAML: \(reason)"
    case .unknownKey(let path, let line, let allowed):
      "\(place(line))unknown key '\(path)'; allowed here: \(allowed.joined(separator: ", "))"
    case .missingKey(let path, let line): "\(place(line))'\(path)' is missing"
    case .wrongType(let path, let line, let wanted, let found):
      "\(place(line))'\(path)' must be \(wanted), not \(found)"
    case .invalid(let path, let line, let reason):
      path.isEmpty ? "\(place(line))\(reason)" : "\(place(line))'\(path)': \(reason)"
    case .inFile(let file, let error): "\(file), \(error)"
    }
  }

  /// Says in which file it is what `body` finds wrong with settings.
  package static func naming<Result>(_ file: String, _ body: () throws -> Result) throws -> Result {
    do { return try body() } catch let error as SettingError { throw inFile(file, error) }
  }
}
