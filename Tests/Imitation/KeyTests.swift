import Imitation
import Testing

/// Options declared with `@Key`: what one walk decodes, refuses, describes and writes.
@Suite struct KeyTests {
  enum Shape: String, CaseIterable, SettingValue { case round, square, flat }

  struct Inner: PluginOptions {
    @Key("How large.", 1...8) var size: Int
    @Key("How fast.", .above(0)) var rate: Double?
  }

  struct Shared: PluginOptions {
    @Key("Blocks.", 1...) var layers = 2
    func validate() throws { try $layers.refuse(unless: layers != 13, "must not be 13") }
  }

  struct Options: PluginOptions {
    @Key("The name.") var name: String
    @Key("A group.") var inner = Inner { $0.size = 3 }
    @Key("Width of everything.", 4...4096) var tokenWidth = 256
    @Key("Heads.", 1...16, name: "head_count") var heads = 8
    @Key("Dropout.", 0..<1) var dropout: Float = 0.1
    @Key("The shape.") var shape = Shape.round
    @Key("Counts.") var counts: [Int] = [1, 2]
    @Key("Names of things.") var names: [String: Double] = [:]
    @Key("Another encoder.", PluginKind.encoder) var join: Choice?
    @Key("A note.") var note: String?
    var shared = Shared()

    func validate() throws {
      try $heads.refuse(unless: tokenWidth % heads == 0, "must divide the width (\(tokenWidth))")
    }
  }

  func entry(_ key: String, _ line: Int, _ value: Setting.Value) -> Setting.Entry {
    .init(key: key, line: line, setting: Setting(value, line: line))
  }

  func read(_ entries: Setting.Entry...) throws -> Options {
    try Options(Setting(.map(entries), line: 1), path: "encoder")
  }

  func refusal(_ entries: Setting.Entry...) -> String {
    do {
      _ = try Options(Setting(.map(entries), line: 1), path: "encoder")
      return "accepted"
    } catch { return "\(error)" }
  }

  var name: Setting.Entry { entry("name", 2, .text("a")) }

