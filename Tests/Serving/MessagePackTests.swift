import Foundation
import Serving
import Support
import Testing

/// Our messages are, byte for byte, those of Python's msgpack and openpi-client's msgpack_numpy (Tests/Golden/make_msgpack.py).
@Suite struct MessagePackTests {
  struct Sample: Decodable {
    var bytes: Int
    var hex: String
  }

  static let golden: [String: Sample] = {
    let data = FileManager.default.contents(atPath: Golden.folder + "/msgpack.json")!
    return try! JSONDecoder().decode([String: Sample].self, from: data)
  }()

  static func bytes(_ hex: String) -> [UInt8] {
    var digits = hex.compactMap(\.hexDigitValue)[...]
    var bytes: [UInt8] = []
    while let high = digits.popFirst(), let low = digits.popFirst() { bytes.append(UInt8(high << 4 | low)) }
    return bytes
  }

  static let image = (0..<18).map { UInt8($0 * 7 % 256) }

  /// `arange(12).reshape(3, 4)` in one of numpy's types.
  static func ramp(_ type: String) -> [UInt8] {
    (0..<12).flatMap { value -> [UInt8] in
      func bytes(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
      return switch type {
      case "<f2": bytes(Float16(value).bitPattern)
      case "<f4": bytes(Float(value).bitPattern)
      case "<f8": bytes(Double(value).bitPattern)
      case ">f4": bytes(Float(value).bitPattern.byteSwapped)
      case "|i1", "|u1": [UInt8(value)]
      case "<i2", "<u2": bytes(UInt16(value))
      case "<i4", "<u4": bytes(UInt32(value))
      default: bytes(UInt64(value))
      }
    }
  }

  static func array(_ type: String, _ shape: [Int], _ data: [UInt8]) -> MessagePack {
    MessagePack(NumericArray(type: type, shape: shape, data: data[...]))
  }

  static func scalar(_ type: String, _ value: MessagePack) -> MessagePack {
    func key(_ name: String) -> MessagePack { .bytes(Array(name.utf8)[...]) }
    return .map([
      .init(key: key("__npgeneric__"), value: .bool(true)), .init(key: key("data"), value: value),
      .init(key: key("dtype"), value: .text(type)),
    ])
  }

  /// The value that the script gave this name.
  static func value(_ name: String) -> MessagePack? {
    let words = name.split(separator: " ").map(String.init)
    let count = Int(words.last!) ?? 0
    func doubles(_ values: [Double]) -> [UInt8] {
      values.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian) { Array($0) } }
    }
    func floats(_ values: [Float]) -> [UInt8] {
      values.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian) { Array($0) } }
    }
    switch name {
    case "None": return .null
    case "True": return .bool(true)
    case "False": return .bool(false)
    case "0.5": return .number(0.5)
    case "-1e300": return .number(-1e300)
    case "umlauts": return .text("öäü")
    case "bytes": return .bytes([0, 255])
    case "nested": return .map(["a": .list([.integer(1), .map(["b": .null])]), "c": .map([:])])
    case "array of bools": return array("|b1", [2], [1, 0])
    case "array of no axes": return array("<f4", [], floats([1.5]))
    case "empty array": return array("<f4", [0, 3], [])
    case "not contiguous": return array("<f4", [4, 3], floats([0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]))
    case "scalar float32": return scalar("<f4", .number(0.25))
    case "scalar int64": return scalar("<i8", .integer(-3))
    case "scalar bool": return scalar("|b1", .bool(true))
    case "observation":
      return .map([
        "observation/image": array("|u1", [2, 3, 3], image),
        "observation/state": array("<f8", [3], doubles([0.5, -1, 2])),
        "prompt": .text("open the drawer"), "reset": .bool(true), "seed": .integer(7),
      ])
    case "nested observation":
      return .map([
        "state": array("<f4", [3], floats([0.5, -1, 2])), "images": .map(["top": array("|u1", [2, 3, 3], image)]),
        "prompt": .text("öffne"),
      ])
    case "answer":
      return .map([
        "actions": MessagePack(NumericArray([[0.25, -1], [0.5, 1]], width: 2)),
        "policy_timing": .map(["infer_ms": .number(1.5)]),
        "server_timing": .map(["infer_ms": .number(2.5), "queue_ms": .number(0.25)]),
      ])
    default: break
    }
    switch words[0] {
    case "int": return Int64(words[1]).map { .integer($0) } ?? UInt64(words[1]).map { .unsigned($0) }
    case "text": return .text(String(repeating: "x", count: count))
    case "bytes": return .bytes([UInt8](repeating: 7, count: count)[...])
    case "list": return .list(Array(repeating: .integer(1), count: count))
    case "map":
      return .map(
        (0..<count).map {
          let digits = "\($0)"
          return .init(
            key: .text(String(repeating: "0", count: max(0, 5 - digits.count)) + digits), value: .integer(1))
        })
    case "array": return array(words[1], [3, 4], ramp(words[1]))
    default: return nil
    }
  }

  @Test func isWrittenAsPythonWritesIt() throws {
    #expect(MessagePackTests.golden.count > 60)
    for (name, sample) in MessagePackTests.golden {
      let message = try #require(MessagePackTests.value(name), "\(name)").encoded
      #expect(message.count == sample.bytes, "\(name)")
      #expect(message.starts(with: MessagePackTests.bytes(sample.hex)), "\(name)")
    }
  }

  @Test func isReadAsPythonWroteIt() throws {
    for (name, sample) in MessagePackTests.golden where sample.hex.count == 2 * sample.bytes {
      let message = MessagePackTests.bytes(sample.hex)
      #expect(try MessagePack(message[...]) == MessagePackTests.value(name), "\(name)")
      // Without its last byte it is none, nor with one more.
      #expect(throws: MessagePackError.self) { try MessagePack(message.dropLast()) }
      #expect(throws: MessagePackError.extra(1)) { try MessagePack((message + [0])[...]) }
    }
    for name in ["text 65536", "bytes 65536", "list 65535"] {
      let value = try #require(MessagePackTests.value(name))
      #expect(try MessagePack(value.encoded[...]) == value, "\(name)")
    }
  }

  /// A message that is a part of a larger array: its indices do not begin at 0.
  @Test func isReadInTheMiddleOfBytes() throws {
    let value = try #require(MessagePackTests.value("observation"))
    let bytes = [UInt8](repeating: 0xc1, count: 5) + value.encoded + [9, 9]
    #expect(try MessagePack(bytes[5..<bytes.count - 2]) == value)
  }

  @Test func whatIsNoneIsRefused() throws {
    func error(_ bytes: [UInt8]) -> MessagePackError? {
      do { _ = try MessagePack(bytes[...]) } catch { return error }
      return nil
    }
    #expect(error([]) == .cut)
    #expect(error([0xc1]) == .code(0xc1, at: 0))
    // A timestamp, and an extension type in the middle.
    #expect(error([0xd6, 0xff, 0, 0, 0, 0]) == .code(0xd6, at: 0))
    #expect(error([0x92, 0x01, 0xc7]) == .code(0xc7, at: 2))
    #expect(error([0xa2, 0xff, 0xfe]) == .notUTF8(at: 1))
    #expect(error([0xdd, 0xff, 0xff, 0xff, 0xff]) == .cut)
    #expect(error([0xdf, 0x00, 0x00, 0x00, 0x02, 0xc0, 0xc0, 0xc0]) == .cut)
    #expect(error([0xc6, 0xff, 0xff, 0xff, 0xff, 0x00]) == .cut)
    #expect(error([UInt8](repeating: 0x91, count: 100_000)) == .tooDeep)
    #expect(error([0xdd, 0, 1, 0, 0] + [UInt8](repeating: 1, count: 1 << 16)) == .tooMany)
  }

  @Test(arguments: ["<f2", "<f4", "<f8", ">f4", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8"])
  func arraysAreNumbers(_ type: String) throws {
    let message = MessagePackTests.bytes(try #require(MessagePackTests.golden["array \(type)"]).hex)
    let array = try #require(try MessagePack(message[...]).array)
    #expect(array.floats == (0..<12).map(Float.init) && array.shape == [3, 4])
    #expect((array.bytes == nil) == (type != "|u1"))
  }

  /// The bytes that docs/serving.md shows are those that are written.
  @Test func theDocumentedBytesAreOurs() throws {
    let folder = URL(fileURLWithPath: Golden.folder).deletingLastPathComponent().deletingLastPathComponent().path
    let page = try String(contentsOfFile: folder + "/docs/serving.md", encoding: .utf8)
    let start = try #require(page.range(of: "```\n84 ")).lowerBound
    let lines = page[start...].split(separator: "\n").dropFirst().prefix { $0 != "```" }
    let hex = lines.flatMap { line in line.split(separator: " ").prefix { $0.count == 2 && $0.allSatisfy(\.isHexDigit) }
    }
    let array = MessagePackTests.array("<f4", [2], [0, 0, 0, 0x3f, 0, 0, 0x80, 0x3f])
    #expect(MessagePackTests.bytes(String(hex.joined())) == array.encoded)
  }

  @Test func arraysThatDoNotFillTheirShapeAreNone() {
    func floats(_ shape: [Int], _ count: Int, _ type: String = "<f4") -> [Float]? {
      NumericArray(type: type, shape: shape, data: [UInt8](repeating: 0, count: count)[...]).floats
    }
    #expect(floats([2, 3], 24)?.count == 6)
    #expect(floats([2, 3], 23) == nil && floats([2, 3], 25) == nil)
    #expect(floats([-1, -6], 24) == nil && floats([Int.max, 4], 24) == nil && floats([Int.max, Int.max], 4) == nil)
    for type in ["", "f", "<", "|b1", "<U4", "<M8[ns]", "|O", "<c8", "<f-4", "<f3"] {
      #expect(floats([1], 4, type) == nil && floats([], 0, type) == nil, "\(type)")
    }
  }
}
