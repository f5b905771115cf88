import Foundation
import Imitation
import Synchronization

/// What became of one job.
package enum WorkerOutcome<Response: Sendable>: Sendable {
  case success(Response)
  /// The worker said why it failed. The job is never dropped.
  case failure(String)
  /// One worker after the other crashed, left or answered nonsense over it.
  case crashed(String)
  /// The run was asked to stop before this job began.
  case notStarted
}

/// Runs jobs in child processes of one executable: a simulator that crashes takes one job with it, not the run. A job whose
/// child died is given to two more before it counts as failed.
///
/// Requests and responses are JSON, one a line, over the children's standard streams. Results come back in the order of
/// the requests, so that nothing depends on which worker was faster.
package struct WorkerPool: Sendable {
  package var executable: String
  package var arguments: [String]
  /// Added to this process's environment.
  package var environment: [String: String]
  package var workers: Int
  /// How many children may die over one job before it has failed.
  private static let attempts = 3

  package init(executable: String, arguments: [String], environment: [String: String] = [:], workers: Int) {
    self.executable = executable
    self.arguments = arguments
    self.environment = environment
    self.workers = max(1, workers)
  }

  /// - Parameters:
  ///   - finished: called as each job ends, one at a time, from any thread.
  ///   - shouldStop: asked before each job begins.
  package func run<Request: Codable & Sendable, Response: Codable & Sendable>(
    _ requests: [Request], responding: Response.Type, shouldStop: @escaping @Sendable () -> Bool = { false },
    finished: @escaping @Sendable (Int, WorkerOutcome<Response>) -> Void
  ) -> [WorkerOutcome<Response>] {
    let state = Mutex(
      (next: 0, outcomes: [WorkerOutcome<Response>](repeating: .notStarted, count: requests.count)))
    let group = DispatchGroup()
    for _ in 0..<min(workers, requests.count) {
      group.enter()
      // Threads, not tasks: each blocks on its child.
      Thread {
        var child: WorkerProcess?
        while !shouldStop() {
          let index = state.withLock { state -> Int? in
            guard state.next < requests.count else { return nil }
            defer { state.next += 1 }
            return state.next
          }
          guard let index else { break }
          var outcome = WorkerOutcome<Response>.notStarted
          // A child that dies may have been killed for nothing of its own: another gets the job before it counts as failed.
          for attempt in 1...WorkerPool.attempts {
            do {
              let worker = try child ?? WorkerProcess(self)
              child = worker
              let line = try worker.exchange(JSONEncoder().encode(requests[index]))
              outcome = try .init(WorkerReply<Response>(line: line))
              break
            } catch {
              outcome = child.map { .crashed($0.epitaph(error)) } ?? .failure("\(error)")
              child?.end()
              child = nil
              if shouldStop() && attempt < WorkerPool.attempts { outcome = .notStarted }
            }
            if shouldStop() { break }
          }
          state.withLock { state in
            state.outcomes[index] = outcome
            finished(index, outcome)
          }
        }
        child?.end()
        group.leave()
      }.start()
    }
    group.wait()
    return state.withLock { $0.outcomes }
  }
}

/// One line of a worker: an answer, or why there is none.
struct WorkerReply<Response: Codable>: Codable {
  var response: Response?
  var error: String?

  init(response: Response?, error: String?) {
    self.response = response
    self.error = error
  }

  init(line: Data) throws {
    guard let reply = try? JSONDecoder().decode(WorkerReply.self, from: line) else {
      throw WorkerFailure("answered something else than a result: \(String(decoding: line.prefix(200), as: UTF8.self))")
    }
    self = reply
  }
}

extension WorkerOutcome where Response: Codable {
  init(_ reply: WorkerReply<Response>) throws {
    if let response = reply.response {
      self = .success(response)
    } else {
      self = .failure(reply.error ?? "no result")
    }
  }
}

struct WorkerFailure: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}

/// A child and its pipes, used from one thread.
private final class WorkerProcess {
  private let process: Process
  private let input: Pipe
  private let output: Pipe
  private let errors: String
  private var buffer = Data()

  /// One child is started at a time: one that inherited another's pipe would keep it open for ever.
  private static let starting = Mutex(())

  init(_ pool: WorkerPool) throws {
    // Standard error goes to a file, so that a chatty child cannot block and its last words can be told.
    errors = NSTemporaryDirectory() + "/imitate-worker-\(UUID().uuidString).log"
    _ = FileManager.default.createFile(atPath: errors, contents: nil)
    let process = Process()
    self.process = process
    process.executableURL = URL(fileURLWithPath: pool.executable)
    process.arguments = pool.arguments
    process.environment = ProcessInfo.processInfo.environment.merging(pool.environment) { _, new in new }
    process.standardError = FileHandle(forWritingAtPath: errors)
    (input, output) = try WorkerProcess.starting.withLock { _ in
      let (input, output) = (Pipe(), Pipe())
      for end in [input.fileHandleForWriting, output.fileHandleForReading] {
        _ = fcntl(end.fileDescriptor, F_SETFD, FD_CLOEXEC)
      }
      process.standardInput = input
      process.standardOutput = output
      try process.run()
      return (input, output)
    }
  }

  func exchange(_ request: Data) throws -> Data {
    try input.fileHandleForWriting.write(contentsOf: request + Data("\n".utf8))
    while true {
      if let end = buffer.firstIndex(of: 0x0a) {
        defer { buffer = Data(buffer[(end + 1)...]) }
        return Data(buffer[..<end])
      }
      let more = output.fileHandleForReading.availableData
      guard !more.isEmpty else { throw WorkerFailure("left without a result") }
      buffer.append(more)
    }
  }

  /// What went wrong, with how the child ended and its last line.
  func epitaph(_ error: any Error) -> String {
    // One that talks nonsense may not listen either, and children inherit blocked signals.
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
    let how =
      process.terminationReason == .uncaughtSignal
      ? "signal \(process.terminationStatus)" : "exit code \(process.terminationStatus)"
    let words =
      (try? String(contentsOfFile: errors, encoding: .utf8))?
      .split(separator: "\n").last.map { ": \($0.prefix(300))" } ?? ""
    return "worker \(error) (\(how))\(words)"
  }

  /// A worker leaves when its input closes.
  func end() {
    try? input.fileHandleForWriting.close()
    process.waitUntilExit()
    try? FileManager.default.removeItem(atPath: errors)
  }
}

/// The other end: what a child process runs.
package enum WorkerLoop {
  /// Answers requests from standard input until it closes. Standard output is kept for answers: what a library prints goes
  /// to standard error.
  package static func run<Request: Codable, Response: Codable>(
    _ request: Request.Type, _ answer: (Request) throws -> Response
  ) {
    signal(SIGINT, SIG_IGN)  // Ctrl-C reaches the whole group; the parent decides
    let out = FileHandle(fileDescriptor: dup(STDOUT_FILENO), closeOnDealloc: false)
    dup2(STDERR_FILENO, STDOUT_FILENO)
    while let line = readLine(strippingNewline: true) {
      let reply: WorkerReply<Response>
      do {
        reply = .init(response: try answer(JSONDecoder().decode(Request.self, from: Data(line.utf8))), error: nil)
      } catch {
        reply = .init(response: nil, error: "\(error)")
      }
      guard let data = try? JSONEncoder().encode(reply), (try? out.write(contentsOf: data + Data("\n".utf8))) != nil
      else { return }
    }
  }
}
