import Foundation
import Synchronization

/// A child and its pipes, used from one thread.
final class WorkerProcess {
  private let process: ChildProcess
  private let input: Int32
  private let output: Int32
  private let errors: String
  private var buffer = Data()

  /// One child is started at a time: one that inherited another's pipe would keep it open for ever.
  private static let starting = Mutex(())
  /// How long a child may take to leave when its input is closed, in seconds.
  private static let grace = 10.0
  /// An answer is not longer, in bytes.
  private static let longestAnswer = 1 << 26

  init(_ pool: WorkerPool) throws {
    // Standard error goes to a file, so that a chatty child cannot block and its last words can be reported.
    errors = NSTemporaryDirectory() + "/imitate-worker-\(UUID().uuidString).log"
    let errors = errors
    (process, input, output) = try WorkerProcess.starting.withLock { _ in
      func failure() -> WorkerFailure {
        WorkerFailure("\(pool.executable): not started: \(String(cString: strerror(errno)))")
      }
      var (requests, answers): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
      let log = open(errors, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
      defer { for descriptor in [requests[0], answers[1], log] where descriptor >= 0 { close(descriptor) } }
      do {
        guard log >= 0, pipe(&requests) == 0, pipe(&answers) == 0 else { throw failure() }
        for descriptor in requests + answers { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        let process = try ChildProcess(
          executable: pool.executable, arguments: pool.arguments, environment: pool.environment,
          input: requests[0], output: answers[1], errors: log)
        return (process, requests[1], answers[0])
      } catch {
        for descriptor in [requests[1], answers[0]] where descriptor >= 0 { close(descriptor) }
        unlink(errors)
        throw error
      }
    }
    // A child that does not read must not hold up who writes to it.
    _ = fcntl(input, F_SETFL, O_NONBLOCK)
  }

  /// - Parameter deadline: how many seconds the child may be silent.
  func exchange(_ request: Data, deadline: Double) throws -> Data {
    var patience = Patience(seconds: deadline)
    try send(request + Data("\n".utf8), &patience)
    while true {
      while let end = buffer.firstIndex(of: 0x0a) {
        let line = Data(buffer[..<end])
        buffer = Data(buffer[(end + 1)...])
        guard line == WorkerLoop.signOfLife else { return line }
        patience = Patience(seconds: deadline)
      }
      // What came in the meantime counts; a line without an end does not.
      if !buffer.isEmpty { try patience.check() }
      guard buffer.count < WorkerProcess.longestAnswer else { throw WorkerFailure("answered without an end") }
      try patience.wait(for: POLLIN, of: output)
      var bytes = [UInt8](repeating: 0, count: 1 << 16)
      let count = read(output, &bytes, bytes.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw WorkerFailure("left without a result") }
      buffer.append(contentsOf: bytes[..<count])
    }
  }

  private func send(_ data: Data, _ patience: inout Patience) throws {
    var left = data
    while !left.isEmpty {
      try patience.wait(for: POLLOUT, of: input)
      let count = left.withUnsafeBytes { write(input, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR || errno == EAGAIN { continue }
      guard count >= 0 else { throw WorkerFailure("left without a result") }
      left = left.dropFirst(count)
    }
  }

  /// What went wrong, with how the child ended and its last line.
  func terminationMessage(_ error: any Error) -> String {
    // One that talks nonsense, or nothing, may not listen either.
    let how = process.ending ?? process.kill()
    let words =
      (try? String(contentsOfFile: errors, encoding: .utf8))?
      .split(separator: "\n").last.map { ": \($0.prefix(300))" } ?? ""
    return "worker \(error) (\(how))\(words)"
  }

  /// A worker leaves when its input closes; one that does not is ended.
  func end() {
    close(input)
    if process.wait(seconds: WorkerProcess.grace) == nil { process.kill() }
    close(output)
    unlink(errors)
  }
}

/// How much longer to wait for a child.
private struct Patience {
  private let all: Double
  private var left: Double

  init(seconds: Double) { (all, left) = (seconds, seconds) }

  /// - Throws: `WorkerFailure` when patience is at its end.
  func check() throws {
    guard left > 0 else { throw WorkerFailure("gave no answer within \(WorkerPool.seconds(all))") }
  }

  /// Returns when the descriptor is ready, or closed at the other end.
  /// - Throws: `WorkerFailure` when patience is at its end.
  mutating func wait(for events: Int32, of descriptor: Int32) throws {
    while true {
      var polled = pollfd(fd: descriptor, events: Int16(events), revents: 0)
      let slice = min(max(left, 0), 0.5)
      let start = ContinuousClock.now
      let count = poll(&polled, 1, Int32(slice * 1000))
      // A machine that slept, or a queue that stopped parent and children together, was no waiting.
      left -= min((ContinuousClock.now - start) / .seconds(1), 2 * slice)
      if count > 0 { return }
      try check()
    }
  }
}
