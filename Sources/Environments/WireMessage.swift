import Foundation

/// A message between the toolkit and an environment in a process of its own: a JSON header and arrays. docs/environments.md
/// has the bytes.
package struct WireMessage<Header: Codable> {
  package var header: Header
  package var arrays: [WireArray]

  package init(_ header: Header, _ arrays: [WireArray] = []) {
    (self.header, self.arrays) = (header, arrays)
  }

  /// The array of this name.
  package subscript(name: String) -> WireArray? { arrays.first { $0.name == name } }
}

/// What every message has.
package enum Wire {
  package static let version = 1
  package static let magic = Array("IKE1".utf8)
  /// The most bytes of a header.
  package static let longestHeader = 1 << 20
  /// The most bytes of a body, packed or not.
  package static let longestBody = 256 << 20
  static let prefix = 16
}

/// Bytes that are no message.
package enum WireError: Error, Equatable, CustomStringConvertible {
  /// What can be wrong with one array.
  package enum ArrayProblem: Equatable, Sendable {
    case type(String)
    case shape([Int])
    case size(expected: Int, found: Int)
    case encoding(String)
    case notAnImage([Int])
    case image(String)
    case twice
  }

  case notAMessage(beginning: [UInt8])
  case headerTooLong(Int)
  case bodyTooLong(UInt64)
  case header(String)
  /// The end of the stream came within a message.
  case cut
  case array(String, ArrayProblem)
  case bodySize(expected: Int, found: Int)

  package var description: String {
    switch self {
    case .notAMessage(let bytes):
      "no message: it begins with '\(String(decoding: bytes.map { (32..<127).contains($0) ? $0 : 63 }, as: UTF8.self))'"
        + " (standard output is for messages alone)"
    case .headerTooLong(let bytes): "a header of \(bytes) bytes; at most \(Wire.longestHeader) are allowed"
    case .bodyTooLong(let bytes): "a body of \(bytes) bytes; at most \(Wire.longestBody) are allowed"
    case .header(let reason): "the header \(reason)"
    case .cut: "the end in the middle of a message"
    case .bodySize(let expected, let found): "the arrays take \(expected) bytes, the body has \(found)"
    case .array(let name, let problem):
      switch problem {
      case .type(let type): "array '\(name)' is of the unknown type '\(type)'"
      case .shape(let shape): "array '\(name)' has the shape \(shape)"
      case .size(let expected, let found): "array '\(name)' has \(found) bytes, its shape needs \(expected)"
      case .encoding(let encoding): "array '\(name)' has the unknown encoding '\(encoding)'"
      case .notAnImage(let shape): "array '\(name)' is encoded as an image and has the shape \(shape)"
      case .image(let reason): "array '\(name)': \(reason)"
      case .twice: "array '\(name)' is there twice"
      }
    }
  }

  /// What is wrong with a header, in words.
  static func header(_ error: any Error) -> WireError {
    func name(_ path: [any CodingKey]) -> String { path.map(\.stringValue).joined(separator: ".") }
    return switch error {
    case DecodingError.keyNotFound(let key, let context): .header("lacks '\(name(context.codingPath + [key]))'")
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
      .header(
        context.codingPath.isEmpty ? "is not a JSON object" : "has another type of '\(name(context.codingPath))'")
    case DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty:
      .header("has a wrong '\(name(context.codingPath))': \(context.debugDescription)")
    default: .header("is not JSON")
    }
  }
}

