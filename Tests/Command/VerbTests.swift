import Foundation
import Testing

/// Verbs parse, call the library and print; work that is longer than this has a type of its own.
@Suite struct VerbTests {
  private static let limit = 60

  /// Lines within the functions of each verb, without blank ones and comments.
  private func logic() throws -> [String: Int] {
    let folder = URL(fileURLWithPath: CommandRunner.root + "/Sources/Commands")
    let files = try FileManager.default.subpathsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".swift") }
    let lines = try files.flatMap { file in
      try String(contentsOf: folder.appending(path: file), encoding: .utf8).split(
        separator: "\n", omittingEmptySubsequences: false)
    }
    var counts: [String: Int] = [:]
    for line in lines {
      if let verb = line.wholeMatch(of: /struct (\w+): (Verb|ParsableCommand) \{/) { counts["\(verb.1)"] = 0 }
    }
    var verb: String?
    var isInside = false
    for line in lines {
      if let start = line.prefixMatch(of: /(?:extension|struct) (\w+)\b.* \{$/) {
        verb = counts["\(start.1)"] == nil ? nil : "\(start.1)"
      } else if line == "}" {
        verb = nil
      }
      guard let verb else { continue }
      let text = line.drop { $0 == " " }
      if line == "  }" { isInside = false }
      if isInside, !text.isEmpty, !text.hasPrefix("//") { counts[verb]! += 1 }
      if line.hasPrefix("  "), !line.hasPrefix("   "), line.hasSuffix("{"), line.contains(/\b(func|var|init|get)\b/) {
        isInside = true
      }
    }
    return counts
  }

  @Test func verbsAreShort() throws {
    let counts = try logic()
    #expect(counts.count > 15)
    #expect(counts["Train"]! > 10 && counts["Evaluate"]! > 20, "\(counts)")
    for (verb, lines) in counts.sorted(by: { $0.key < $1.key }) {
      #expect(lines <= VerbTests.limit, "\(verb): \(lines) lines")
    }
  }
}
