import Synchronization

/// How layers behave: while training they drop out, crop at random and take a batch's own statistics.
///
/// Apart from the tape, which only records: gradients can be wanted of a network that acts, and a training pass of one that
/// nothing is learned from.
public enum Phase: Sendable, Equatable {
  /// Acting or measuring, and learning.
  case inference, training

  private final class Stream: Sendable {
    let random: Mutex<Random>
    init(_ random: Random) { self.random = Mutex(random) }
  }

  @TaskLocal private static var stream: Stream?

  /// The phase of the present task; inference unless something trains.
  public static var current: Phase { stream == nil ? .inference : .training }

  /// Runs `body` in the training phase, its random choices drawn from `random`.
  public static func training<Result>(random: Random, _ body: () throws -> Result) rethrows -> Result {
    try $stream.withValue(Stream(random), operation: body)
  }

  /// Draws from the training stream; nil in the inference phase.
  public static func withRandom<Result>(_ body: (inout Random) -> Result) -> Result? {
    guard let stream else { return nil }
    var random = stream.random.withLock { $0 }
    defer { stream.random.withLock { [random] in $0 = random } }
    return body(&random)
  }

  /// The training phase with a stream, the inference phase without one.
  static func with<Result>(_ random: Random?, _ body: () throws -> Result) rethrows -> Result {
    try $stream.withValue(random.map(Stream.init), operation: body)
  }
}
