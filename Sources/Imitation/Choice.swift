/// A plug-in named in a recipe with its options still undecoded: `{kind: resnet18, crop: 116}`.
public struct Choice: Sendable, Equatable {
  /// The plug-in's name.
  public let kind: String
  /// The group without `kind`.
  public let options: Setting

  /// A plug-in by name, with its defaults unless options are given.
  public init(kind: String, options: Setting = Setting(.map([]))) {
    self.kind = kind
    self.options = options
  }
}

extension Choice: SettingValue {
  public static var settingType: String { "{kind: NAME}" }
  public init(_ setting: Setting, path: String) throws {
    guard let kind = setting["kind"], case .text(let word) = kind.value else {
      throw SettingError.invalid(path: path, line: setting.line, reason: "needs `kind: NAME`, found \(setting.kind)")
    }
    self.init(kind: word, options: setting.without("kind"))
  }
  public var setting: Setting {
    guard case .map(let entries) = options.value else { return options }
    return Setting(.map([.init(key: "kind", line: 0, setting: kind.setting)] + entries), line: options.line)
  }
}
