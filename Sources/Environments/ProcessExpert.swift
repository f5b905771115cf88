import Imitation

/// The expert in an environment's process.
final class ProcessExpert: Behavior {
  private let environment: ProcessEnvironment
  private var seed: UInt64
  private let noise: Double

  init(_ environment: ProcessEnvironment, seed: UInt64, noise: Double) {
    (self.environment, self.seed, self.noise) = (environment, seed, noise)
  }

  func begin(seed: UInt64) { self.seed = seed }

  func action(for observation: Observation) throws -> [Float] {
    try environment.expertAction(seed: seed, noise: noise)
  }
}
