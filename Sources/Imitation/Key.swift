import Synchronization

/// One key of a group of settings: its default, what it may be and one line of help, declared where the value is kept.
///
/// ```swift
/// @Key("Width of every block.", 8...4096) var width = 256
/// @Key("The folder of a run.") var run: String           // required
/// @Key("Pixels of the crop; the whole frame when left out.", 1...8192) var crop: Int?
/// ```
///
/// The name in a file is the property's in snake case, unless one is given. A range, or a `KeyRule`, limits the value.
/// Use of a required value that nobody set stops the program.
@propertyWrapper
public struct Key<Value: SettingValue>: Sendable {
  /// Where the value is. Only decoding writes into one; setting the property makes a new one, so that copies stay apart.
  private final class Slot: Sendable {
    let state: Mutex<(value: Value?, given: Setting?)>
    init(_ value: Value?) { state = Mutex((value, nil)) }
  }

  /// What it is, in one line.
  public let help: String
  private let name: String?
  private let initial: Value?
  private let rule: KeyRule<Value>?
  private var slot: Slot

  /// The value: the default, what was read, or what was set.
  public var wrappedValue: Value {
    get {
      guard let value = slot.state.withLock(\.value) else { preconditionFailure("not set: \(help)") }
      return value
    }
    set { slot = Slot(newValue) }
  }

  /// The key itself, for `validate()`: `try $heads.refuse(unless: width % heads == 0, "must divide the width")`.
  public var projectedValue: Key { self }

  private init(_ initial: Value?, _ help: String, _ rule: KeyRule<Value>?, _ name: String?) {
    (self.initial, self.help, self.rule, self.name) = (initial, help, rule, name)
    slot = Slot(initial)
  }

  /// A key with a default.
  /// - Parameter name: the name in a file; the property's in snake case when nil.
  public init(wrappedValue: Value, _ help: String, name: String? = nil) { self.init(wrappedValue, help, nil, name) }

  /// A key with a default and limits.
  public init(wrappedValue: Value, _ help: String, _ limit: some KeyLimit<Value>, name: String? = nil) {
    self.init(wrappedValue, help, limit.rule, name)
  }

  /// A key that must be given, or an optional that may be left out.
  public init(_ help: String, name: String? = nil) { self.init(Value.absent, help, nil, name) }

  /// A key that must be given, with limits.
  public init(_ help: String, _ limit: some KeyLimit<Value>, name: String? = nil) {
    self.init(nil, help, limit.rule, name)
  }

  /// A key that may be left out, with limits for what is given.
  public init<Wrapped>(_ help: String, _ limit: some KeyLimit<Wrapped>, name: String? = nil) where Value == Wrapped? {
    let rule = limit.rule
    let whole = KeyRule<Value>(rule.text, kind: rule.kind) { $0.map(rule.holds) ?? true }
    self.init(Value.absent, help, whole, name)
  }

  /// What to throw when the value does not fit the others.
  public func refused(_ reason: String) -> any Error { KeyRefusal(key: identity, reason: reason) }

  /// - Throws: `refused` unless the value is as it must be.
  public func refuse(unless holds: Bool, _ reason: String) throws {
    guard holds else { throw refused(reason) }
  }
}

extension Key: Equatable where Value: Equatable {
  public static func == (a: Key, b: Key) -> Bool { a.wrappedValue == b.wrappedValue }
}

/// A complaint about one key, before anybody knows where it stands.
struct KeyRefusal: Error {
  var key: ObjectIdentifier
  var reason: String
}

/// A key of any type of value: what the walk over options finds.
protocol AnyKey: Sendable {
  var identity: ObjectIdentifier { get }
  var givenName: String? { get }
  /// The setting that it was read from; nil when it has its default or was set in code.
  var given: Setting? { get }
  /// The value where it is not the default, as it was read if it was.
  var changed: Setting? { get }
  /// The value; nil when it has none.
  var current: Setting? { get }
  /// The kind and the name of a plug-in that the value is.
  var plugin: (kind: PluginKind, choice: Choice)? { get }
  /// The value, when it is itself a group.
  var group: (any PluginOptions)? { get }
  func fill(_ setting: Setting, path: String) throws
  func check(path: String, line: Int) throws
  func description(name: String) -> KeyDescription
}

extension Key: AnyKey {
  var identity: ObjectIdentifier { ObjectIdentifier(slot) }
  var givenName: String? { name }
  var given: Setting? { slot.state.withLock(\.given) }
  var group: (any PluginOptions)? { slot.state.withLock(\.value) as? any PluginOptions }

  var changed: Setting? {
    let (value, given) = slot.state.withLock { $0 }
    if let given { return given }
    guard let setting = value?.setting, setting != initial?.setting else { return nil }
    return setting
  }

  var current: Setting? { slot.state.withLock(\.value)?.setting }

  var plugin: (kind: PluginKind, choice: Choice)? {
    guard let kind = rule?.kind, let choice = slot.state.withLock(\.value) as? Choice else { return nil }
    return (kind, choice)
  }

  func fill(_ setting: Setting, path: String) throws {
    // `key:` with nothing behind it is as good as no key.
    let value = setting.value == .null && initial != nil ? initial : try Value(completed(setting), path: path)
    slot.state.withLock { $0 = (value, setting) }
  }

  /// A group that does not say its kind changes the options of the default's: `instruction: {width: 32}`.
  private func completed(_ setting: Setting) -> Setting {
    guard let choice = initial as? Choice, case .map = setting.value, setting["kind"] == nil else { return setting }
    return Choice(kind: choice.kind, options: setting).setting
  }

  func check(path: String, line: Int) throws {
    guard let value = slot.state.withLock(\.value) else { throw SettingError.missingKey(path: path, line: line) }
    guard let rule, !rule.holds(value) else { return }
    throw SettingError.invalid(path: path, line: given?.line ?? line, reason: "must be \(rule.text)")
  }

  func description(name: String) -> KeyDescription {
    KeyDescription(
      name: name, type: rule?.kind == nil ? Value.settingType : "{kind: \(rule!.text)}",
      fallback: initial?.setting.inline,
      limits: rule?.kind == nil ? rule?.text : nil, help: help, keys: Value.settingKeys)
  }
}
