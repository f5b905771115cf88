import Imitation
import Testing

/// A small tree with line numbers, as the YAML reader makes them.
private func map(_ entries: (String, Int, Setting)...) -> Setting {
  Setting(.map(entries.map { Setting.Entry(key: $0.0, line: $0.1, setting: $0.2) }), line: entries.first?.1 ?? 1)
}
private func text(_ value: String, _ line: Int) -> Setting { Setting(.text(value), line: line) }
private func integer(_ value: Int, _ line: Int) -> Setting { Setting(.integer(value), line: line) }

@Suite struct SettingDecoderTests {
  struct Inner: Decodable, Equatable {
    var size: Int
    var rate: Double?
  }
  struct Record: Decodable, Equatable {
    var name: String
    var inner: Inner
    var list: [Int]?
  }

  let decoder = SettingDecoder()

  @Test func decodesNestedRecords() throws {
    let setting = map(
      ("name", 1, text("a", 1)), ("inner", 2, map(("size", 3, integer(4, 3)), ("rate", 4, integer(2, 4)))),
      ("list", 5, Setting(.list([integer(1, 5), integer(2, 5)]), line: 5)))
    #expect(
      try decoder.decode(Record.self, from: setting)
        == Record(name: "a", inner: Inner(size: 4, rate: 2), list: [1, 2]))
  }

  @Test func refusesAnUnknownKeyWithItsLineAndTheAllowedOnes() {
    let setting = map(
      ("name", 1, text("a", 1)), ("inner", 2, map(("size", 3, integer(4, 3)), ("sizes", 4, integer(4, 4)))))
    #expect(throws: SettingError.unknownKey(path: "inner.sizes", line: 4, allowed: ["rate", "size"])) {
      try decoder.decode(Record.self, from: setting)
    }
  }

  @Test func namesTheMisspeltKeyRatherThanTheMissingOne() {
    let setting = map(("nmae", 7, text("a", 7)), ("inner", 8, map(("size", 9, integer(4, 9)))))
    #expect {
      try decoder.decode(Record.self, from: setting)
    } throws: { error in
      guard case .unknownKey(let path, let line, let allowed) = error as? SettingError else { return false }
      return path == "nmae" && line == 7 && allowed.contains("name")
    }
  }

  @Test func namesTheMissingKey() {
    let setting = map(("name", 1, text("a", 1)), ("inner", 2, map(("rate", 3, integer(1, 3)))))
    #expect(throws: SettingError.missingKey(path: "inner.size", line: 3)) {
      try decoder.decode(Record.self, from: setting)
    }
  }

  @Test func refusesAWrongTypeWithItsLine() {
    let setting = map(("name", 1, text("a", 1)), ("inner", 2, map(("size", 3, text("big", 3)))))
    #expect(
      throws: SettingError.wrongType(
        path: "inner.size", line: 3, wanted: "a whole number", found: "the text \"big\"")
    ) { try decoder.decode(Record.self, from: setting) }
  }

  @Test func keepsAChoiceUndecoded() throws {
    let setting = map(("kind", 1, text("resnet18", 1)), ("crop", 2, integer(116, 2)))
    let choice = try decoder.decode(Choice.self, from: setting)
    #expect(choice.kind == "resnet18")
    #expect(choice.options["crop"] == integer(116, 2))
    #expect(choice.options["kind"] == nil)
  }
}