extension WireMessage {
  private struct Names: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
    static var arrays: Names { Names(stringValue: "arrays") }
  }

  /// The header and its list of arrays as the one object that they are.
  private struct Whole: Codable {
    var header: Header
    var entries: [WireEntry]

    init(header: Header, entries: [WireEntry]) { (self.header, self.entries) = (header, entries) }

    init(from decoder: any Decoder) throws {
      header = try Header(from: decoder)
      entries = try decoder.container(keyedBy: Names.self).decodeIfPresent([WireEntry].self, forKey: .arrays) ?? []
    }

    func encode(to encoder: any Encoder) throws {
      try header.encode(to: encoder)
      guard !entries.isEmpty else { return }
      var keys = encoder.container(keyedBy: Names.self)
      try keys.encode(entries, forKey: .arrays)
    }
  }

  /// - Parameter encoding: how images travel.
  /// - Throws: `WireError` when it is longer than allowed.
  package func bytes(_ encoding: WireArray.Encoding = .raw, quality: Int = 95) throws -> [UInt8] {
    let parts = try arrays.map { try $0.encoded(encoding, quality: quality) }
    let text = try JSONEncoder().encode(Whole(header: header, entries: parts.map(\.entry)))
    let body = parts.reduce(0) { $0 + $1.bytes.count }
    guard text.count <= Wire.longestHeader else { throw WireError.headerTooLong(text.count) }
    guard body <= Wire.longestBody else { throw WireError.bodyTooLong(UInt64(body)) }
    var bytes = Wire.magic
    bytes.reserveCapacity(Wire.prefix + text.count + body)
    withUnsafeBytes(of: UInt32(text.count).littleEndian) { bytes += $0 }
    withUnsafeBytes(of: UInt64(body).littleEndian) { bytes += $0 }
    bytes += text
    for part in parts { bytes += part.bytes }
    return bytes
  }

  /// - Throws: `WireError`.
  init(header text: UnsafeRawBufferPointer, body: UnsafeRawBufferPointer) throws {
    let whole: Whole
    do {
      whole = try JSONDecoder().decode(Whole.self, from: Data(text))
    } catch {
      // Python writes NaN where a number is none: let whoever wants the number say so.
      let lenient = JSONDecoder()
      lenient.allowsJSON5 = true
      guard let found = try? lenient.decode(Whole.self, from: Data(text)) else { throw WireError.header(error) }
      whole = found
    }
    header = whole.header
    arrays = []
    var (position, room, names) = (0, Wire.longestBody, Set<String>())
    for entry in whole.entries {
      guard names.insert(entry.name).inserted else { throw WireError.array(entry.name, .twice) }
      guard entry.bytes >= 0, entry.bytes <= body.count - position else {
        throw WireError.array(entry.name, .size(expected: entry.bytes, found: body.count - position))
      }
      let part = UnsafeRawBufferPointer(rebasing: body[position..<position + entry.bytes])
      arrays.append(try entry.array(part, room: room))
      position += entry.bytes
      room -= entry.shape.reduce(1, *)
    }
    guard position == body.count else { throw WireError.bodySize(expected: position, found: body.count) }
  }
}

/// Takes messages from a stream of bytes.
package struct WireReader {
  /// Bytes of memory, as long as messages are no longer.
  private static let usualSize = 1 << 18
  private var buffer = [UInt8](repeating: 0, count: usualSize)
  private var bytes = 0..<0

  package init() {}

  /// Whether bytes were read that belong to no message yet.
  package var hasMore: Bool { !bytes.isEmpty }

  /// The next message; nil when the stream ends before it.
  ///
  /// - Parameter read: puts what there is into the memory that it is given, and returns how many bytes: 0 at the end.
  /// - Throws: `WireError`, and what `read` throws.
  package mutating func next<Header: Codable>(
    _: Header.Type, read: (UnsafeMutableRawBufferPointer) throws -> Int
  ) throws -> WireMessage<Header>? {
    guard try fill(Wire.magic.count, read) else {
      guard bytes.isEmpty else { throw WireError.cut }
      return nil
    }
    guard buffer[bytes].starts(with: Wire.magic) else {
      throw WireError.notAMessage(beginning: Array(buffer[bytes].prefix(40)))
    }
    guard try fill(Wire.prefix, read) else { throw WireError.cut }
    func number(_ place: Range<Int>) -> UInt64 {
      place.reversed().reduce(0) { $0 << 8 | UInt64(buffer[bytes.lowerBound + $1]) }
    }
    let (header, body) = (Int(number(4..<8)), number(8..<16))
    guard header <= Wire.longestHeader else { throw WireError.headerTooLong(header) }
    guard body <= UInt64(Wire.longestBody) else { throw WireError.bodyTooLong(body) }
    let whole = Wire.prefix + header + Int(body)
    guard try fill(whole, read) else { throw WireError.cut }
    defer { bytes = bytes.lowerBound + whole..<bytes.upperBound }
    return try buffer.withUnsafeBytes { buffer in
      let start = bytes.lowerBound + Wire.prefix
      return try WireMessage(
        header: UnsafeRawBufferPointer(rebasing: buffer[start..<start + header]),
        body: UnsafeRawBufferPointer(rebasing: buffer[start + header..<bytes.lowerBound + whole]))
    }
  }

  /// Reads until so many bytes are there; memory grows with what comes, whatever a header says will.
  /// - Returns: whether they are.
  private mutating func fill(_ count: Int, _ read: (UnsafeMutableRawBufferPointer) throws -> Int) throws -> Bool {
    while bytes.count < count {
      if bytes.isEmpty {
        bytes = 0..<0
        // One large message must not hold its memory for ever.
        if buffer.count > 64 * WireReader.usualSize { buffer = [UInt8](repeating: 0, count: WireReader.usualSize) }
      }
      if bytes.lowerBound > 0, bytes.lowerBound + count > buffer.count {
        buffer.replaceSubrange(0..<bytes.count, with: Array(buffer[bytes]))
        bytes = 0..<bytes.count
      }
      if bytes.upperBound == buffer.count { buffer += [UInt8](repeating: 0, count: buffer.count) }
      let end = bytes.upperBound
      let found = try buffer.withUnsafeMutableBytes { try read(UnsafeMutableRawBufferPointer(rebasing: $0[end...])) }
      guard found > 0 else { return false }
      bytes = bytes.lowerBound..<end + found
    }
    return true
  }
}
