/// Keys of recipes that had other names in version 0.1; they keep being read.
public enum RenamedKeys {
  /// Today's names by the old ones, wherever they stand.
  private static let everywhere = [
    "colour_weight": "color_weight", "picture_weight": "image_weight",  // terms: ok
    "steady_weight": "consistency_weight", "film_scale": "cond_predict_scale",  // terms: ok
    "minimum_deviation": "min_std", "acting_deviation": "low_noise_std",  // terms: ok
  ]
  /// Those within `actions`.
  private static let inActions = ["execute": "n_action_steps", "learned": "active_dimensions"]

  /// Today's name of a key.
  /// - Parameter path: the keys that it stands under, the outermost first.
  public static func current(_ key: String, under path: [String]) -> String {
    everywhere[key] ?? (path == ["actions"] ? inActions[key] : nil) ?? key
  }

  /// JSON of settings that version 0.1 may have written, with today's names; other text as it is.
  public static func current(json: String) -> String {
    guard everywhere.keys.contains(where: { json.contains("\"\($0)\":") }), let setting = try? Setting(json: json)
    else {
      return json
    }
    return current(setting).json
  }

  private static func current(_ setting: Setting) -> Setting {
    guard case .map(let entries) = setting.value else { return setting }
    return Setting(
      .map(
        entries.map {
          Setting.Entry(key: everywhere[$0.key] ?? $0.key, line: $0.line, setting: current($0.setting))
        }), line: setting.line)
  }
}
