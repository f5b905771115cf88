/// What results must have in common to be counted together: the simulator with its options, the seed, the scenes' pool.
public struct EvaluationConditions: Codable, Equatable, Sendable {
  /// The simulator's kind.
  public var simulator: String
  /// As JSON with sorted keys.
  public var options: String
  /// What the episodes' seeds follow from.
  public var seed: UInt64
  /// The pool of scenes.
  public var pool: String

  /// - Parameter options: the simulator's, as JSON with sorted keys; "{}" for none.
  public init(simulator: String, options: String, seed: UInt64, pool: String) {
    (self.simulator, self.options, self.seed, self.pool) = (simulator, options, seed, pool)
  }
}
