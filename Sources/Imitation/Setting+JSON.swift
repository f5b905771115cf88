import Files
import Foundation

extension Setting {
  /// The same values as JSON, for files that carry settings along; lines are left behind.
  public var json: String {
    let data = try? JSONSerialization.data(withJSONObject: plain, options: [.sortedKeys, .fragmentsAllowed])
    return String(decoding: data ?? Data("null".utf8), as: UTF8.self)
  }

  private var plain: Any {
    switch value {
    case .null: NSNull()
    case .bool(let value): value
    case .integer(let value): value
    case .number(let value): value
    case .text(let value): value
    case .list(let values): values.map(\.plain)
    case .map(let entries): Dictionary(uniqueKeysWithValues: entries.map { ($0.key, $0.setting.plain) })
    }
  }

  /// Settings from JSON, all on line 1.
  /// - Throws: what is wrong with the JSON.
  public init(json: String) throws {
    var scanner = JSONScanner(Array(json.utf8))
    self.init(try scanner.document())
  }

  private init(_ found: JSONScanner.Value) {
    let value: Value =
      switch found {
      case .object(let pairs):
        .map(pairs.map { Entry(key: $0.0, line: 1, setting: Setting($0.1)) })
      case .array(let values): .list(values.map { Setting($0) })
      case .text(let text): .text(text)
      case .number(let text): Int(text).map { .integer($0) } ?? .number(Double(text) ?? .nan)
      case .word(let word): word == "null" ? .null : .bool(word == "true")
      }
    self.init(value, line: 1)
  }
}
