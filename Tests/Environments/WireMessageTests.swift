import Environments
import Foundation
import Imitation
import Tensors
import Testing

/// A message as docs/environments.md describes it, put together by hand.
func frame(_ header: String, body: [UInt8] = [], magic: String = "IKE1") -> [UInt8] {
  let count = header.utf8.count
  return Array(magic.utf8) + [UInt8(count & 255), UInt8(count >> 8 & 255), UInt8(count >> 16 & 255), 0]
    + [UInt8(body.count & 255), UInt8(body.count >> 8 & 255), UInt8(body.count >> 16 & 255), 0, 0, 0, 0, 0]
    + Array(header.utf8) + body
}

/// A stream of bytes that comes in pieces.
struct Stream {
  var bytes: [UInt8]
  var piece = Int.max

  mutating func read(_ target: UnsafeMutableRawBufferPointer) -> Int {
    let count = min(bytes.count, target.count, piece)
    target.copyBytes(from: bytes.prefix(count))
    bytes.removeFirst(count)
    return count
  }
}

func message(_ bytes: [UInt8], piece: Int = .max) throws -> WireMessage<WireAnswer>? {
  var (reader, stream) = (WireReader(), Stream(bytes: bytes, piece: piece))
  return try reader.next(WireAnswer.self) { stream.read($0) }
}

@Suite struct WireMessageTests {
  static let step = frame(
    #"{"reward": 0.25, "success": true, "later": {"a": [1]}, "arrays": [{"name": "obs/x", "dtype": "float32", "shape": [2], "bytes": 8}, {"name": "obs/i", "dtype": "uint8", "shape": [1, 2, 3], "encoding": "raw", "bytes": 6}]}"#,
    body: [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 1, 2, 3, 4, 5, 255])

  @Test(arguments: [1, 7, 15, 16, 17, Int.max])
  func readsBytesWrittenByHand(_ piece: Int) throws {
    let found = try #require(try message(Self.step, piece: piece))
    #expect(found.header.reward == 0.25 && found.header.success == true && found.header.terminated == nil)
    #expect(found["obs/x"] == WireArray("obs/x", .float32([1, -2])))
    #expect(found["obs/i"]?.image == Image(width: 2, height: 1, pixels: [1, 2, 3, 4, 5, 255]))
    #expect(found["obs/x"]?.image == nil && found["obs/i"]?.floats == nil && found["obs/y"] == nil)
  }

