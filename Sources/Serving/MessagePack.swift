/// A MessagePack value, as far as Python's `msgpack` and openpi's arrays need it: no extension types.
///
/// Bytes are a part of the message that they came in: nothing is copied before it is used.
package indirect enum MessagePack: Sendable, Equatable {
  case null
  case bool(Bool)
  case integer(Int64)
  /// Above the largest `Int64`.
  case unsigned(UInt64)
  case number(Double)
  case text(String)
  case bytes(ArraySlice<UInt8>)
  case list([MessagePack])
  case map([Entry])

  package struct Entry: Sendable, Equatable {
    package var key, value: MessagePack
    package init(key: MessagePack, value: MessagePack) { (self.key, self.value) = (key, value) }
  }

  /// A map with text keys, in this order.
  package static func map(_ entries: KeyValuePairs<String, MessagePack>) -> MessagePack {
    .map(entries.map { Entry(key: .text($0.key), value: $0.value) })
  }

  /// The value under a key of a map, the key being text or the same bytes.
  package subscript(key: String) -> MessagePack? {
    guard case .map(let entries) = self else { return nil }
    return entries.first { $0.key.name == key }?.value
  }

  /// Text, or bytes that are text: what a key may be.
  package var name: String? {
    switch self {
    case .text(let text): text
    case .bytes(let bytes): String(validating: bytes, as: UTF8.self)
    default: nil
    }
  }

  /// What kind of value this is, in a user's words.
  package var kind: String {
    switch self {
    case .null: "None"
    case .bool: "a bool"
    case .integer, .unsigned: "an int"
    case .number: "a float"
    case .text: "a str"
    case .bytes(let bytes): "\(bytes.count) bytes"
    case .list(let values): "a list of \(values.count)"
    case .map: "a dict"
    }
  }
}

/// Bytes that are no MessagePack value, or a larger one than is read.
package enum MessagePackError: Error, Equatable, CustomStringConvertible {
  /// The message ends within a value.
  case cut
  /// Bytes follow the value.
  case extra(Int)
  /// A code without meaning, or that of an extension type.
  case code(UInt8, at: Int)
  case notUTF8(at: Int)
  case tooDeep
  case tooMany

  package var description: String {
    switch self {
    case .cut: "no MessagePack: it ends within a value"
    case .extra(let count): "no MessagePack message: \(count) bytes follow its value"
    case .code(let code, let at): "no MessagePack that is read here: code 0x\(String(code, radix: 16)) at byte \(at)"
    case .notUTF8(let at): "no MessagePack: the text at byte \(at) is not UTF-8"
    case .tooDeep: "MessagePack nested deeper than \(MessagePack.deepest)"
    case .tooMany: "MessagePack of more than \(MessagePack.mostValues) values"
    }
  }
}

// MARK: - Decoding

extension MessagePack {
  /// How deep lists and maps may be nested.
  static let deepest = 16
  /// How many values a message may have: an observation has dozens, and each takes more memory than its bytes.
  static let mostValues = 1 << 16

  /// Reads a message that is one value.
  /// - Throws: `MessagePackError`.
  package init(_ message: ArraySlice<UInt8>) throws(MessagePackError) {
    var reader = Reader(rest: message, start: message.startIndex)
    self = try reader.value(depth: 0)
    guard reader.rest.isEmpty else { throw .extra(reader.rest.count) }
  }

  private struct Reader {
    var rest: ArraySlice<UInt8>
    let start: Int
    var values = 0

    var position: Int { rest.startIndex - start }

    mutating func take(_ count: Int) throws(MessagePackError) -> ArraySlice<UInt8> {
      guard count <= rest.count else { throw .cut }
      defer { rest = rest.dropFirst(count) }
      return rest.prefix(count)
    }

