/// What a key is, for help and documentation.
public struct KeyDescription: Sendable, Codable, Equatable {
  /// Its name in a file, or its path.
  public var name: String
  /// What its values are: `a whole number`, or the words to choose from.
  public var type: String
  /// The value when it is left out; nil when it must be given.
  public var fallback: String?
  /// What else a value must be: `from 8 to 4096`.
  public var limits: String?
  /// What it is, in one line.
  public var help: String
  /// The keys below this one.
  public var keys: [KeyDescription]

  private enum CodingKeys: String, CodingKey {
    case name, type, limits, help, keys
    case fallback = "default"
  }

  /// This key, or those below it, with their paths.
  public var flat: [KeyDescription] {
    guard !keys.isEmpty else { return [self] }
    return keys.flatMap { below in
      below.flat.map { key in
        var key = key
        key.name = "\(name).\(key.name)"
        return key
      }
    }
  }
}

/// What a plug-in, or another group of settings, is.
public struct PluginDescription: Sendable, Codable, Equatable {
  /// What it is used as: `encoder`.
  public var kind: String
  /// The word that recipes use.
  public var name: String
  /// What it is, in one line.
  public var help: String
  /// What recipes may set.
  public var keys: [KeyDescription]

  /// A description of what has these keys.
  public init(kind: String, name: String, help: String, keys: [KeyDescription]) {
    (self.kind, self.name, self.help, self.keys) = (kind, name, help, keys)
  }
}
