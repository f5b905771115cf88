import Foundation

extension PipedChild {
  /// Why there is no output of a program, in words that follow its name.
  package struct OutputFailure: Error, CustomStringConvertible {
    package let description: String
  }

  /// More is not waited for, in bytes.
  private static let longestOutput = 1 << 20
  /// How long it may take to end once it has said everything, in seconds.
  private static let grace = 5.0

  /// All that a program writes to its standard output, run with an empty standard input.
  ///
  /// - Parameter seconds: after so many it is ended with all it has started.
  /// - Throws: `OutputFailure` when it does not start, does not end, ends otherwise than with exit code 0 or says too much.
  package static func output(of executable: String, _ arguments: [String], seconds: Double) throws -> String {
    let child: PipedChild
    do {
      child = try PipedChild(
        executable: executable, arguments: arguments,
        log: NSTemporaryDirectory() + "/imitate-child-\(UUID().uuidString).log")
    } catch {
      throw OutputFailure(description: "\(error)")
    }
    defer { unlink(child.log) }
    child.closeInput()
    var (patience, output) = (Patience(seconds: seconds), [UInt8]())
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    do {
      while true {
        let count = try buffer.withUnsafeMutableBytes { try child.receive(into: $0, &patience) }
        output += buffer[..<count]
        try patience.check()
        guard output.count < longestOutput else { throw OutputFailure(description: "writes without an end") }
      }
    } catch let silence as ChildSilence {
      throw OutputFailure(description: "\(silence)")
    } catch is ChildGone {
      let ending = child.end(grace: grace)
      guard ending == .exit(0) else {
        throw OutputFailure(description: "ended (\(ending))" + (child.lastWords.map { ": \($0)" } ?? ""))
      }
    }
    return String(decoding: output, as: UTF8.self)
  }
}
