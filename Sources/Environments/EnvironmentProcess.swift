import Files
import Foundation

/// A running child and the conversation with it.
final class EnvironmentProcess {
  private let child: PipedChild
  private let options: ProcessOptions
  private var reader = WireReader()
  private var requests = 0
  private var lastMemoryCheck = ContinuousClock.now
  var log: String { child.log }

  /// How long it may take to leave when it is asked to, in seconds.
  private static let grace = 5.0
  /// How many times its deadline one answer may take, however often it says that it is working.
  private static let longestAnswer = 10.0

  /// What it does that ends the conversation, in words that follow "the process".
  struct Failure: Error {
    var reason: String
    init(_ reason: String) { self.reason = reason }
  }

  /// - Throws: `ChildProcess.StartFailure`.
  init(_ command: [String], _ options: ProcessOptions, log: String) throws {
    self.options = options
    child = try PipedChild(
      executable: command[0], arguments: Array(command.dropFirst()), environment: options.variables, log: log)
  }

  /// Asks and waits for the answer.
  /// - Parameter endingGently: whether a child that fails is asked to leave before it is ended.
  /// - Throws: `Failure`; the child has ended then.
  func answer(
    to request: WireRequest, _ arrays: [WireArray] = [], deadline: Double, endingGently: Bool = false
  ) throws -> WireMessage<WireAnswer> {
    func kill() {
      if endingGently {
        child.process.terminate()
        if child.process.wait(seconds: 1) != nil { return }
      }
      child.process.kill()
    }
    do {
      return try exchange(request, arrays, deadline: deadline)
    } catch let failure as Failure {
      kill()
      throw failure
    } catch let silence as ChildSilence {
      kill()
      throw Failure("\(silence)" + lastWords)
    } catch let error as WireError where error != .cut {
      kill()
      throw Failure("answered \(error)")
    } catch {
      // It has closed its output: most likely it is just ending.
      let how = child.process.wait(seconds: 1) ?? child.process.kill()
      throw Failure("ended (\(how))" + lastWords)
    }
  }

  private func exchange(
    _ request: WireRequest, _ arrays: [WireArray], deadline: Double
  ) throws -> WireMessage<WireAnswer> {
    try checkMemory()
    requests += 1
    var request = request
    request.id = requests
    let end = ContinuousClock.now + .seconds(deadline * EnvironmentProcess.longestAnswer)
    var patience = Patience(seconds: deadline) { [self] in
      ProcessEnvironment.listener?.isWaiting()
      try checkMemory()
    }
    guard !reader.hasMore, !child.hasMore else { throw Failure("answered twice") }
    try child.send(WireMessage(request, arrays).bytes(), &patience)
    while true {
      let found = try reader.next(WireAnswer.self) { try child.receive(into: $0, &patience) }
      guard let found else { throw ChildGone() }
      if found.header.working == true {
        patience.renew()
        ProcessEnvironment.listener?.isWaiting()
        guard ContinuousClock.now < end else {
          throw Failure("is working for \(Int(deadline * EnvironmentProcess.longestAnswer)) s without an answer")
        }
        continue
      }
      if let id = found.header.id, id != requests { throw Failure("answered another request") }
      guard !reader.hasMore else { throw Failure("answered twice") }
      return found
    }
  }

  private func checkMemory() throws {
    guard let limit = options.memoryGigabytes, ContinuousClock.now - lastMemoryCheck > .seconds(1) else { return }
    lastMemoryCheck = .now
    let held = Double(child.process.memory) / 1e9
    guard held <= limit else {
      throw Failure(String(format: "holds %.1f GB of memory, more than memory_gigabytes: %g", held, limit))
    }
  }

  private var lastWords: String { child.lastWords.map { ": \($0)" } ?? "" }

  /// Whether it has ended by itself.
  var hasEnded: Bool { child.process.ending != nil }

  /// Adds to its log.
  func note(_ text: String) {
    guard let file = FileHandle(forWritingAtPath: log) else { return }
    defer { try? file.close() }
    _ = try? file.seekToEnd()
    try? file.write(contentsOf: Data((text.hasSuffix("\n") ? text : text + "\n").utf8))
  }

  /// Ends it, politely first.
  func end() {
    if child.process.ending == nil, !child.hasMore {
      var patience = Patience(seconds: EnvironmentProcess.grace)
      if let bytes = try? WireMessage(WireRequest(.close)).bytes() { try? child.send(bytes, &patience) }
    }
    child.end(grace: EnvironmentProcess.grace)
  }
}
