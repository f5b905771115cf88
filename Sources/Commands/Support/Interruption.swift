import Dispatch
import Files
import Foundation
import Synchronization

/// Ctrl-C and a polite kill ask the running verb to stop at the next good place, so that the run can be resumed.
final class Interruption: Sendable {
  private let asked = Atomic(false)

  init() {
    let registered = DispatchGroup()
    for number in [SIGINT, SIGTERM, SIGHUP] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      // The handler holds the source, so that it lives as long as the process.
      source.setEventHandler { [self] in
        withExtendedLifetime(source) {
          // The second time means it.
          if asked.exchange(true, ordering: .relaxed) {
            // A simulator that hangs would not notice that nobody asks it any more.
            ChildProcess.endEverything()
            _exit(130)
          }
          tell("\nstopping; once more to stop at once")
        }
      }
      registered.enter()
      source.setRegistrationHandler { registered.leave() }
      source.activate()
    }
    // Until then a signal would be lost.
    _ = registered.wait(timeout: .now() + 1)
  }

  /// What a verb says that stopped where it can go on.
  static let failure = CommandFailure("stopped; run the same command again to go on")

  /// - Throws: `failure` when stopping is asked for.
  func check() throws { if isAsked { throw Interruption.failure } }

  var isAsked: Bool { asked.load(ordering: .relaxed) }
}
