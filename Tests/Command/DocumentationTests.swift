import Foundation
import Testing

@Suite struct DocumentationTests {
  /// Of all that the library makes public; the script names what has none.
  @Test func whatIsPublicIsDocumented() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    let build = (CommandRunner.executable as NSString).deletingLastPathComponent
    let found = try runner.run(
      "python3", CommandRunner.root + "/Tests/undocumented", build, executable: "/usr/bin/env")
    #expect(found.status == 0 && found.output == "0\n", "\(found.output.suffix(2000)) \(found.errors.suffix(1000))")
  }
}
