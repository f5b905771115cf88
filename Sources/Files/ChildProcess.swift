import Foundation

/// A child in a process group of its own, so that it can be ended with everything it has started.
///
/// Foundation's `Process` waits until everyone has closed a descriptor that grandchildren inherit: one that is left behind
/// would hold up its caller for ever. What a child starts carries its mark in the environment, so that it is found whatever
/// group it has moved to and whoever its parent is by then. Used from one thread.
package final class ChildProcess {
  /// How a child ended.
  package enum Ending: Equatable, Sendable, CustomStringConvertible {
    case exit(Int32)
    case signal(Int32)

    package var description: String {
      switch self {
      case .exit(let code): "exit code \(code)"
      case .signal(let number): "signal \(number)"
      }
    }
  }

  /// A program that could not be started.
  package struct StartFailure: Error, CustomStringConvertible {
    var executable: String
    var code: Int32
    package var description: String { "\(executable): not started: \(String(cString: strerror(code)))" }
  }

  package let identifier: pid_t
  private let mark = UUID().uuidString
  /// Of this process: all that it starts carries it, too.
  private static let familyMark = UUID().uuidString
  private var known: Ending?

  /// The variables with the marks of a process and of those above it, and with the number of who started it.
  private static let markVariable = "IMITATE_CHILD"
  private static let parentVariable = "IMITATE_PARENT"

  /// - Parameters:
  ///   - executable: a path, or a name that is looked for as a shell does.
  ///   - environment: added to this process's.
  ///   - input: what becomes its standard input, and `output` and `errors` likewise; no other descriptor is inherited.
  package init(
    executable: String, arguments: [String], environment: [String: String], input: Int32, output: Int32, errors: Int32
  ) throws {
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    for (target, descriptor) in [input, output, errors].enumerated() {
      posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(target))
    }
    let opened = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
    for descriptor in opened.compactMap({ Int32($0) }) where descriptor > 2 {
      posix_spawn_file_actions_addclose(&actions, descriptor)
    }
    // A verb that ignores or blocks these for itself must not make its children deaf to them.
    var (none, usual) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    sigemptyset(&usual)
    for number in [SIGINT, SIGTERM] { sigaddset(&usual, number) }
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &usual)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    var words = ([executable] + arguments).map { strdup($0) } + [nil]
    var whole = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    whole[ChildProcess.markVariable] = [whole[ChildProcess.markVariable], ChildProcess.familyMark, mark]
      .compactMap(\.self).joined(separator: " ")
    whole[ChildProcess.parentVariable] = "\(getpid())"
    var variables = whole.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for text in words + variables { free(text) } }
    var child: pid_t = 0
    let code = posix_spawnp(&child, executable, &actions, &attributes, &words, &variables)
    guard code == 0 else { throw StartFailure(executable: executable, code: code) }
    identifier = child
  }

  /// Ends all that this process has started and what that has started, for one that leaves at once: after a second to end well,
  /// since a robot then has to hold.
  package static func endEverything() {
    for process in found(marked: familyMark) { Foundation.kill(process, SIGTERM) }
    for _ in 0..<10 where !found(marked: familyMark).isEmpty { usleep(100_000) }
    killAll(marked: familyMark)
  }

  private static func found(marked mark: String) -> [pid_t] {
    processes.filter { process in
      process != getpid()
        && (FileManager.default.contents(atPath: "/proc/\(process)/environ")?.range(of: Data(mark.utf8))) != nil
    }
  }

  /// How it ended; nil while it runs. What it has left behind ends with it.
  package var ending: Ending? {
    if let known { return known }
    var facts = siginfo_t()
    // Not yet reaped, its number is nobody else's: only then is it safe to end the rest of its group.
    let found = waitid(P_PID, id_t(identifier), &facts, WEXITED | WNOHANG | WNOWAIT)
    if found == 0, facts.si_signo == 0 { return nil }
    if found < 0, errno == EINTR { return nil }
    var status: Int32 = 0
    if found == 0 {
      killFamily()
      while waitpid(identifier, &status, 0) < 0, errno == EINTR {}
    }
    known = status & 0x7f == 0 ? .exit(status >> 8 & 0xff) : .signal(status & 0x7f)
    return known
  }

  /// Whether a signal has stopped it.
  package var isStopped: Bool {
    var facts = siginfo_t()
    return known == nil && waitid(P_PID, id_t(identifier), &facts, WSTOPPED | WNOHANG | WNOWAIT) == 0
      && facts.si_signo != 0
  }

  /// Waits for its end, but not longer than this.
  package func wait(seconds: Double) -> Ending? {
    let end = ContinuousClock.now + .seconds(seconds)
    while true {
      if let ending { return ending }
      guard ContinuousClock.now < end else { return nil }
      usleep(5000)
    }
  }

  /// Asks it to end.
  package func terminate() {
    if ending == nil { Foundation.kill(identifier, SIGTERM) }
  }

  /// Ends it and everything it has started, stopped or not.
  @discardableResult
  package func kill() -> Ending {
    if let known { return known }
    killFamily()
    // One that waits for a broken disk ends when that answers: nobody waits for it.
    return wait(seconds: 10) ?? .signal(SIGKILL)
  }

  /// Ends this process when the one that started it ends: a killed grid must not leave a training behind.
  package static func followParent() {
    let text = ProcessInfo.processInfo.environment[parentVariable]
    // With a shell between the two, that ends first.
    guard let parent = text.flatMap({ pid_t($0) }), getppid() == parent || Foundation.kill(parent, 0) != 0 else {
      return
    }
    Thread {
      while getppid() == parent { usleep(300_000) }
      Foundation.kill(getpid(), SIGTERM)
    }.start()
  }

  private func killFamily() {
    Foundation.kill(-identifier, SIGKILL)
    ChildProcess.killAll(marked: mark)
  }

  /// - Parameter mark: as the variable has it; those of its children begin with the same.
  private static func killAll(marked mark: String) {
    // One that is being started meanwhile is found the second time.
    for _ in 0..<3 {
      let found = found(marked: mark)
      if found.isEmpty { return }
      for process in found { Foundation.kill(process, SIGKILL) }
    }
  }

  private static var processes: [pid_t] {
    ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { pid_t($0) }
  }

  /// Bytes of memory that it and its group hold; what two of them share is counted twice.
  package var memory: Int {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    return ChildProcess.processes.reduce(0) { sum, process in
      guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else { return sum }
      // pid (name) state parent group ...: names may hold anything.
      let facts = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
      guard facts.count > 22, facts[3] == "\(identifier)", let pages = Int(facts[22]) else { return sum }
      return sum + pages * page
    }
  }
}
