import Foundation
import ImitationKit

/// Environments that are played in at once: processes of their own, whatever the simulator is.
struct EvaluationEnvironments: Sendable {
  private let simulator: Choice
  private let catalog: Catalog
  private let deadline: Double
  /// Where children of this program find the simulator; nil when it is a process by itself.
  private let written: String?

  /// - Throws: when it cannot be written for the children.
  init(_ simulator: Choice, _ catalog: Catalog, _ workers: WorkerOptions) throws {
    (self.simulator, self.catalog, deadline) = (simulator, catalog, Double(workers.deadline.seconds))
    let text = "evaluation: {simulator: \(simulator.setting.json)}"
    written = catalog.processEnvironment(simulator.kind) != nil ? nil : try EvaluationSettings.writtenForWorkers(text)
  }

  /// - Parameter drawing: whether anybody looks at images.
  @Sendable func make(drawing: Bool) throws -> any Environment {
    guard let written else { return try catalog.makeSimulator(simulator, drawing: drawing) }
    var options = ProcessOptions()
    (options.deadline, options.startDeadline) = (deadline, deadline)
    options.frozenAfter = 0
    // No threads for drawing but its own: there is one child a core.
    options.variables = ["LP_NUM_THREADS": "0"]
    return try ProcessEnvironment(
      kind: simulator.kind,
      command: [WorkerPool.program, "serve-environment", written] + (drawing ? [] : ["--without-images"]),
      process: options)
  }

  /// Removes what children no longer need.
  func finish() { written.map { try? FileManager.default.removeItem(atPath: $0) } }
}