    /// A number of 1, 2, 4 or 8 bytes for a size of 0 to 3, big endian.
    mutating func number(_ size: UInt8) throws(MessagePackError) -> UInt64 {
      try take(1 << Int(size)).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// How many of what follows there are.
    mutating func count(_ size: UInt8) throws(MessagePackError) -> Int { Int(try number(size)) }

    mutating func text(_ count: Int) throws(MessagePackError) -> MessagePack {
      let at = position
      guard let text = String(validating: try take(count), as: UTF8.self) else { throw .notUTF8(at: at) }
      return .text(text)
    }

    mutating func list(_ count: Int, _ depth: Int) throws(MessagePackError) -> MessagePack {
      guard count <= rest.count else { throw .cut }
      var list: [MessagePack] = []
      for _ in 0..<count { list.append(try value(depth: depth + 1)) }
      return .list(list)
    }

    mutating func map(_ count: Int, _ depth: Int) throws(MessagePackError) -> MessagePack {
      guard count <= rest.count / 2 else { throw .cut }
      var entries: [Entry] = []
      for _ in 0..<count {
        entries.append(Entry(key: try value(depth: depth + 1), value: try value(depth: depth + 1)))
      }
      return .map(entries)
    }

    mutating func value(depth: Int) throws(MessagePackError) -> MessagePack {
      guard depth <= deepest else { throw .tooDeep }
      values += 1
      guard values <= mostValues else { throw .tooMany }
      let at = position
      let code = UInt8(try number(0))
      switch code {
      case 0x00...0x7f: return .integer(Int64(code))
      case 0x80...0x8f: return try map(Int(code & 0x0f), depth)
      case 0x90...0x9f: return try list(Int(code & 0x0f), depth)
      case 0xa0...0xbf: return try text(Int(code & 0x1f))
      case 0xc0: return .null
      case 0xc2, 0xc3: return .bool(code == 0xc3)
      case 0xc4...0xc6: return .bytes(try take(try count(code - 0xc4)))
      case 0xca: return .number(Double(Float(bitPattern: UInt32(try number(2)))))
      case 0xcb: return .number(Double(bitPattern: try number(3)))
      case 0xcc...0xcf:
        let value = try number(code - 0xcc)
        return Int64(exactly: value).map { .integer($0) } ?? .unsigned(value)
      case 0xd0...0xd3:
        // To the top and back, which spreads the sign.
        let unused = UInt64(64 - (8 << Int(code - 0xd0)))
        return .integer(Int64(bitPattern: try number(code - 0xd0) << unused) >> Int64(unused))
      case 0xd9...0xdb: return try text(try count(code - 0xd9))
      case 0xdc, 0xdd: return try list(try count(code - 0xdb), depth)
      case 0xde, 0xdf: return try map(try count(code - 0xdd), depth)
      case 0xe0...0xff: return .integer(Int64(Int8(bitPattern: code)))
      default: throw .code(code, at: at)
      }
    }
  }
}

// MARK: - Encoding

extension MessagePack {
  /// The message, each value in its shortest form and floats as 64 bits: what Python's `msgpack.packb` writes.
  package var encoded: [UInt8] {
    var message: [UInt8] = []
    write(to: &message)
    return message
  }

  private func write(to message: inout [UInt8]) {
    func number<T: FixedWidthInteger>(_ code: UInt8, _ value: T) {
      message.append(code)
      withUnsafeBytes(of: value.bigEndian) { message += $0 }
    }
    /// A code for each width that a count may need; 0 where there is none.
    func count(_ count: Int, fixed: (below: Int, code: UInt8), _ codes: (UInt8, UInt8, UInt8)) {
      if count < fixed.below {
        message.append(fixed.code | UInt8(count))
      } else if count <= UInt8.max, codes.0 != 0 {
        number(codes.0, UInt8(count))
      } else if count <= UInt16.max {
        number(codes.1, UInt16(count))
      } else {
        number(codes.2, UInt32(count))
      }
    }
    switch self {
    case .null: message.append(0xc0)
    case .bool(let value): message.append(value ? 0xc3 : 0xc2)
    case .integer(let value):
      switch value {
      case 0...0x7f: message.append(UInt8(value))
      case -32..<0: message.append(UInt8(bitPattern: Int8(value)))
      case 0...Int64(UInt8.max): number(0xcc, UInt8(value))
      case 0...Int64(UInt16.max): number(0xcd, UInt16(value))
      case 0...Int64(UInt32.max): number(0xce, UInt32(value))
      case 0...: number(0xcf, UInt64(value))
      case Int64(Int8.min)...: number(0xd0, Int8(value))
      case Int64(Int16.min)...: number(0xd1, Int16(value))
      case Int64(Int32.min)...: number(0xd2, Int32(value))
      default: number(0xd3, value)
      }
    case .unsigned(let value): number(0xcf, value)
    case .number(let value): number(0xcb, value.bitPattern)
    case .text(var text):
      text.withUTF8 {
        count($0.count, fixed: (32, 0xa0), (0xd9, 0xda, 0xdb))
        message += $0
      }
    case .bytes(let bytes):
      count(bytes.count, fixed: (0, 0), (0xc4, 0xc5, 0xc6))
      message += bytes
    case .list(let values):
      count(values.count, fixed: (16, 0x90), (0, 0xdc, 0xdd))
      for value in values { value.write(to: &message) }
    case .map(let entries):
      count(entries.count, fixed: (16, 0x80), (0, 0xde, 0xdf))
      for entry in entries {
        entry.key.write(to: &message)
        entry.value.write(to: &message)
      }
    }
  }
}
