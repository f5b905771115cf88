import Files
import Foundation

/// A child of a pool, which answers a line with a line.
final class WorkerProcess {
  private let child: PipedChild
  private var buffer = Data()

  /// How long a child may take to leave when its input is closed, in seconds.
  private static let grace = 10.0
  /// An answer is not longer, in bytes.
  private static let longestAnswer = 1 << 26

  init(_ pool: WorkerPool) throws {
    child = try PipedChild(
      executable: pool.executable, arguments: pool.arguments, environment: pool.environment,
      log: NSTemporaryDirectory() + "/imitate-worker-\(UUID().uuidString).log")
  }

  deinit { unlink(child.log) }

  /// - Parameter deadline: how many seconds the child may be silent.
  func exchange(_ request: Data, deadline: Double) throws -> Data {
    var patience = Patience(seconds: deadline)
    do {
      try child.send([UInt8](request + Data("\n".utf8)), &patience)
      var bytes = [UInt8](repeating: 0, count: 1 << 16)
      while true {
        while let end = buffer.firstIndex(of: 0x0a) {
          let line = Data(buffer[..<end])
          buffer = Data(buffer[(end + 1)...])
          guard line == WorkerLoop.signOfLife else { return line }
          patience.renew()
        }
        // What came in the meantime counts; a line without an end does not.
        if !buffer.isEmpty { try patience.check() }
        guard buffer.count < WorkerProcess.longestAnswer else { throw WorkerFailure("answered without an end") }
        let count = try bytes.withUnsafeMutableBytes { try child.receive(into: $0, &patience) }
        buffer.append(contentsOf: bytes[..<count])
      }
    } catch is ChildGone {
      throw WorkerFailure("left without a result")
    }
  }

  /// What went wrong, with how the child ended and its last line.
  func terminationMessage(_ error: any Error) -> String {
    // One that talks nonsense, or nothing, may not listen either.
    let how = child.process.ending ?? child.process.kill()
    return "worker \(error) (\(how))" + (child.lastWords.map { ": \($0)" } ?? "")
  }

  /// A worker leaves when its input closes; one that does not is ended.
  func end() { child.end(grace: WorkerProcess.grace) }
}
