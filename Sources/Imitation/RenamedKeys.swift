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
  /// Version 0.1's one kind of world model.
  static let oldWorld = "gaussian-world"

  /// Today's name of a key.
  /// - Parameter path: the keys that it stands under, the outermost first.
  public static func current(_ key: String, under path: [String]) -> String {
    everywhere[key] ?? (path == ["actions"] ? inActions[key] : nil)
      ?? (path == ["training"] && key == "vae" ? "codec" : key)
  }

  /// A world model's settings with `codec` for what version 0.1 said by `state`, `vae` and `patch`.
  /// - Returns: the settings, and whether they had to be changed.
  public static func world(_ setting: Setting) -> (setting: Setting, isOld: Bool) {
    guard case .map(var entries) = setting.value, setting["codec"] == nil,
      setting["state"] != nil || setting["vae"] != nil || setting["patch"] != nil
    else { return (setting, false) }
    var (kind, own, line): (String, [Setting.Entry], Int) = ("vae", [], 0)
    if let state = setting["state"] {
      // What neither version understands is refused as it stands.
      guard case .text(let word) = state.value,
        let found = ["vae": "vae", "gaussians": "gaussians", "image": "pixels"][word]
      else { return (setting, false) }
      kind = found
    }
    if let vae = setting["vae"] {
      guard case .map(let keys) = vae.value else { return (setting, false) }
      if kind == "vae" { own = keys }
    }
    entries.removeAll { entry in
      guard ["state", "vae", "patch"].contains(entry.key) else { return false }
      line = line == 0 ? entry.line : line
      if entry.key == "patch", kind != "vae" { own.append(entry) }
      return true
    }
    let codec = [Setting.Entry(key: "kind", line: line, setting: Setting(.text(kind), line: line))] + own
    entries.append(.init(key: "codec", line: line, setting: Setting(.map(codec), line: line)))
    return (Setting(.map(entries), line: setting.line), true)
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
