import Imitation

/// The header of a request.
package struct WireRequest: Codable, Sendable {
  package enum Call: String, Codable, Sendable {
    case hello, reset, step, expert, teleoperate, hold, state, restore, observe, close
  }

  package var call: Call
  /// Counts requests; an answer that repeats it must repeat this one.
  package var id: Int?
  package var `protocol`: Int?
  package var options: FreeOptions?
  package var task: String?
  package var seed: UInt64?
  package var pool: ScenePool?
  package var noise: Double?
  /// What is recorded of a demonstration: RoboCasa's `ep_meta`. Only with its first state.
  package var metadata: FreeOptions?

  package init(_ call: Call) { self.call = call }

  /// A request about one episode.
  package init(_ call: Call, of episode: EpisodeSpec) {
    self.init(call)
    (task, seed, pool) = (episode.task, episode.seed, episode.pool)
  }

  /// The episode that it is about.
  var episode: EpisodeSpec? {
    guard let task, let seed else { return nil }
    return EpisodeSpec(task: task, seed: seed, pool: pool ?? .training)
  }
}

/// The header of an answer: which parts it has depends on the call.
package struct WireAnswer: Codable, Sendable {
  package struct Task: Codable, Sendable {
    package var name: String
    package var group: String?
    package var horizon: Int
  }

  package struct Observations: Codable, Sendable {
    package var images: [String: [Int]]?
    package var vectors: [String: Vector]?
  }

  package struct Vector: Codable, Sendable {
    package var width: Int
    package var unit: String?
    package var frame: String?
    package var quaternion: String?
  }

  package struct Scene: Codable, Sendable {
    package var layout: Int?
    package var style: Int?
    package var object: String?
  }

  /// Why a request failed.
  package enum Problem: String, Codable, Sendable {
    case task, action, missing, simulator
  }

  package var id: Int?
  /// The answer is still to come.
  package var working: Bool?
  package var error: String?
  package var kind: String?
  package var traceback: String?
  /// A fresh process can do it.
  package var restart: Bool?

  // hello
  package var `protocol`: Int?
  package var name: String?
  package var versions: [String: String]?
  package var tasks: [Task]?
  package var action: ActionSchema?
  package var observations: Observations?
  package var arguments: FreeOptions?
  package var capabilities: [String]?

  // reset and restore
  package var instruction: String?
  package var scene: Scene?
  package var metadata: FreeOptions?
  package var model: String?

  // step
  package var reward: Double?
  package var success: Bool?
  package var terminated: Bool?
  package var truncated: Bool?
  /// Whether the environment knows what success is; it does when nil.
  package var judged: Bool?
  /// Whether it did something else than it was asked.
  package var clipped: Bool?

  // teleoperate
  /// Whether the person says that the episode ends with this action.
  package var finished: Bool?

  package init() {}
}

/// Options that nobody here knows, passed on as they are: a JSON object.
public struct FreeOptions: SettingValue, Codable, Equatable {
  /// A group of keys.
  public var setting: Setting

  /// - Parameter entries: by key.
  public init(_ entries: [String: Setting] = [:]) {
    setting = Setting(entries: entries.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
  }

  /// - Parameter setting: a group of keys; anything else becomes an empty one.
  init(_ setting: Setting) {
    self.init()
    if case .map = setting.value { self.setting = setting }
  }

  public static var settingType: String { "a group of keys" }

  public init(_ setting: Setting, path: String) throws {
    guard case .map = setting.value else { throw setting.wrongType(path, wanted: Self.settingType) }
    self.setting = setting
  }

  public init(from decoder: any Decoder) throws {
    self.init(try decoder.singleValueContainer().decode([String: JSONValue].self).mapValues(\.setting))
  }

  public func encode(to encoder: any Encoder) throws { try JSONValue(setting).encode(to: encoder) }

  /// The keys with what is under them.
  package var entries: [String: Setting] {
    guard case .map(let entries) = setting.value else { return [:] }
    return Dictionary(entries.map { ($0.key, $0.setting) }) { $1 }
  }
}

/// Any JSON as a setting.
private struct JSONValue: Codable {
  var setting: Setting

  init(_ setting: Setting) { self.setting = setting }

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let value: Setting.Value =
      if container.decodeNil() {
        .null
      } else if let value = try? container.decode(String.self) {
        .text(value)
      } else if let value = try? container.decode(Bool.self) {
        .bool(value)
      } else if let value = try? container.decode(Int.self) {
        .integer(value)
      } else if let value = try? container.decode(Double.self) {
        .number(value)
      } else if let values = try? container.decode([JSONValue].self) {
        .list(values.map(\.setting))
      } else {
        FreeOptions(try container.decode([String: JSONValue].self).mapValues(\.setting)).setting.value
      }
    setting = Setting(value)
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch setting.value {
    case .null: try container.encodeNil()
    case .bool(let value): try container.encode(value)
    case .integer(let value): try container.encode(value)
    case .number(let value): try value.isFinite ? container.encode(value) : container.encodeNil()
    case .text(let value): try container.encode(value)
    case .list(let values): try container.encode(values.map(JSONValue.init))
    case .map(let entries):
      try container.encode(Dictionary(entries.map { ($0.key, JSONValue($0.setting)) }) { $1 })
    }
  }
}
