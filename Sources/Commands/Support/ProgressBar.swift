import Foundation
import Synchronization

/// Shows how far long work is, how fast, and how long it will take: one redrawn line on a terminal, a plain line now and
/// then elsewhere. Writes to standard error, so that tables on standard output stay clean.
final class ProgressBar: Sendable {
  private struct State {
    var total: Int
    var done: Int
    var lastShown: ContinuousClock.Instant?
  }

  private let title: String
  private let unit: String
  private let first: Int
  private let start = ContinuousClock.now
  private let terminal = isatty(STDERR_FILENO) == 1
  private let state: Mutex<State>

  /// - Parameter first: how much was finished before this run; it does not count for the rate.
  init(_ title: String, total: Int, unit: String, first: Int = 0) {
    self.title = title
    self.unit = unit
    self.first = first
    state = Mutex(State(total: total, done: first))
  }

  /// - Parameters:
  ///   - total: the whole, when it is known only now.
  ///   - note: a few words of the latest state, for example the loss.
  func update(_ done: Int, of total: Int? = nil, note: String = "") {
    state.withLock { state in
      state.total = total ?? state.total
      update(&state, done, note)
    }
  }

  /// One more.
  func advance() { state.withLock { update(&$0, $0.done + 1, "") } }

  private func update(_ state: inout State, _ done: Int, _ note: String) {
    state.done = done
    let now = ContinuousClock.now
    let pause: Duration = terminal ? .milliseconds(100) : .seconds(10)
    if let lastShown = state.lastShown, now - lastShown < pause { return }
    state.lastShown = now
    show(line(state, note: note), final: false)
  }

  /// Leaves the last line standing.
  func finish(note: String = "") {
    state.withLock { show(line($0, note: note), final: true) }
  }

  private func line(_ state: State, note: String) -> String {
    let (done, total) = (state.done, state.total)
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let rate = Double(done - first) / max(seconds, 1e-9)
    let share = total > 0 ? Double(done) / Double(total) : 1
    let left = rate > 0 ? Double(total - done) / rate : 0
    let filled = Int((share * 20).rounded(.down))
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: max(0, 20 - filled))
    let time = done >= total ? "in \(Self.clock(seconds))" : "\(Self.clock(left)) left"
    let speed = rate >= 10 ? String(format: "%.0f", rate) : String(format: "%.2f", rate)
    return "\(title) \(bar) \(done)/\(total) \(unit)  \(speed)/s  \(time)\(note.isEmpty ? "" : "  " + note)"
  }

  private func show(_ line: String, final: Bool) {
    let text = terminal ? "\r\u{1b}[K\(line)\(final ? "\n" : "")" : "\(line)\n"
    tell(text: text)
  }

  static func clock(_ seconds: Double) -> String {
    let whole = Int(seconds.rounded())
    return whole >= 3600
      ? String(format: "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60)
      : String(format: "%d:%02d", whole / 60, whole % 60)
  }
}
