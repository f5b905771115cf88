import Foundation
import Testing

/// Other people's files, whole and broken: each is read right, or refused with one line, by every command.
///
/// The cases are functions of `Tests/Cases`; `./run test` makes the virtual environment that writes them.
@Suite struct SweepTests {
  @Test func everyCaseIsReadRightOrRefusedWithOneLine() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    let result = try runner.run(
      CommandRunner.root + "/Tests/Cases/sweep.py", CommandRunner.executable, runner.folder + "/cases",
      executable: CommandRunner.root + "/.venv/bin/python")
    let lines = result.output.split(separator: "\n").map(String.init)
    let summary = try #require(lines.last, "\(result.errors)")
    for failure in lines.dropLast() { Issue.record(Comment(rawValue: failure)) }
    #expect(result.status == 0, "\(summary)\(result.errors)")
    // A sweep over nothing would pass too.
    #expect(Int(summary.prefix { $0.isNumber }) ?? 0 > 200, "\(summary)")
  }
}
