import Foundation
import ImitationKit

/// Environments for the slots of an evaluation: processes of their own, whatever the recipe's simulator is.
struct EvaluationEnvironments: Sendable {
  private let recipe: Recipe
  private let catalog: Catalog
  private let deadline: Double
  /// Where children of this program find the recipe; nil when the simulator is a process by itself.
  private let written: String?

  /// - Throws: `SettingError`, or when the recipe cannot be written for the children.
  init(_ recipe: Recipe, _ catalog: Catalog, _ workers: WorkerOptions) throws {
    (self.recipe, self.catalog, deadline) = (recipe, catalog, Double(workers.deadline.seconds))
    let kind = recipe.evaluation.simulator.kind
    let isProcess = catalog.plugins(.simulator).first { $0.name == kind } is ProcessEnvironment.Type
    written = isProcess ? nil : try EvaluationSettings.writtenForWorkers(recipe.text)
  }

  /// - Parameter drawing: whether anybody looks at images.
  @Sendable func make(drawing: Bool) throws -> any Environment {
    guard let written else { return try catalog.makeSimulator(recipe.evaluation.simulator, drawing: drawing) }
    var options = ProcessOptions()
    (options.deadline, options.startDeadline) = (deadline, deadline)
    options.frozenAfter = 0
    // No threads for drawing but its own: there is one child a core.
    options.variables = ["LP_NUM_THREADS": "0"]
    return try ProcessEnvironment(
      kind: recipe.evaluation.simulator.kind,
      command: [WorkerPool.program, "serve-environment", written] + (drawing ? [] : ["--without-images"]),
      process: options)
  }

  /// Removes what children no longer need.
  func finish() { written.map { try? FileManager.default.removeItem(atPath: $0) } }
}
