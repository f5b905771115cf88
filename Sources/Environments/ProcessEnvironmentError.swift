/// What can go wrong with an environment in a process of its own. Messages begin with the environment's name and say where
/// its log is.
public enum ProcessEnvironmentError: Error, Equatable, CustomStringConvertible {
  /// The process cannot be started.
  case notStarted(environment: String, reason: String)
  /// It ended, was silent for too long, took too much memory or said what is no message: it is ended, and the next `reset`
  /// starts another.
  case down(environment: String, call: String, reason: String, log: String)
  /// It answered that it cannot do what it was asked.
  case refused(environment: String, call: String, reason: String, log: String?)
  /// Its answer lacks something, or has something in another form than it should.
  case answer(environment: String, call: String, reason: String)
  /// A camera that shows nothing, or nothing new while the robot moves.
  case frozen(environment: String, camera: String, reason: String)
  /// `step` before the first `reset`, or after the process went down.
  case notReset(environment: String)
  /// An action of another width, or with a value that is not a number.
  case action(environment: String, reason: String)
  /// A seed that a JSON reader which knows only doubles would change.
  case seed(environment: String, UInt64)
  /// A task that it does not have.
  case unknownTask(environment: String, String, known: [String])

  /// Whether it has never run: the program, its Python or what that needs is at fault, not an episode.
  package var isOfStart: Bool {
    switch self {
    case .notStarted: true
    case .down(_, let call, _, _), .refused(_, let call, _, _), .answer(_, let call, _): call == "hello"
    default: false
    }
  }

  public var description: String {
    switch self {
    case .notStarted(let name, let reason): "\(name): \(reason)"
    case .down(let name, let call, let reason, let log): "\(name): \(call): the process \(reason); its log is \(log)"
    case .refused(let name, let call, let reason, let log):
      "\(name): \(call): \(reason)" + (log.map { "; its log is \($0)" } ?? "")
    case .answer(let name, let call, let reason): "\(name): its answer to \(call) \(reason)"
    case .frozen(let name, let camera, let reason):
      "\(name): camera '\(camera)' \(reason); if that is right, frozen_after: 0 in the simulator's options switches this check off"
    case .notReset(let name): "\(name): it is not running; reset it first"
    case .action(let name, let reason): "\(name): an action \(reason)"
    case .seed(let name, let seed): "\(name): the seed \(seed) is not below 2^53"
    case .unknownTask(let name, let task, let known):
      "\(name) has no task '\(task)'; its tasks: \(known.joined(separator: ", "))"
    }
  }
}
