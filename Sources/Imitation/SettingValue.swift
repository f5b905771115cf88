/// A type of values that settings can hold.
public protocol SettingValue: Sendable {
  /// What such a value is, in a user's words: `a whole number`.
  static var settingType: String { get }
  /// The keys of such a value, when it is a group of them.
  static var settingKeys: [KeyDescription] { get }
  /// The value of a key without a default that is left out; nil when it must be given.
  static var absent: Self? { get }
  /// - Throws: `SettingError`.
  init(_ setting: Setting, path: String) throws
  /// The value as a setting without a line.
  var setting: Setting { get }
}

extension SettingValue {
  public static var settingKeys: [KeyDescription] { [] }
  public static var absent: Self? { nil }
}

extension Setting {
  /// What to throw when this is not what is wanted.
  public func wrongType(_ path: String, wanted: String) -> SettingError {
    .wrongType(path: path, line: line, wanted: wanted, found: kind)
  }

  /// The value in one line of YAML.
  var inline: String {
    switch value {
    case .null: "none"
    case .bool(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .number(let value): value == value.rounded() && abs(value) < 1e6 ? "\(Int(value))" : "\(value)"
    case .text(let value): value
    case .list(let values): "[\(values.map(\.inline).joined(separator: ", "))]"
    case .map(let entries): "{\(entries.map { "\($0.key): \($0.setting.inline)" }.joined(separator: ", "))}"
    }
  }
}

extension Bool: SettingValue {
  public static var settingType: String { "true or false" }
  public init(_ setting: Setting, path: String) throws {
    guard case .bool(let value) = setting.value else { throw setting.wrongType(path, wanted: Self.settingType) }
    self = value
  }
  public var setting: Setting { Setting(.bool(self)) }
}

extension String: SettingValue {
  public static var settingType: String { "text" }
  public init(_ setting: Setting, path: String) throws {
    switch setting.value {
    case .text(let value): self = value
    // `name: 50` is a fine name.
    case .integer(let value): self = String(value)
    default: throw setting.wrongType(path, wanted: Self.settingType)
    }
  }
  public var setting: Setting { Setting(.text(self)) }
}

extension SettingValue where Self: FixedWidthInteger {
  public static var settingType: String { "a whole number" }
  public init(_ setting: Setting, path: String) throws {
    guard case .integer(let value) = setting.value else { throw setting.wrongType(path, wanted: Self.settingType) }
    guard let whole = Self(exactly: value) else { throw setting.wrongType(path, wanted: "a whole number of 0 or more") }
    self = whole
  }
  /// The number as it is written.
  public var setting: Setting { Setting(.integer(Int(self))) }
}

extension Int: SettingValue {}
extension UInt64: SettingValue {}

extension SettingValue where Self: BinaryFloatingPoint & CustomStringConvertible {
  public static var settingType: String { "a number" }
  public init(_ setting: Setting, path: String) throws {
    switch setting.value {
    case .number(let value): self.init(value)
    case .integer(let value): self.init(value)
    default: throw setting.wrongType(path, wanted: Self.settingType)
    }
  }
  /// The shortest number that reads as this one.
  public var setting: Setting { Setting(.number(Double(description)!)) }
}

extension Float: SettingValue {}
extension Double: SettingValue {}

extension SettingValue where Self: RawRepresentable & CaseIterable, RawValue == String {
  public static var settingType: String {
    let names = allCases.map(\.rawValue)
    return names.count < 2 ? names.joined() : "\(names.dropLast().joined(separator: ", ")) or \(names.last!)"
  }
  public init(_ setting: Setting, path: String) throws {
    guard case .text(let text) = setting.value, let value = Self(rawValue: text) else {
      throw setting.wrongType(path, wanted: Self.settingType)
    }
    self = value
  }
  /// The word as it is written.
  public var setting: Setting { Setting(.text(rawValue)) }
}

extension Optional: SettingValue where Wrapped: SettingValue {
  public static var settingType: String { Wrapped.settingType }
  public static var settingKeys: [KeyDescription] { Wrapped.settingKeys }
  public static var absent: Wrapped?? { .some(.none) }
  public init(_ setting: Setting, path: String) throws {
    self = setting.value == .null ? nil : try Wrapped(setting, path: path)
  }
  public var setting: Setting { self?.setting ?? Setting(.null) }
}

extension Array: SettingValue where Element: SettingValue {
  public static var settingType: String { "a list, each \(Element.settingType)" }
  public static var settingKeys: [KeyDescription] { Element.settingKeys }
  public init(_ setting: Setting, path: String) throws {
    guard case .list(let values) = setting.value else { throw setting.wrongType(path, wanted: "a list") }
    self = try values.enumerated().map { try Element($1, path: "\(path)[\($0)]") }
  }
  public var setting: Setting { Setting(.list(map(\.setting))) }
}

extension Dictionary: SettingValue where Key == String, Value: SettingValue {
  public static var settingType: String { "a group of names, each \(Value.settingType)" }
  public static var settingKeys: [KeyDescription] { Value.settingKeys }
  public init(_ setting: Setting, path: String) throws {
    guard case .map(let entries) = setting.value else { throw setting.wrongType(path, wanted: "a group of keys") }
    self.init(try entries.map { ($0.key, try Value($0.setting, path: path.key($0.key))) }) { _, last in last }
  }
  public var setting: Setting {
    Setting(.map(sorted { $0.key < $1.key }.map { Setting.Entry(key: $0.key, line: 0, setting: $0.value.setting) }))
  }
}

extension String {
  /// The path of a key in the group at this path.
  func key(_ name: String) -> String { isEmpty ? name : "\(self).\(name)" }
}