  @Test func writesThoseBytes() throws {
    var request = WireRequest(.step)
    request.id = 7
    let bytes = try WireMessage(request, [WireArray("action", .float32([1, -2]))]).bytes()
    let count = Int(bytes[4]) | Int(bytes[5]) << 8
    #expect(Array(bytes[0..<4]) == [0x49, 0x4b, 0x45, 0x31] && bytes[6] == 0 && bytes[7] == 0)
    #expect(Array(bytes[8..<16]) == [8, 0, 0, 0, 0, 0, 0, 0] && bytes.count == 16 + count + 8)
    #expect(Array(bytes.suffix(8)) == [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0])
    let header = try #require(
      try JSONSerialization.jsonObject(with: Data(bytes[16..<16 + count])) as? [String: Any])
    #expect(header["call"] as? String == "step" && header["id"] as? Int == 7 && header.count == 3)
    let arrays = try #require(header["arrays"] as? [[String: Any]])
    #expect(arrays.count == 1 && arrays[0]["name"] as? String == "action" && arrays[0]["dtype"] as? String == "float32")
    #expect(arrays[0]["shape"] as? [Int] == [2] && arrays[0]["bytes"] as? Int == 8)
  }

  @Test func everyTypeComesBack() throws {
    let arrays = [
      WireArray("a", .uint8([0, 255])), WireArray("b", .int64([.min, -1, .max]), shape: [3, 1]),
      WireArray("c", .float32([.leastNonzeroMagnitude, -.greatestFiniteMagnitude, .infinity])),
      WireArray("d", .float64([0.1, -.infinity]), shape: [1, 2]), WireArray("e", .float32([]), shape: [0, 4]),
    ]
    let found = try #require(try message(WireMessage(WireAnswer(), arrays).bytes()))
    #expect(found.arrays == arrays)
    #expect(found["d"]?.floats == [Float(0.1), -.infinity])
  }

  @Test func messagesFollowEachOtherAndTheStreamEnds() throws {
    var (reader, stream) = (WireReader(), Stream(bytes: Self.step + frame("{}") + Self.step))
    func next() throws -> WireMessage<WireAnswer>? { try reader.next(WireAnswer.self) { stream.read($0) } }
    #expect(try next()?.header.reward == 0.25 && reader.hasMore)
    #expect(try next()?.arrays.isEmpty == true)
    #expect(try next()?.header.reward == 0.25 && !reader.hasMore)
    #expect(try next() == nil)
  }

  @Test func imagesTravelInEveryEncoding() throws {
    var random = Random(seed: 1)
    let noise = Image(width: 7, height: 5, pixels: (0..<105).map { _ in UInt8(random.below(256)) })
    let smooth = Image(width: 32, height: 16, pixels: (0..<1536).map { UInt8($0 / 96 * 3 + 90) })
    let arrays = [WireArray("obs/a", noise), WireArray("obs/b", smooth), WireArray("obs/c", .float32([1]))]
    for encoding in [WireArray.Encoding.raw, .png] {
      let found = try #require(try message(WireMessage(WireAnswer(), arrays).bytes(encoding)))
      #expect(found.arrays == arrays)
    }
    let bytes = try WireMessage(WireAnswer(), arrays).bytes(.jpeg, quality: 95)
    let found = try #require(try message(bytes)?["obs/b"]?.image)
    #expect(zip(found.pixels, smooth.pixels).allSatisfy { abs(Int($0) - Int($1)) <= 4 })
  }

  /// Numbers of JSON that are none, as Python writes them, are for whoever needs them to refuse.
  @Test func pythonsNaNIsRead() throws {
    let found = try #require(try message(frame(#"{"reward": NaN, "success": false}"#)))
    #expect(found.header.reward?.isNaN == true)
  }

  static func array(_ entry: String, body: [UInt8] = [0, 0, 0, 0]) -> [UInt8] {
    frame(#"{"arrays": [\#(entry)]}"#, body: body)
  }

  static let malformed: [(bytes: [UInt8], error: WireError)] = [
    (frame("{}", magic: "IKE2"), .notAMessage(beginning: frame("{}", magic: "IKE2"))),
    (Array("Hello from the simulator\n".utf8), .notAMessage(beginning: Array("Hello from the simulator\n".utf8))),
    (Array("IK".utf8), .cut), (Array(frame("{}").prefix(12)), .cut), (frame("{}").dropLast(), .cut),
    (Array(step.dropLast(3)), .cut),
    (Array("IKE1".utf8) + [1, 0, 0x10, 0] + [0, 0, 0, 0, 0, 0, 0, 0], .headerTooLong(1 << 20 + 1)),
    (Array("IKE1".utf8) + [255, 255, 255, 255] + [0, 0, 0, 0, 0, 0, 0, 0], .headerTooLong(Int(UInt32.max))),
    (Array("IKE1".utf8) + [2, 0, 0, 0] + [1, 0, 0, 16, 0, 0, 0, 0], .bodyTooLong(256 << 20 + 1)),
    (Array("IKE1".utf8) + [2, 0, 0, 0] + [UInt8](repeating: 255, count: 8), .bodyTooLong(.max)),
    (frame("no JSON"), .header("is not JSON")), (frame("[]"), .header("is not a JSON object")),
    (frame(""), .header("is not JSON")), (frame("{\"a\": \u{0}}"), .header("is not JSON")),
    (frame(#"{"reward": "much"}"#), .header("has another type of 'reward'")),
    (frame(#"{"arrays": {}}"#), .header("has another type of 'arrays'")),
    (array(#"{"name": "a", "dtype": "uint8", "shape": [4]}"#), .header("lacks 'arrays.Index 0.bytes'")),
    (array(#"{"name": "a", "dtype": "float16", "shape": [2], "bytes": 4}"#), .array("a", .type("float16"))),
    (array(#"{"name": "a", "dtype": "float32", "shape": [-1], "bytes": 4}"#), .array("a", .shape([-1]))),
    (
      array(#"{"name": "a", "dtype": "float32", "shape": [4611686018427387904, 4], "bytes": 4}"#),
      .array("a", .shape([1 << 62, 4]))
    ),
    (
      array(#"{"name": "a", "dtype": "uint8", "shape": [1,1,1,1,1,1,1,1,4], "bytes": 4}"#),
      .array("a", .shape([1, 1, 1, 1, 1, 1, 1, 1, 4]))
    ),
    (
      array(#"{"name": "a", "dtype": "float32", "shape": [2], "bytes": 4}"#),
      .array("a", .size(expected: 8, found: 4))
    ),
    (
      array(#"{"name": "a", "dtype": "uint8", "shape": [5], "bytes": 5}"#), .array("a", .size(expected: 5, found: 4))
    ),
    (
      array(#"{"name": "a", "dtype": "uint8", "shape": [1], "bytes": -1}"#),
      .array("a", .size(expected: -1, found: 4))
    ),
    (
      array(
        #"{"name": "a", "dtype": "uint8", "shape": [2], "bytes": 2}, {"name": "a", "dtype": "uint8", "shape": [2], "bytes": 2}"#
      ), .array("a", .twice)
    ),
    (array(#"{"name": "a", "dtype": "uint8", "shape": [3], "bytes": 3}"#), .bodySize(expected: 3, found: 4)),
    (frame("{}", body: [1]), .bodySize(expected: 0, found: 1)),
    (
      array(#"{"name": "a", "dtype": "uint8", "shape": [1, 1, 3], "encoding": "webp", "bytes": 4}"#),
      .array("a", .encoding("webp"))
    ),
    (
      array(#"{"name": "a", "dtype": "float32", "shape": [1, 1, 3], "encoding": "jpeg", "bytes": 4}"#),
      .array("a", .notAnImage([1, 1, 3]))
    ),
    (
      array(#"{"name": "a", "dtype": "uint8", "shape": [4, 4], "encoding": "png", "bytes": 4}"#),
      .array("a", .notAnImage([4, 4]))
    ),
    (
      array(#"{"name": "a", "dtype": "uint8", "shape": [20000, 20000, 3], "encoding": "png", "bytes": 4}"#),
      .array("a", .shape([20000, 20000, 3]))
    ),
    (
      array(#"{"name": "a", "dtype": "uint8", "shape": [1, 1, 3], "encoding": "png", "bytes": 4}"#),
      .array("a", .image("not a PNG image that can be read: it does not begin as one"))
    ),
    (
      array(
        #"{"name": "a", "dtype": "uint8", "shape": [2, 3, 3], "encoding": "png", "bytes": \#(png.count)}"#, body: png),
      .array("a", .image("it is 2x2, the header says 2x3"))
    ),
  ]

  static let png = Image(width: 2, height: 2, red: 9).png()

  @Test(arguments: malformed.indices)
  func whatIsNoMessageIsRefused(_ index: Int) {
    let (bytes, error) = Self.malformed[index]
    #expect(throws: error) { _ = try message(bytes) }
    let line = "\(error)"
    #expect(!line.isEmpty && line.allSatisfy { $0.isASCII && $0 >= " " && $0 <= "~" })
  }

  @Test func whatIsTooLongIsNotWritten() {
    var answer = WireAnswer()
    answer.model = String(repeating: "x", count: 1 << 20)
    #expect(throws: WireError.headerTooLong(1_048_576 + 12)) { _ = try WireMessage(answer).bytes() }
  }

  /// Bytes that a header promises are not waited for with memory of that size.
  @Test func memoryGrowsWithWhatComes() {
    let head = Array("IKE1".utf8) + [2, 0, 0, 0] + [0, 0, 0, 16, 0, 0, 0, 0] + Array("{}".utf8)
    var (stream, largest) = (Stream(bytes: head), 0)
    var reader = WireReader()
    #expect(throws: WireError.cut) {
      _ = try reader.next(WireAnswer.self) { target in
        largest = max(largest, target.count)
        return stream.read(target)
      }
    }
    #expect(largest <= 1 << 20)
  }

  @Test func jsonOfAllKindsComesThrough() throws {
    let text = #"{"a":[1,2.5,"x",null,true],"b":{"c":-3},"d":1e300,"e":9007199254740993}"#
    let free = try JSONDecoder().decode(FreeOptions.self, from: Data(text.utf8))
    let again = try JSONDecoder().decode(FreeOptions.self, from: JSONEncoder().encode(free))
    #expect(again == free)
    #expect(free.entries["b"] == Setting(.map([.init(key: "c", line: 0, setting: Setting(.integer(-3)))])))
    #expect(free.entries["e"]?.value == .integer(9_007_199_254_740_993))
  }
}
