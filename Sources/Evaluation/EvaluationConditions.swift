/// What results must have in common to be counted together: the simulator with its options, the seed, the scenes' pool.
package struct EvaluationConditions: Codable, Equatable, Sendable {
  package var simulator: String
  /// As JSON with sorted keys.
  package var options: String
  package var seed: UInt64
  package var pool: String

  package init(simulator: String, options: String, seed: UInt64, pool: String) {
    (self.simulator, self.options, self.seed, self.pool) = (simulator, options, seed, pool)
  }
}
