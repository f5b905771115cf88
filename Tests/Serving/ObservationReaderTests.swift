import Foundation
import Imitation
import Media
import Serving
import Testing

@Suite struct ObservationReaderTests {
  let schema = ObservationSchema(images: ["top": .init(height: 2, width: 3)], vectors: ["state": 3, "grip": 1])
  let pixels = (0..<18).map { UInt8($0) }

  func image(_ shape: [Int] = [2, 3, 3], _ type: String = "|u1", _ bytes: [UInt8]? = nil) -> MessagePack {
    let bytes = bytes ?? (0..<shape.reduce(1, *)).map { UInt8(truncatingIfNeeded: $0) }
    return MessagePack(NumericArray(type: type, shape: shape, data: bytes[...]))
  }

  func floats(_ values: [Float], _ shape: [Int]? = nil) -> MessagePack {
    let data = values.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian) { Array($0) } }
    return MessagePack(NumericArray(type: "<f4", shape: shape ?? [values.count], data: data[...]))
  }

  func read(_ message: MessagePack, steps: Int = 1, _ names: ObservationNames = .init()) throws -> ActionRequest {
    try ObservationReader(schema: schema, steps: steps, names: names).request(message.encoded[...])
  }

  /// An observation with some of its values replaced, and one left out.
  func message(_ changes: KeyValuePairs<String, MessagePack> = [:], without key: String? = nil) -> MessagePack {
    var values: [(String, MessagePack)] = [
      ("top", image()), ("state", floats([1, 2, 3])), ("grip", floats([4])), ("prompt", .text("go")),
    ]
    for (key, value) in changes {
      values.removeAll { $0.0 == key }
      values.append((key, value))
    }
    values.removeAll { $0.0 == key }
    return .map(values.map { .init(key: .text($0.0), value: $0.1) })
  }

  func problem(_ message: MessagePack) -> String {
    do { _ = try read(message) } catch { return "\(error)" }
    return ""
  }

  var expected: Observation {
    Observation(
      images: ["top": Image(width: 3, height: 2, pixels: pixels)], vectors: ["state": [1, 2, 3], "grip": [4]],
      instruction: "go")
  }

  @Test func readsAnObservation() throws {
    #expect(try read(message()) == ActionRequest(frames: [expected]))
    // Other keys are of no interest, whatever they hold.
    let more = message(["other": image([1, 2], "<U4", [1]), "when": .number(3), "deep": .map(["a": .list([.null])])])
    #expect(try read(more) == ActionRequest(frames: [expected]))
    var silent = expected
    silent.instruction = ""
    #expect(try read(message(without: "prompt")) == ActionRequest(frames: [silent]))
  }

  @Test func numbersComeInManyForms() throws {
    let forms: [MessagePack] = [
      .list([.integer(1), .number(2), .integer(3)]), image([3], "|i1", [1, 2, 3]),
      image([3], "<u2", [1, 0, 2, 0, 3, 0]),
      floats([1, 2, 3], [1, 3]),
    ]
    for form in forms { #expect(try read(message(["state": form])) == ActionRequest(frames: [expected])) }
    let scalars: [MessagePack] = [
      .integer(4), .number(4), floats([4], []),
      .map(["__npgeneric__": .bool(true), "data": .number(4), "dtype": .text("<f4")]),
    ]
    for form in scalars { #expect(try read(message(["grip": form])) == ActionRequest(frames: [expected])) }
  }

  @Test func episodesBeginWhenTheyAreToldTo() throws {
    #expect(try read(message(["reset": .bool(true)])) == ActionRequest(frames: [expected], begins: true))
    #expect(
      try read(message(["reset": .bool(true), "seed": .unsigned(.max)]))
        == ActionRequest(frames: [expected], begins: true, seed: .max))
    let numpy = MessagePack.map(["__npgeneric__": .bool(true), "data": .bool(true), "dtype": .text("|b1")])
    #expect(try read(message(["reset": numpy, "seed": .null])).begins)
    #expect(problem(message(["reset": .integer(1)])) == "'reset' is an int, the policy needs a bool")
    #expect(problem(message(["seed": .integer(-1)])).contains("an int of 0 or more"))
    #expect(problem(message(["seed": .integer(4)])).hasPrefix("'seed' goes with 'reset'"))
  }

  /// The frames since the last request have one more axis; those before the policy's first are not looked at.
  @Test func severalFramesComeAtOnce() throws {
    let several = message([
      "top": image([3, 2, 3, 3]), "state": floats((0..<9).map(Float.init), [3, 3]), "grip": floats([7, 8, 9], [3, 1]),
    ])
    let frames = try read(several, steps: 5).frames
    #expect(frames.map(\.vectors["grip"]) == [[7], [8], [9]] && frames.map(\.vectors["state"]![0]) == [0, 3, 6])
    #expect(frames.map(\.images["top"]!.pixels[0]) == [0, 18, 36] && frames.allSatisfy { $0.instruction == "go" })
    #expect(try read(several, steps: 2).frames == Array(frames.suffix(2)))
    do {
      _ = try read(message(["top": image([3, 2, 3, 3])]), steps: 5)
      Issue.record("one key has three frames, the others one")
    } catch let error as ObservationProblem {
      guard case .frames = error else { throw error }
    }
    // They are counted before those that the policy does not look at are left out.
    // Which of them is "the others" is the order of a dictionary's.
    let five = problem(message(["state": floats((0..<15).map(Float.init), [5, 3])]))
    #expect(five.contains("5") && five.contains("frames, the others have"), "\(five)")
    let seven = problem(message(["top": image([7, 2, 3, 3])]))
    #expect(seven.contains("7") && seven.contains("frames, the others have"), "\(seven)")
  }

  /// Pixels that are the right size and the wrong picture.
  @Test func turnedAndGrayImagesAreRefused() throws {
    let upright = try Image(width: 3, height: 2, pixels: pixels).jpeg(quality: 90)
    #expect(JPEGHeader(upright).components == 3 && JPEGHeader(upright).orientation == 1)
    // EXIF in both byte orders, with the tag 0x0112.
    for (orientation, tiff) in [
      (3, [0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 3, 0, 0, 0]),
      (6, [0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0]),
      (1, [0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 1, 0, 0, 0]),
    ] as [(Int, [UInt8])] {
      let exif: [UInt8] = Array("Exif".utf8) + [0, 0] + tiff
      let file = upright[..<2] + [0xff, 0xe1, 0, UInt8(exif.count + 2)] + exif + upright[2...]
      #expect(JPEGHeader(Array(file)).orientation == orientation)
      let complaint = problem(message(["top": .bytes(file[...])]))
      #expect(
        orientation == 1 ? complaint.isEmpty : complaint.contains("(orientation \(orientation)); send it upright"))
    }
    // By Pillow: 3x2, mode L.
    let gray = """
      /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19iZ2hnPk1xeX\
      BkeFxlZ2P/wAALCAACAAMBAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIh\
      MUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhI\
      WGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEBAAA/AMyv\
      /9k=
      """
    let file = [UInt8](try #require(Data(base64Encoded: gray)))
    #expect(
      problem(message(["top": .bytes(file[...])]))
        == "'top' is a JPEG image of 1 colors, the policy needs one of 3 colors")
    // What is cut anywhere is read without a trap.
    for count in 0..<upright.count { _ = JPEGHeader(Array(upright[..<count])) }
  }

  @Test func imagesMayBeJPEG() throws {
    let drawn = Image(width: 3, height: 2, pixels: pixels)
    let file = try drawn.jpeg(quality: 90)
    let decoded = try Image(jpeg: file)
    let forms: [MessagePack] = [
      .bytes(file[...]), image([file.count], "|u1", file), image([file.count, 1], "|u1", file),
      .list([.bytes(file[...])]),
    ]
    for form in forms { #expect(try read(message(["top": form])).frames[0].images["top"] == decoded) }
    let other = try Image(width: 4, height: 2).jpeg()
    #expect(
      problem(message(["top": .bytes(other[...])]))
        == "'top' is a JPEG image of [2, 4, 3], the policy needs [2, 3, 3]")
    #expect(problem(message(["top": .bytes(file[..<40])])).hasPrefix("'top': not a JPEG image that can be read"))
    #expect(problem(message(["top": .bytes([1, 2, 3])])).hasPrefix("'top': not a JPEG image that can be read"))
  }

  /// What a client says and what the policy needs are both in the answer.
  @Test func whatDoesNotFitIsNamedOnBothSides() {
    let cases: [(KeyValuePairs<String, MessagePack>, String)] = [
      (["top": image([3, 2, 3])], "'top' is uint8 [3, 2, 3], the policy needs uint8 [2, 3, 3] or a JPEG image"),
      (
        ["top": image([2, 3, 3], "<f4", [])],
        "'top' is float32 [2, 3, 3], the policy needs uint8 [2, 3, 3] or a JPEG image"
      ),
      (["top": .text("x")], "'top' is a str, the policy needs uint8 [2, 3, 3] or a JPEG image"),
      (["state": floats([1, 2])], "'state' is float32 [2], the policy needs numbers [3]"),
      (["state": floats([1, 2, 3], [3, 1])], "'state' is float32 [3, 1], the policy needs numbers [3]"),
      (["state": image([3], "|b1")], "'state' is bool [3], the policy needs numbers [3]"),
      (["state": .list([.text("a")])], "'state' is a list of 1, the policy needs numbers [3]"),
      (["state": floats([1, .nan, 3])], "'state' holds a value that is not a number"),
      (["state": .list([.number(1), .number(1e300), .number(0)])], "'state' holds a value that is not a number"),
      (["grip": floats([])], "'grip' is float32 [0], the policy needs numbers [1]"),
      (["prompt": .integer(3)], "'prompt' is an int, the policy needs a str"),
    ]
    for (changes, expected) in cases { #expect(problem(message(changes)) == expected) }
    #expect(
      problem(message(without: "top"))
        == "the policy needs 'top' (uint8 [2, 3, 3] or a JPEG image), the observation has: grip, prompt, state")
    #expect(problem(.list([])) == "an observation is a dict, this is a list of 0")
    #expect(problem(image([2])) == "an observation is a dict, this is uint8 [2]")
    #expect(problem(.map([.init(key: .integer(1), value: .null)])) == "'a key' is an int, the policy needs a str")
    let twice = MessagePack.map([
      .init(key: .text("a/b"), value: .null), .init(key: .text("a"), value: .map(["b": .integer(1)])),
    ])
    #expect(problem(twice) == "the observation has 'a/b' twice")
    // Data of another length than its shape.
    #expect(problem(message(["top": image([2, 3, 3], "|u1", [1, 2])])).hasPrefix("'top' is uint8 [2, 3, 3]"))
  }

  @Test func namesAreMapped() throws {
    func names(_ json: String) throws -> ObservationNames { try ObservationNames(Setting(json: json), schema: schema) }
    let theirs = MessagePack.map([
      "observation": .map(["image": image(), "state": .list((0..<6).map { .integer($0) })]), "task": .text("go"),
    ])
    let mapped = try names(
      """
      {"top": "observation/image", "state": "observation/state[1:4]", "grip": "observation/state[4:5]", "prompt": "task"}
      """)
    #expect(try read(theirs, mapped) == ActionRequest(frames: [expected]))
    let beyond = try names(
      "{\"top\": \"observation/image\", \"state\": \"observation/state[4:7]\", \"grip\": \"observation/state[0:1]\"}")
    #expect(
      throws: ObservationProblem.differs("observation/state", wants: "numbers [3] at [4:7]", found: "a list of 6")
    ) { try read(theirs, beyond) }
    #expect(throws: ObservationProblem.self) { try read(theirs) }
    func error(_ json: String) -> String {
      do { _ = try names(json) } catch { return "\(error)" }
      return ""
    }
    #expect(error("{\"tip\": \"a\"}") == "line 1: unknown key 'tip'; allowed here: top, grip, state, prompt")
    #expect(error("{\"state\": \"a[0:2]\"}") == "line 1: 'state': a[0:2] is 2 wide, the policy's is 3")
    #expect(
      error("{\"top\": \"a[0:2]\"}") == "line 1: 'top': only a part of numbers can be named, not of an image or a text")
    #expect(error("[1]").contains("must be a group of keys"))
    // A part that is none, and two of the policy's names for one of the client's.
    #expect(error("{\"state\": \"a[0:x]\"}").contains("names no part; a part is KEY[FIRST:END]"))
    #expect(error("{\"state\": \"grip\"}") == "line 1: 'state': 'grip' is 'grip' already")
    #expect(error("{\"state\": \"a[0:3]\", \"grip\": \"a[2:3]\"}").isEmpty)
  }
}
