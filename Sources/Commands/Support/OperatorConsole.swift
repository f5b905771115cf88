import Foundation

/// The person at a robot: asked what to do on standard error, answering a line at a time on standard input.
final class OperatorConsole {
  private let interruption: Interruption
  private var buffer: [UInt8] = []
  private var hasEnded = false
  /// Whether a person types, rather than a file that holds all answers already.
  private let isTerminal = isatty(STDIN_FILENO) == 1

  init(_ interruption: Interruption) { self.interruption = interruption }

  /// What whoever stands beside a robot has to know.
  var warning: String {
    "Keep a hand at the emergency stop. "
      + (isTerminal
        ? "Enter ends what the robot does, Ctrl-C holds it and stops."
        : "Answers come from a file or a pipe: only Ctrl-C ends what the robot does.")
  }

  /// Whether the person has pressed Enter meanwhile, or wants to stop. Answers of a file are never ahead of their questions.
  var wantsEnd: Bool {
    if interruption.isAsked { return true }
    guard isTerminal, isReady(milliseconds: 0) else { return false }
    _ = line()
    return true
  }

  /// Forgets what was typed before a question is asked, or before something begins that Enter ends.
  func forgetTyped() {
    guard isTerminal else { return }
    tcflush(STDIN_FILENO, TCIFLUSH)
    buffer = []
  }

  /// Asks for one of the keys.
  ///
  /// - Parameter keys: what may be answered; "enter" is Enter alone.
  /// - Returns: nil when the person wants to stop, or the answers have ended.
  func ask(_ question: String, keys: [String]) -> String? {
    forgetTyped()
    while true {
      tell(text: question + " ")
      guard let answer = line()?.trimmingCharacters(in: .whitespaces).lowercased() else {
        tell("")
        return nil
      }
      if !isTerminal { tell(answer) }
      if let key = keys.first(where: { $0 == answer }) { return key }
      if answer.isEmpty, keys[0] == "enter" { return keys[0] }
      let expected = "answer with one of: \(keys.joined(separator: ", "))"
      guard isTerminal else {
        // What follows may have been meant for other questions.
        tell("\(expected); stopped, as the answers come from a file or a pipe")
        return nil
      }
      tell(expected)
    }
  }

  private func isReady(milliseconds: Int32) -> Bool {
    var polled = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
    return poll(&polled, 1, milliseconds) > 0
  }

  /// The next line; nil at the end, and when stopping is asked for meanwhile.
  private func line() -> String? {
    while true {
      if let end = buffer.firstIndex(of: 0x0a) {
        defer { buffer.removeFirst(end + 1) }
        return String(decoding: buffer[..<end], as: UTF8.self)
      }
      if hasEnded || interruption.isAsked { return nil }
      guard isReady(milliseconds: 200) else { continue }
      var bytes = [UInt8](repeating: 0, count: 4096)
      let count = read(STDIN_FILENO, &bytes, bytes.count)
      if count < 0, errno == EINTR { continue }
      if count <= 0 { hasEnded = true } else { buffer += bytes[..<count] }
    }
  }
}
