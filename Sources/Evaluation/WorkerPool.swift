import Foundation
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

/// Runs jobs in child processes of one executable: a simulator that crashes or hangs takes one job with it, not the run. A
/// job whose child died, or was ended because it hung, is given to two more before it counts as failed.
///
/// Requests and responses are JSON, one a line, over the children's standard streams. Results come back in the order of
/// the requests, so that nothing depends on which worker was faster.
package struct WorkerPool: Sendable {
  package var executable: String
  package var arguments: [String]
  /// Added to this process's environment.
  package var environment: [String: String]
  package var workers: Int
  /// After how many seconds without an answer or a sign of life a child is ended with everything it has started.
  package var deadline: Double
  /// How many children may die over one job before it has failed.
  package static let attempts = 3

  package init(
    executable: String, arguments: [String], environment: [String: String] = [:], workers: Int, deadline: Double
  ) {
    self.executable = executable
    self.arguments = arguments
    self.environment = environment
    self.workers = max(1, workers)
    self.deadline = deadline
  }

  /// - Parameters:
  ///   - finished: called as each job ends, one at a time, from any thread.
  ///   - shouldStop: asked before each job begins.
  package func run<Request: Codable & Sendable, Response: Codable & Sendable>(
    _ requests: [Request], responding: Response.Type, shouldStop: @escaping @Sendable () -> Bool = { false },
    finished: @escaping @Sendable (Int, WorkerOutcome<Response>) -> Void
  ) -> [WorkerOutcome<Response>] {
    let outcomes = Mutex([WorkerOutcome<Response>](repeating: .notStarted, count: requests.count))
    Turns.run(requests.count, threads: workers) { _, next in
      var child: WorkerProcess?
      while !shouldStop(), let index = next() {
        var outcome = WorkerOutcome<Response>.notStarted
        // A child that dies may have been killed for nothing of its own: another gets the job before it counts as failed.
        for attempt in 1...WorkerPool.attempts {
          do {
            let worker = try child ?? WorkerProcess(self)
            child = worker
            let line = try worker.exchange(JSONEncoder().encode(requests[index]), deadline: deadline)
            outcome = try WorkerReply<Response>.outcome(line)
            break
          } catch {
            outcome = child.map { .crashed($0.terminationMessage(error)) } ?? .failure("\(error)")
            child?.end()
            child = nil
            if shouldStop() && attempt < WorkerPool.attempts { outcome = .notStarted }
          }
          if shouldStop() { break }
        }
        outcomes.withLock { outcomes in
          outcomes[index] = outcome
          finished(index, outcome)
        }
      }
      child?.end()
    }
    return outcomes.withLock { $0 }
  }
}

/// One line of a worker: an answer, or why there is none.
struct WorkerReply<Response: Codable>: Codable {
  var response: Response?
  var error: String?

  static func outcome(_ line: Data) throws -> WorkerOutcome<Response> where Response: Sendable {
    guard let reply = try? JSONDecoder().decode(WorkerReply.self, from: line) else {
      throw WorkerFailure("answered something else than a result: \(String(decoding: line.prefix(200), as: UTF8.self))")
    }
    return reply.response.map { .success($0) } ?? .failure(reply.error ?? "no result")
  }
}

struct WorkerFailure: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}

/// The other end: what a child process runs.
package enum WorkerLoop {
  /// The line that says that an answer is still being worked on.
  static let signOfLife = Data("\"working\"".utf8)
  /// How often it is said at most, in seconds.
  private static let pulse = 0.25

  /// Answers requests from standard input until it closes. Standard output is kept for answers: what a library prints goes
  /// to standard error.
  ///
  /// - Parameter answer: is given what to call as often as it gets on, after each step for example: who is silent for too
  ///   long is taken for hanging.
  package static func run<Request: Codable, Response: Codable>(
    _ request: Request.Type, _ answer: (Request, _ progress: @escaping @Sendable () -> Void) throws -> Response
  ) {
    signal(SIGINT, SIG_IGN)  // the parent decides
    let out = FileHandle(fileDescriptor: dup(STDOUT_FILENO), closeOnDealloc: false)
    dup2(STDERR_FILENO, STDOUT_FILENO)
    let pace = Pace()
    let progress: @Sendable () -> Void = {
      if pace.isDue(every: .seconds(pulse)) { try? out.write(contentsOf: signOfLife + Data("\n".utf8)) }
    }
    while let line = readLine(strippingNewline: true) {
      let reply: WorkerReply<Response>
      do {
        reply = .init(response: try answer(JSONDecoder().decode(Request.self, from: Data(line.utf8)), progress))
      } catch {
        reply = .init(error: "\(error)")
      }
      guard let data = try? JSONEncoder().encode(reply), (try? out.write(contentsOf: data + Data("\n".utf8))) != nil
      else { return }
    }
  }
}

/// When something was done last.
private final class Pace: Sendable {
  private let last = Mutex(ContinuousClock.now)

  func isDue(every pause: Duration) -> Bool {
    last.withLock { last in
      guard ContinuousClock.now - last > pause else { return false }
      last = .now
      return true
    }
  }
}
