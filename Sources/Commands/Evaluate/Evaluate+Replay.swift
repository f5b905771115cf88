import ArgumentParser
import Foundation
import ImitationKit
import Reports

extension Evaluate {
  /// The recipe that is judged by: the run's, with the environment and the changes that are asked for.
  func changed(_ trained: Recipe, _ catalog: Catalog) throws -> Recipe {
    let limit = workers.deadline.changes(to: environment.kind(trained.evaluation.simulator), catalog)
    return try environment.changed(trained, catalog, others: limit + trialProtocol.changes)
  }

  /// Tries one episode of `evaluation.json` again and tells whether it went the same way.
  /// - Throws: `ExitCode` 2 when it did not.
  func repeated(_ text: String, _ folder: RunFolder, _ catalog: Catalog) throws {
    let recipe = try changed(folder.toldRecipe(), catalog)
    let checkpoint = try folder.lastCheckpoint()
    let old = try folder.result(recipe)
    _ = try checkpoint.blueprint.check(acting: recipe.environmentSpec(catalog), trusting: trustActions)
    guard let found = old.episode(text) else {
      throw CommandFailure("\(folder.evaluation): no episode '\(text)'; name one as TASK/NUMBER or by its seed")
    }
    let trials = EvaluationTrials(
      folder: folder, acting: .own(checkpoint), recipe: recipe, catalog: catalog, workers: workers)
    let again = try trials.again(found.trial)
    let same =
      again.success == found.success && again.steps == found.steps && (found.trace == nil || again.trace == found.trace)
    if format == .json {
      print(try OutputFormat.json(again))
    } else {
      let video = "\(folder.path)/replays/\(VideoStrip.video(again))"
      print(
        """
        \(again.task)/\(again.episode) "\(again.instruction)", seed \(again.seed): \
        \(again.error ?? (again.success ? "solved in \(again.steps) steps" : "failed after \(again.steps) steps"))
        \(FileManager.default.fileExists(atPath: video) ? video : "no video: the simulator shows no images")
        \(Evaluate.verdict(same: same, actions: found.trace != nil))
        """)
    }
    guard same else { throw ExitCode(2) }
  }

  private static func verdict(same: Bool, actions: Bool) -> String {
    guard same else { return "NOT as in evaluation.json: another machine, or another version of the toolkit?" }
    return actions
      ? "the same actions as in evaluation.json" : "the same outcome; evaluation.json does not tell the actions"
  }
}

extension EvaluationResult {
  /// The first policy's episode of this name: TASK/NUMBER, or a seed.
  fileprivate func episode(_ name: String) -> EpisodeResult? {
    let policy = policies.first
    let mine = episodes.filter { $0.policy == policy }
    return mine.first { name == "\($0.task)/\($0.episode)" || name == "\($0.seed)" }
  }
}
