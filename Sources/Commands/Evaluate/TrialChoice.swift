import ArgumentParser
import ImitationKit

/// Which episodes of an evaluation are asked for.
struct TrialChoice: ParsableArguments {
  @Option(help: "Also try these for comparison: expert, random; separated by commas.") var with: String = ""
  @Option(help: "Tasks or groups of tasks to try instead of those it was trained on, separated by commas.")
  var tasks: String?
  @Option(help: "Episodes a task; the recipe's number when left out.") var episodes: Int?

  func validate() throws { try requirePositive(("episodes", episodes)) }

  /// Whether the recipe alone says it.
  var isEmpty: Bool { with.isEmpty && tasks == nil && episodes == nil }

  /// The episodes of a recipe's policy and of those that it is compared with.
  ///
  /// - Parameters:
  ///   - policy: what the policy's episodes are called by.
  ///   - task: the only one, in place of `tasks`.
  /// - Throws: `CommandFailure`, or what the registry throws.
  func trials(of recipe: Recipe, _ policy: String, task: String?, in place: DatasetPlace) throws -> [Trial] {
    let companions = with.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    for other in companions where !["expert", "random"].contains(other) {
      throw CommandFailure("--with takes expert and random, not '\(other)'")
    }
    let tasks =
      try task.map { [$0] }
      ?? tasks.map { try place.registry(recipe.data).tasks(named: $0) } ?? recipe.data.tasks
    guard !tasks.isEmpty else { throw CommandFailure("--tasks names no task") }
    for task in tasks where !recipe.data.tasks.contains(task) { tell("note: the policy was not trained on \(task)") }
    return recipe.trials(
      policies: [policy] + companions, tasks: tasks, episodes: episodes ?? recipe.evaluation.episodes)
  }
}
