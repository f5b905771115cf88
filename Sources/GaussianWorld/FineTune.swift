import Imitation

/// Whether and when something that is frozen learns: `false`, `true`, or `{after: 1000, rate: 0.1}`.
public enum FineTune: SettingValue, Equatable {
  /// It stays frozen.
  case never
  /// After some steps of training, with a factor of the learning rate.
  case after(Int, rate: Float)

  private struct Keys: PluginOptions {
    @Key("Steps of training before it learns.", 0...) var after = 0
    @Key("The factor of its learning rate.", .above(0)) var rate: Float = 1
  }

  public static var settingType: String { "true, false or {after: STEPS, rate: FACTOR}" }

  public init(_ setting: Setting, path: String) throws {
    switch setting.value {
    case .bool(let learns): self = learns ? .after(0, rate: 1) : .never
    case .map:
      let keys = try Keys(setting, path: path)
      self = .after(keys.after, rate: keys.rate)
    default: throw setting.wrongType(path, wanted: FineTune.settingType)
    }
  }

  public var setting: Setting {
    switch self {
    case .never: false.setting
    case .after(0, rate: 1): true.setting
    case .after(let steps, let rate): Keys { ($0.after, $0.rate) = (steps, rate) }.setting
    }
  }
}
