import Foundation
import Imitation
import Yams

/// Reads YAML into settings that remember their lines. The only file that knows Yams.
package enum SettingsFile {
  /// Larger than any recipe a person writes.
  static let sizeLimit = 1 << 20

  /// - Parameter changes: `path.to.key=value` pairs that replace or add values, the value being YAML itself.
  /// - Returns: the settings, and the text they came from (rewritten when there were changes).
  /// - Throws: `SettingError`.
  package static func read(_ path: String, changes: [String] = []) throws -> (setting: Setting, text: String) {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw SettingError.unreadable(file: path, reason: "no such file, or not readable")
    }
    guard data.count <= sizeLimit else {
      throw SettingError.unreadable(file: path, reason: "\(data.count) bytes is too large for a settings file")
    }
    guard let text = String(data: data, encoding: .utf8) else {
      throw SettingError.unreadable(file: path, reason: "not UTF-8 text")
    }
    return try SettingError.naming(path) {
      try changed(text, changes)
    }
  }

  /// Settings of a text with changes: as `read` has them of a file.
  /// - Throws: `SettingError`.
  package static func changed(_ text: String, _ changes: [String]) throws -> (setting: Setting, text: String) {
    if changes.isEmpty { return (try parse(text), text) }
    var node = try compose(text)
    for change in changes { try apply(change, to: &node) }
    node = renamed(node, under: []) { _, _, _ in }
    // Lines are those of the text; what was changed has none.
    var room = mostValues
    var setting = try setting(from: node, depth: 0, room: &room)
    for change in changes { setting.forgetLine(at: keys(of: change)[...]) }
    return (setting, try Yams.serialize(node: node))
  }

  /// - Throws: `SettingError`.
  package static func parse(_ text: String) throws -> Setting {
    var room = mostValues
    return try setting(from: compose(text), depth: 0, room: &room)
  }

  /// The first text with the value of `key` that the second one has; the first as it is where they agree.
  /// - Throws: `SettingError`.
  package static func text(_ text: String, taking key: String, from other: String) throws -> String {
    guard try parse(text)[key]?.json != parse(other)[key]?.json, let value = try compose(other)[key] else {
      return text
    }
    var node = try compose(text)
    node.mapping?[Node(key)] = value
    return try Yams.serialize(node: node)
  }

  /// Yams follows aliases when it compares keys, before values are counted: a few levels that repeat each other take for ever.
  private static let mostAliases = 12

  /// Words that begin with a star where a value may stand; text within quotation marks is counted as well.
  private static func aliases(in text: String) -> Int {
    let bytes = Array(text.utf8)
    let before = Set(" \t\r\n[{,:-?!".utf8)
    let (star, after) = (UInt8(ascii: "*"), Set(" \t\r\n*".utf8))
    return bytes.indices.count { place in
      bytes[place] == star && (place == 0 || before.contains(bytes[place - 1]))
        && place + 1 < bytes.count && !after.contains(bytes[place + 1])
    }
  }

  /// The keys of a recipe and of changes to it that have other names today, a line each; none where the recipe cannot be read.
  package static func oldKeys(_ path: String, changes: [String]) -> [String] {
    var found: [String] = []
    func report(_ place: String, _ old: String, _ new: String) {
      found.append("\(place): '\(old)' is called '\(new)' now; the old name is still read")
    }
    if let text = try? String(contentsOfFile: path, encoding: .utf8), let node = try? composeAsWritten(text) {
      _ = renamed(node, under: []) { report("\(path), line \($2)", $0, $1) }
    }
    for change in changes {
      let (old, path) = (String(change.prefix { $0 != "=" }), keys(of: change))
      if old != path.joined(separator: ".") { report("--set", old, path.joined(separator: ".")) }
      // Groups of keys may be values, too.
      guard let value = try? composeAsWritten(String(change.dropFirst(old.count + 1))) else { continue }
      _ = renamed(value, under: path) { old, new, _ in report("--set", old, new) }
    }
    return found
  }

  /// A tree with today's names of keys, lines as they are.
  private static func renamed(
    _ node: Node, under path: [String], depth: Int = 0, _ report: (_ old: String, _ new: String, _ line: Int) -> Void
  ) -> Node {
    guard case .mapping(let mapping) = node, depth < 32 else { return node }
    let pairs = mapping.map { key, value -> (Node, Node) in
      guard let old = key.string else { return (key, value) }
      let value = renamed(value, under: path + [old], depth: depth + 1, report)
      let new = RenamedKeys.current(old, under: path)
      guard new != old, case .scalar(var scalar) = key else { return (key, value) }
      report(old, new, key.mark?.line ?? 0)
      scalar.string = new
      return (.scalar(scalar), value)
    }
    // A key that is there by both names stays as it is written, to be refused.
    guard Set(pairs.map(\.0)).count == pairs.count else { return node }
    return .mapping(.init(pairs, mapping.tag, mapping.style, mapping.mark, mapping.anchor))
  }

  private static func compose(_ text: String) throws -> Node {
    renamed(try composeAsWritten(text), under: []) { _, _, _ in }
  }

  private static func composeAsWritten(_ text: String) throws -> Node {
    guard aliases(in: text) <= mostAliases else {
      throw SettingError.syntax(line: 1, reason: "more than \(mostAliases) aliases (*name)")
    }
    do {
      return try Yams.compose(yaml: text) ?? Node.mapping(.init([]))
    } catch let error as YamlError {
      switch error {
      case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
        .composer(_, let problem, let mark, _):
        throw SettingError.syntax(line: mark.line, reason: problem)
      case .duplicatedKeysInMapping(let duplicates, let context):
        throw SettingError.syntax(
          line: context.mark.line, reason: "written twice: \(duplicates.map { "\($0)" }.joined(separator: ", "))")
      default:
        throw SettingError.syntax(line: 1, reason: "\(error)")
      }
    }
  }

  /// Aliases that repeat aliases make a short text mean billions of values.
  private static let mostValues = 20_000

  private static func setting(from node: Node, depth: Int, room: inout Int) throws -> Setting {
    // What a change made has no mark.
    let line = node.mark?.line ?? 0
    guard depth < 32 else { throw SettingError.syntax(line: line, reason: "nested too deeply") }
    room -= 1
    guard room > 0 else { throw SettingError.syntax(line: line, reason: "more than \(mostValues) values") }
    switch node {
    case .scalar:
      // A quoted scalar is text whatever it looks like: Yams resolves its tag so.
      if node.null != nil { return Setting(.null, line: line) }
      if let value = node.bool { return Setting(.bool(value), line: line) }
      // Yams takes long to see that a word is no number.
      if let first = node.scalar?.string.utf8.first, first < UInt8(ascii: "A") {
        if let value = node.float {
          // YAML 1.1 has numbers of base 8 and 60, which nobody means.
          let (text, number) = (node.scalar?.string ?? "", node.int.map { "\($0)" } ?? "\(value)")
          guard text.firstMatch(of: /^[-+]?0[0-9_]|:/) == nil else {
            throw SettingError.invalid(
              path: "", line: line,
              reason: "'\(text)' would be \(number); write \(number), or '\(text)' in quotes for text")
          }
        }
        if let value = node.int { return Setting(.integer(value), line: line) }
        if let value = node.float { return Setting(.number(value), line: line) }
      }
      return Setting(.text(node.string ?? ""), line: line)
    case .sequence(let values):
      return Setting(.list(try values.map { try setting(from: $0, depth: depth + 1, room: &room) }), line: line)
    case .mapping(let mapping):
      var entries: [Setting.Entry] = []
      for (key, value) in mapping {
        guard let name = key.string else {
          throw SettingError.syntax(line: key.mark?.line ?? line, reason: "a key must be text")
        }
        guard !entries.contains(where: { $0.key == name }) else {
          throw SettingError.syntax(line: key.mark?.line ?? line, reason: "'\(name)' is written twice")
        }
        entries.append(
          Setting.Entry(
            key: name, line: key.mark?.line ?? 0, setting: try setting(from: value, depth: depth + 1, room: &room)))
      }
      return Setting(.map(entries), line: line)
    case .alias:
      throw SettingError.syntax(line: line, reason: "aliases are not supported")
    }
  }

  /// The keys that `path.to.key=value` leads through, by today's names.
  private static func keys(of change: String) -> [String] {
    change.prefix { $0 != "=" }.split(separator: ".").reduce(into: []) { path, key in
      path.append(RenamedKeys.current(String(key), under: path))
    }
  }

  private static func apply(_ change: String, to node: inout Node) throws {
    guard let equals = change.firstIndex(of: "="), equals != change.startIndex else {
      throw SettingError.invalid(path: "", line: 0, reason: "--set takes path.to.key=value, not '\(change)'")
    }
    let path = keys(of: change)
    let value: Node
    do {
      value = try compose(String(change[change.index(after: equals)...]))
      var room = mostValues
      _ = try setting(from: value, depth: 0, room: &room)
    } catch SettingError.syntax(_, let reason), SettingError.invalid(_, _, let reason) {
      throw SettingError.invalid(path: "", line: 0, reason: "--set '\(change)': \(reason)")
    }
    func replace(_ path: ArraySlice<String>, in node: inout Node) {
      guard let key = path.first else { return node = value }
      var inner = node[key] ?? Node.mapping(.init([]))
      replace(path.dropFirst(), in: &inner)
      if case .mapping = node {} else { node = Node.mapping(.init([])) }
      node.mapping?[Node(key)] = inner
    }
    replace(path[...], in: &node)
  }
}

extension Setting {
  /// Takes the line away from the value at `path` and all in it: it stands in no file.
  fileprivate mutating func forgetLine(at path: ArraySlice<String>) {
    if path.isEmpty { line = 0 }
    switch value {
    case .map(var entries):
      for index in entries.indices where path.isEmpty || entries[index].key == path.first {
        entries[index].setting.forgetLine(at: path.dropFirst())
        if path.count <= 1 { entries[index].line = 0 }
      }
      value = .map(entries)
    case .list(var values) where path.isEmpty:
      for index in values.indices { values[index].forgetLine(at: []) }
      value = .list(values)
    default: break
    }
  }
}