  @Test func readsWhatIsGivenAndKeepsDefaults() throws {
    let options = try read(
      name, entry("inner", 3, .map([entry("size", 4, .integer(5)), entry("rate", 5, .integer(2))])),
      entry("token_width", 6, .integer(64)), entry("head_count", 7, .integer(4)), entry("layers", 8, .integer(5)),
      entry("dropout", 9, .null), entry("shape", 10, .text("flat")),
      entry("counts", 11, .list([Setting(.integer(7), line: 11)])),
      entry("names", 12, .map([entry("b", 12, .number(0.5))])),
      entry("join", 13, .map([entry("kind", 13, .text("small")), entry("crop", 14, .integer(76))])))
    #expect(options.name == "a" && options.inner.size == 5 && options.inner.rate == 2 && options.tokenWidth == 64)
    #expect(options.heads == 4 && options.shared.layers == 5 && options.dropout == 0.1 && options.shape == .flat)
    #expect(options.counts == [7] && options.names == ["b": 0.5])
    #expect(options.join?.kind == "small" && options.join?.options["crop"]?.value == .integer(76))
    let plain = try read(name)
    #expect(
      plain.inner.size == 3 && plain.inner.rate == nil && plain.tokenWidth == 256 && plain.join == nil
        && plain.note == nil)
  }

  @Test func refusesInOneLineThatSaysWhere() {
    #expect(
      refusal(name, entry("layer", 9, .integer(3)))
        == "line 9: unknown key 'encoder.layer'; allowed here: counts, dropout, head_count, inner, join, layers, name, "
        + "names, note, shape, token_width")
    // A misspelt key is named rather than the one that is missing for it.
    #expect(refusal(entry("nmae", 3, .text("a"))).contains("unknown key 'encoder.nmae'"))
    #expect(refusal() == "line 1: 'encoder.name' is missing")
    #expect(
      refusal(name, entry("inner", 3, .map([entry("rate", 4, .integer(1))])))
        == "line 3: 'encoder.inner.size' is missing")
    #expect(
      refusal(name, entry("inner", 3, .map([entry("size", 4, .text("big"))])))
        == "line 4: 'encoder.inner.size' must be a whole number, not the text \"big\"")
    #expect(
      refusal(name, entry("token_width", 4, .integer(2))) == "line 4: 'encoder.token_width': must be from 4 to 4096")
    #expect(refusal(name, entry("dropout", 4, .integer(1))) == "line 4: 'encoder.dropout': must be from 0 to below 1")
    #expect(refusal(name, entry("layers", 4, .integer(0))) == "line 4: 'encoder.layers': must be 1 or more")
    #expect(refusal(name, entry("layers", 4, .integer(13))) == "line 4: 'encoder.layers': must not be 13")
    #expect(
      refusal(name, entry("inner", 3, .map([entry("size", 4, .integer(1)), entry("rate", 5, .number(.infinity))])))
        == "line 5: 'encoder.inner.rate': must be above 0")
    #expect(
      refusal(name, entry("shape", 4, .text("oval")))
        == "line 4: 'encoder.shape' must be round, square or flat, not the text \"oval\"")
    #expect(
      refusal(name, entry("counts", 4, .list([Setting(.integer(1), line: 4), Setting(.bool(true), line: 5)])))
        == "line 5: 'encoder.counts[1]' must be a whole number, not true or false")
    #expect(
      refusal(name, entry("head_count", 4, .integer(3))) == "line 4: 'encoder.head_count': must divide the width (256)")
    // The line of what was given, or of the group where nothing was.
    #expect(
      refusal(name, entry("token_width", 4, .integer(12))) == "line 1: 'encoder.head_count': must divide the width (12)"
    )
    #expect(refusal(name, entry("join", 4, .text("small"))).contains("'encoder.join': needs `kind: NAME`"))
    #expect(
      refusal(name, entry("inner", 4, .integer(1)))
        == "line 4: 'encoder.inner' must be a group of keys, not a whole number")
  }

  /// Decoding fills a fresh instance; from then on options are values like any other.
  @Test func copiesStayApart() throws {
    let first = try read(name)
    var second = first
    second.tokenWidth = 512
    second.inner.size = 7
    #expect(first.tokenWidth == 256 && first.inner.size == 3 && second.tokenWidth == 512 && second.inner.size == 7)
    var one = Options { $0.name = "one" }
    let two = one
    one.heads = 16
    #expect(two.heads == 8 && Options().heads == 8)
    #expect(throws: SettingError.self) { try Options { ($0.name, $0.heads) = ("a", 7) }.check() }
  }

  @Test func writesWhatWasGivenAndWhatIsNotTheDefault() throws {
    let given = Setting(
      .map([name, entry("token_width", 3, .integer(256)), entry("inner", 4, .map([entry("size", 5, .integer(3))]))]),
      line: 1)
    var options = try Options(given, path: "encoder")
    #expect(options.setting.json == given.json)
    options.dropout = 0.3
    options.shape = .square
    options.join = Choice(kind: "small")
    #expect(
      options.setting.json
        == #"{"dropout":0.3,"inner":{"size":3},"join":{"kind":"small"},"name":"a","shape":"square","token_width":256}"#)
    let again = try Options(options.setting)
    #expect(again.dropout == 0.3 && again.shape == .square && again.join == options.join && again.name == "a")
  }

  @Test func describesEveryKey() throws {
    let keys = Dictionary(uniqueKeysWithValues: Options.settingKeys.map { ($0.name, $0) })
    #expect(keys.count == 11)
    #expect(keys["name"]?.fallback == nil && keys["name"]?.type == "text" && keys["name"]?.help == "The name.")
    #expect(keys["token_width"]?.fallback == "256" && keys["token_width"]?.limits == "from 4 to 4096")
    #expect(keys["dropout"]?.fallback == "0.1" && keys["shape"]?.type == "round, square or flat")
    #expect(keys["inner"]?.keys.map(\.name) == ["size", "rate"] && keys["join"]?.type == "{kind: encoder}")
    #expect(keys["layers"]?.limits == "1 or more" && keys["join"]?.fallback == "none")
    #expect(keys["note"]?.fallback == "none" && keys["names"]?.fallback == "{}")
  }
}
