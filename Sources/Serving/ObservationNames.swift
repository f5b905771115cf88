import Imitation

/// What clients call what a policy looks at, where that is not the policy's own name: read from a file of lines like
///
///     robot0_agentview_left_image: observation/image
///     robot0_eef_pos: observation/state[0:3]
///     prompt: task
public struct ObservationNames: Sendable, Equatable {
  /// Where a value is: a key of the client's, and which of the numbers there; nil for all.
  struct Source: Sendable, Equatable, CustomStringConvertible {
    var key: String
    var range: Range<Int>?

    init(key: String, range: Range<Int>? = nil) { (self.key, self.range) = (key, range) }

    var description: String { key + (range.map { "[\($0.lowerBound):\($0.upperBound)]" } ?? "") }
  }

  /// The key that instructions are under, unless it is mapped.
  static let prompt = "prompt"

  private var sources: [String: Source] = [:]

  /// Every name is the policy's own.
  public init() {}

  /// - Parameters:
  ///   - setting: a group of the policy's names, each with the client's.
  ///   - schema: what the policy looks at.
  /// - Throws: `SettingError` with the line: for a name that the policy does not know, a part of another width, and a name of the
  ///   client's that two of the policy's would take.
  public init(_ setting: Setting, schema: ObservationSchema) throws {
    guard case .map(let entries) = setting.value else { throw setting.wrongType("", wanted: "a group of keys") }
    let known = schema.imageKeys + schema.vectorKeys + [ObservationNames.prompt]
    for entry in entries {
      guard known.contains(entry.key) else {
        throw SettingError.unknownKey(path: entry.key, line: entry.line, allowed: known)
      }
      let text = try String(entry.setting, path: entry.key)
      guard let match = text.wholeMatch(of: /(.*)\[(\d{1,6}):(\d{1,6})\]/), let low = Int(match.2),
        let high = Int(match.3)
      else {
        guard !text.hasSuffix("]") else {
          throw SettingError.invalid(
            path: entry.key, line: entry.line,
            reason: "'\(text)' names no part; a part is KEY[FIRST:END], as state[0:3]")
        }
        sources[entry.key] = Source(key: text)
        continue
      }
      guard let width = schema.vectors[entry.key], high - low == width else {
        throw SettingError.invalid(
          path: entry.key, line: entry.line,
          reason: schema.vectors[entry.key].map { "\(text) is \(high - low) wide, the policy's is \($0)" }
            ?? "only a part of numbers can be named, not of an image or a text")
      }
      sources[entry.key] = Source(key: String(match.1), range: low..<high)
    }
    for entry in entries {
      if let other = known.first(where: { $0 != entry.key && self[$0] == self[entry.key] }) {
        throw SettingError.invalid(
          path: entry.key, line: entry.line, reason: "'\(self[entry.key])' is '\(other)' already")
      }
    }
  }

  subscript(key: String) -> Source { sources[key] ?? Source(key: key) }
}
