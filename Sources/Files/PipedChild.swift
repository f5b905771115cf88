import Foundation
import Synchronization

/// A child and the pipes to its standard input and output, used from one thread. Its standard error goes to a file: a chatty
/// child cannot block, and its last words can be reported.
package final class PipedChild {
  package let process: ChildProcess
  /// The file of its standard error.
  package let log: String
  private var input: Int32
  private let output: Int32

  /// One child is started at a time: one that inherited another's pipe would keep it open for ever.
  private static let starting = Mutex(())
  /// What a pipe holds where the system allows it, in bytes: a message is then written at once.
  private static let pipeSize: Int32 = 1 << 20
  /// F_SETPIPE_SZ, which the headers hide.
  private static let setPipeSize: Int32 = 1031

  /// - Parameters:
  ///   - environment: added to this process's.
  ///   - log: the file of its standard error, which is added to.
  /// - Throws: `ChildProcess.StartFailure`.
  package init(executable: String, arguments: [String], environment: [String: String] = [:], log: String) throws {
    self.log = log
    (process, input, output) = try PipedChild.starting.withLock { _ in
      var (requests, answers): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
      let errors = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
      defer { for descriptor in [requests[0], answers[1], errors] where descriptor >= 0 { close(descriptor) } }
      do {
        guard errors >= 0, pipe(&requests) == 0, pipe(&answers) == 0 else {
          throw ChildProcess.StartFailure(executable: executable, code: errno)
        }
        for descriptor in requests + answers {
          _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
          _ = fcntl(descriptor, PipedChild.setPipeSize, PipedChild.pipeSize)
        }
        let process = try ChildProcess(
          executable: executable, arguments: arguments, environment: environment, input: requests[0],
          output: answers[1], errors: errors)
        return (process, requests[1], answers[0])
      } catch {
        for descriptor in [requests[1], answers[0]] where descriptor >= 0 { close(descriptor) }
        unlink(log)
        throw error
      }
    }
    // A child that does not read must not hold up who writes to it.
    _ = fcntl(input, F_SETFL, O_NONBLOCK)
  }

  deinit {
    closeInput()
    close(output)
    process.kill()
  }

  /// - Throws: `ChildSilence`, or `ChildGone` when it has closed its input.
  package func send(_ bytes: [UInt8], _ patience: inout Patience) throws {
    var sent = 0
    while sent < bytes.count {
      try patience.wait(for: POLLOUT, of: input)
      let (count, code) = bytes.withUnsafeBytes { PipedChild.write($0[sent...], to: input) }
      if count < 0, code == EINTR || code == EAGAIN { continue }
      guard count >= 0 else { throw ChildGone() }
      sent += count
    }
  }

  /// Writes, and gets an error when nobody reads: not the signal that would end a process which does not expect it.
  private static func write(_ bytes: Slice<UnsafeRawBufferPointer>, to descriptor: Int32) -> (count: Int, code: Int32) {
    var (pipe, old) = (sigset_t(), sigset_t())
    sigemptyset(&pipe)
    sigaddset(&pipe, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &pipe, &old)
    defer { pthread_sigmask(SIG_SETMASK, &old, nil) }
    let bytes = UnsafeRawBufferPointer(rebasing: bytes)
    let count = Foundation.write(descriptor, bytes.baseAddress, bytes.count)
    let code = errno
    var now = timespec()
    if count < 0, code == EPIPE { sigtimedwait(&pipe, nil, &now) }
    return (count, code)
  }

  /// Waits for what it says next and puts as much of it into `target` as there is.
  /// - Returns: bytes; never 0.
  /// - Throws: `ChildSilence`, or `ChildGone` at the end of its output.
  package func receive(into target: UnsafeMutableRawBufferPointer, _ patience: inout Patience) throws -> Int {
    while true {
      try patience.wait(for: POLLIN, of: output)
      let count = read(output, target.baseAddress, target.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw ChildGone() }
      return count
    }
  }

  /// Whether it has said something that nobody has read.
  package var hasMore: Bool {
    var polled = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
    return poll(&polled, 1, 0) > 0 && Int32(polled.revents) & POLLIN != 0
  }

  /// The last line of its standard error; nil when there is none.
  package var lastWords: String? {
    guard let file = FileHandle(forReadingAtPath: log) else { return nil }
    defer { try? file.close() }
    let size = (try? file.seekToEnd()) ?? 0
    try? file.seek(toOffset: size - min(size, 4096))
    let end = String(decoding: (try? file.readToEnd()) ?? Data(), as: UTF8.self)
    return end.split(whereSeparator: \.isNewline).last { !$0.allSatisfy(\.isWhitespace) }.map { String($0.prefix(300)) }
  }

  /// Closes its input, on which it should leave; if it has not after so many seconds it is ended.
  @discardableResult
  package func end(grace: Double) -> ChildProcess.Ending {
    closeInput()
    return process.wait(seconds: grace) ?? process.kill()
  }

  func closeInput() {
    if input >= 0 { close(input) }
    input = -1
  }
}

/// A child that has closed its end of a pipe.
package struct ChildGone: Error {
  package init() {}
}

/// A child that has said nothing for so long.
package struct ChildSilence: Error, CustomStringConvertible {
  package var seconds: Double
  package var description: String {
    "gave no answer within \(seconds == seconds.rounded() ? String(format: "%.0f s", seconds) : "\(seconds) s")"
  }
}

/// How much longer to wait for a child.
package struct Patience {
  private let all: Double
  private var left: Double
  private let meanwhile: () throws -> Void

  /// - Parameter meanwhile: called about twice a second while nothing comes.
  package init(seconds: Double, meanwhile: @escaping () throws -> Void = {}) {
    (all, left, self.meanwhile) = (seconds, seconds, meanwhile)
  }

  /// Starts over: there was a sign of life.
  package mutating func renew() { left = all }

  /// - Throws: `ChildSilence` when patience is at its end.
  package func check() throws {
    guard left > 0 else { throw ChildSilence(seconds: all) }
  }

  /// Returns when the descriptor is ready, or closed at the other end.
  /// - Throws: `ChildSilence` when patience is at its end, and what `meanwhile` throws.
  fileprivate mutating func wait(for events: Int32, of descriptor: Int32) throws {
    while true {
      var polled = pollfd(fd: descriptor, events: Int16(events), revents: 0)
      let slice = min(max(left, 0), 0.5)
      let start = ContinuousClock.now
      let count = poll(&polled, 1, Int32((slice * 1000).rounded(.up)))
      // A machine that slept, or a queue that stopped parent and children together, was no waiting.
      left -= min((ContinuousClock.now - start) / .seconds(1), 2 * slice)
      if count > 0 { return }
      try meanwhile()
      try check()
    }
  }
}
