import Dispatch
import Foundation
import Synchronization

/// Ctrl-C and a polite kill ask the running verb to stop at the next good place, so that the run can be resumed.
final class Interruption: Sendable {
  private let asked = Atomic(false)

  init() {
    for number in [SIGINT, SIGTERM] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { [self] in
        // The second time means it.
        if asked.exchange(true, ordering: .relaxed) { _exit(130) }
        FileHandle.standardError.write(Data("\nstopping; once more to stop at once\n".utf8))
      }
      source.activate()
      sources.withLock { $0.append(source) }
    }
  }

  private let sources = Mutex<[any DispatchSourceSignal]>([])

  var isAsked: Bool { asked.load(ordering: .relaxed) }
}
