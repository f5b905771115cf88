/// A group of keys, such as what a recipe may set of a plug-in: every stored property is a `@Key`, or a group of more of them.
///
/// ```swift
/// public struct Options: PluginOptions {
///   @Key("Width of every block.", 8...4096) public var width = 256
///   public init() {}
/// }
/// ```
///
/// One walk over `Options()` decodes them, lists them for `imitate kinds` and the documentation, and writes them.
public protocol PluginOptions: SettingValue {
  /// Everything at its default; what has none is set next.
  init()
  /// Refuses values that do not fit each other: `throw $heads.refused("must divide the width")`.
  func validate() throws
}

extension PluginOptions {
  public static var settingType: String { "a group of keys" }
  public static var settingKeys: [KeyDescription] { Self().walk.map { $0.key.description(name: $0.name) } }

  public func validate() throws {}

  /// The defaults, changed: `Options { $0.width = 128 }`.
  public init(_ change: (inout Self) -> Void) {
    self.init()
    change(&self)
  }

  /// Reads options as a recipe has them.
  /// - Parameter path: how the group is called in messages, for example `encoder`.
  /// - Throws: `SettingError`: a key that is unknown or missing, a value of another type or out of its range.
  public init(_ setting: Setting, path: String = "") throws {
    self.init()
    let entries: [Setting.Entry]
    switch setting.value {
    case .map(let found): entries = found
    // `encoder:` with nothing below it is a group without keys.
    case .null: entries = []
    default: throw setting.wrongType(path, wanted: Self.settingType)
    }
    let keys = Dictionary(walk, uniquingKeysWith: { first, _ in first })
    // A misspelt key would often show first as another one missing.
    for entry in entries where keys[entry.key] == nil {
      throw SettingError.unknownKey(path: path.key(entry.key), line: entry.line, allowed: keys.keys.sorted())
    }
    for entry in entries { try keys[entry.key]!.fill(entry.setting, path: path.key(entry.key)) }
    try check(path: path, line: setting.line)
  }

  /// Refuses values out of their ranges, and those that do not fit each other.
  /// - Throws: `SettingError`.
  public func check(path: String = "", line: Int = 0) throws {
    let keys = walk
    for (name, key) in keys { try key.check(path: path.key(name), line: line) }
    do {
      try validateAll()
    } catch let refusal as KeyRefusal {
      guard let (name, key) = keys.first(where: { $0.key.identity == refusal.key }) else { throw refusal }
      throw SettingError.invalid(path: path.key(name), line: key.given?.line ?? line, reason: refusal.reason)
    }
  }

  /// The keys that were given or are not their defaults, as they were read where they were.
  public var setting: Setting {
    Setting(
      .map(
        walk.compactMap { name, key in
          key.changed.map { Setting.Entry(key: name, line: $0.line, setting: $0) }
        }))
  }

  /// Every key with its value, defaults too; what is left out and has none is not there.
  package var complete: Setting {
    Setting(
      .map(
        walk.compactMap { name, key in
          key.current.flatMap { $0.value == .null ? nil : Setting.Entry(key: name, line: $0.line, setting: $0) }
        }))
  }

  /// The plug-ins that these options and the groups in them name.
  func plugins(path: String) -> [(kind: PluginKind, choice: Choice, path: String)] {
    walk.flatMap { name, key in
      if let (kind, choice) = key.plugin { return [(kind, choice, path.key(name))] }
      return key.group?.plugins(path: path.key(name)) ?? []
    }
  }

  private func validateAll() throws {
    for case let group as any PluginOptions in Mirror(reflecting: self).children.map(\.value) {
      try group.validateAll()
    }
    try validate()
  }

  private var walk: [(name: String, key: any AnyKey)] {
    Mirror(reflecting: self).children.flatMap { label, value in
      if let key = value as? any AnyKey { return [(key.givenName ?? snakeCase(label?.dropFirst() ?? ""), key)] }
      return (value as? any PluginOptions)?.walk ?? []
    }
  }
}

private func snakeCase(_ name: Substring) -> String {
  name.reduce(into: "") { text, letter in text += letter.isUppercase ? "_\(letter.lowercased())" : String(letter) }
}
