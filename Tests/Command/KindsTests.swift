import Foundation
import Imitation
import ImitationKit
import Testing

/// `imitate kinds` lists every key, and the documentation says the same.
@Suite struct KindsTests {
  func output(_ arguments: String...) throws -> String {
    let runner = try CommandRunner()
    defer { runner.remove() }
    let result = try runner.run(["kinds"] + arguments)
    #expect(result.status == 0, "\(result.errors)")
    return result.output
  }

  @Test func listsKeysWithTypesDefaultsAndRanges() throws {
    let all = try output()
    for words in [
      "encoder small: ", "policy diffusion-unet: ", "lift splatter: ", "recipe policy-recipe: ",
      "training.learning_rate",
    ] { #expect(all.contains(words), "\(words)") }
    let one = try output("bc-transformer")
    let line = try #require(one.split(separator: "\n").first { $0.hasPrefix("heads") })
    #expect(line.contains("a whole number, from 1 to 256") && line.contains(" 8 ") && line.contains("divide the width"))
    #expect(!one.contains("encoder small"))
    #expect(try output("lift").contains("splatter"))
  }

  @Test func printsJSON() throws {
    let found = try JSONDecoder().decode([PluginDescription].self, from: Data(output("--json", "small").utf8))
    #expect(found.count == 1 && found[0].kind == "encoder")
    let crop = try #require(found[0].keys.first { $0.name == "crop" })
    #expect(crop.limits == "from 1 to 8192" && crop.fallback == "none")
  }

  @Test func saysWhatThereIs() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    let result = try runner.run("kinds", "smal")
    #expect(result.status != 0 && result.complaint.contains("'smal'") && result.complaint.contains("small"))
  }

  /// What a plug-in is when nothing is given passes its own limits; only required keys may be missing.
  @Test func defaultsAreWithinTheirLimits() throws {
    let catalog = Catalog.standard
    for plugin in catalog.descriptions {
      let kind = try #require(PluginKind(rawValue: plugin.kind))
      let needed = plugin.keys.filter { $0.fallback == nil }.map(\.name)
      do {
        try catalog.check(Choice(kind: plugin.name), as: kind, path: plugin.kind)
        #expect(needed.isEmpty)
      } catch SettingError.missingKey(let path, _) {
        #expect(needed.contains { path == "\(plugin.kind).\($0)" }, "\(path)")
      }
      #expect(needed.allSatisfy { ["world", "file", "cameras", "command", "id"].contains($0) }, "\(plugin.name)")
      #expect(plugin.help.hasSuffix(".") && plugin.keys.flatMap(\.flat).allSatisfy { $0.help.hasSuffix(".") })
    }
  }

  #if Kitchenette
    @Test func documentationSaysTheSame() throws {
      let page = try String(contentsOfFile: CommandRunner.root + "/docs/reference.md", encoding: .utf8)
      #expect(try output("--markdown") == page, "docs/reference.md is old: ./run docs writes it again")
    }
  #endif
}
