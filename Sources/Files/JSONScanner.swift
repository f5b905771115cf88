/// A strict JSON reader for headers of files from outside: keeps the order of keys, refuses one written twice (which
/// Foundation's reader passes over), and limits how deep a header may nest.
package struct JSONScanner {
  package indirect enum Value {
    case object([(String, Value)])
    case array([Value])
    case text(String)
    /// As written.
    case number(String)
    case word(String)
  }

  private let bytes: [UInt8]
  private var position = 0

  package init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// One value and nothing but spaces after it.
  package mutating func document() throws -> Value {
    let value = try value(depth: 0)
    skipSpaces()
    guard position == bytes.count else { throw SafetensorsError.header("something follows the header's JSON") }
    return value
  }

  private func refused(_ reason: String) -> SafetensorsError { .header("JSON: \(reason) at byte \(position)") }

  private mutating func skipSpaces() {
    while position < bytes.count, [0x20, 0x0a, 0x0d, 0x09].contains(bytes[position]) { position += 1 }
  }

  private mutating func take(_ character: Character) -> Bool {
    skipSpaces()
    guard position < bytes.count, bytes[position] == character.asciiValue else { return false }
    position += 1
    return true
  }

  private mutating func value(depth: Int) throws -> Value {
    guard depth < 16 else { throw refused("nested too deeply") }
    skipSpaces()
    guard position < bytes.count else { throw refused("ends too soon") }
    switch Character(UnicodeScalar(bytes[position])) {
    case "{": return .object(try object(depth: depth))
    case "[": return .array(try array(depth: depth))
    case "\"": return .text(try text())
    default: return try plain()
    }
  }

  private mutating func object(depth: Int) throws -> [(String, Value)] {
    position += 1
    var pairs: [(String, Value)] = []
    var keys: Set<String> = []
    if take("}") { return pairs }
    repeat {
      skipSpaces()
      guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else { throw refused("a key is missing") }
      let key = try text()
      guard keys.insert(key).inserted else { throw SafetensorsError.duplicateKey(key) }
      guard take(":") else { throw refused("a colon is missing") }
      pairs.append((key, try value(depth: depth + 1)))
    } while take(",")
    guard take("}") else { throw refused("a brace is missing") }
    return pairs
  }

  private mutating func array(depth: Int) throws -> [Value] {
    position += 1
    var values: [Value] = []
    if take("]") { return values }
    repeat { values.append(try value(depth: depth + 1)) } while take(",")
    guard take("]") else { throw refused("a bracket is missing") }
    return values
  }

  private mutating func plain() throws -> Value {
    let start = position
    while position < bytes.count, !Array(",]} \n\r\t".utf8).contains(bytes[position]) { position += 1 }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if ["true", "false", "null"].contains(text) { return .word(text) }
    let digits = text.hasPrefix("-") ? text.dropFirst() : Substring(text)
    guard let first = digits.first, first.isASCII, first.isNumber,
      digits == "0" || first != "0" || digits.hasPrefix("0."),
      Double(text) != nil
    else { throw refused("not a value") }
    return .number(text)
  }

  private mutating func text() throws -> String {
    position += 1
    var result: [UInt8] = []
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: result, as: UTF8.self) else { throw refused("text is not UTF-8") }
        return text
      case UInt8(ascii: "\\"): result += Array(String(try escape()).utf8)
      case 0..<0x20: throw refused("a control character in text")
      default: result.append(byte)
      }
    }
    throw refused("text without an end")
  }

  private mutating func escape() throws -> UnicodeScalar {
    guard position < bytes.count else { throw refused("text without an end") }
    defer { position += 1 }
    let letter = UnicodeScalar(bytes[position])
    if let meant = JSONScanner.escapes[letter] { return meant }
    guard letter == "u" else { throw refused("an unknown escape") }
    let high = try fourDigits()
    guard (0xd800..<0xdc00).contains(high) else {
      guard let scalar = UnicodeScalar(high) else { throw refused("half a surrogate pair") }
      return scalar
    }
    guard bytes[(position + 1)...].starts(with: Array("\\u".utf8)) else { throw refused("half a surrogate pair") }
    position += 2
    let low = try fourDigits()
    guard (0xdc00..<0xe000).contains(low) else { throw refused("half a surrogate pair") }
    return UnicodeScalar(0x10000 + (high - 0xd800) << 10 + (low - 0xdc00))!
  }

  private static let escapes: [UnicodeScalar: UnicodeScalar] = [
    "\"": "\"", "\\": "\\", "/": "/", "b": "\u{8}", "f": "\u{c}", "n": "\n", "r": "\r", "t": "\t",
  ]

  /// The four digits after `u`; leaves the position on the last one.
  private mutating func fourDigits() throws -> UInt32 {
    guard position + 4 < bytes.count,
      let value = UInt32(String(decoding: bytes[position + 1...position + 4], as: UTF8.self), radix: 16)
    else { throw refused("a broken escape") }
    position += 4
    return value
  }
}
