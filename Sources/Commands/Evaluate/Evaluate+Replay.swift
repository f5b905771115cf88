import ArgumentParser
import Evaluation
import Foundation
import Imitation
import Reports
import Training

extension Evaluate {
  /// Tries one episode of `evaluation.json` again and tells whether it went the same way.
  /// - Throws: `ExitCode` 2 when it did not.
  func repeated(_ text: String, _ folder: RunFolder, _ catalog: Catalog) throws {
    let checkpoint = try folder.lastCheckpoint()
    let (recipe, note) = try folder.trained(checkpoint.recipe)
    if let note { tell("note: \(note)") }
    let old = try folder.result(recipe)
    _ = try checkpoint.blueprint.check(acting: recipe, trusting: trustActions, catalog: catalog)
    let parts = text.split(separator: "/").map(String.init)
    let found = old.episodes.filter { episode in
      parts.count == 1
        ? "\(episode.seed)" == text : parts.count == 2 && episode.task == parts[0] && "\(episode.episode)" == parts[1]
    }.first { $0.policy == old.policies.first }
    guard let found else {
      throw CommandFailure("\(folder.evaluation): no episode '\(text)'; name one as TASK/NUMBER or by its seed")
    }
    var blank = EpisodeResult(
      task: found.task, split: found.split, policy: found.policy, episode: found.episode, seed: found.seed)
    blank.instruction = found.instruction
    let horizon = try recipe.simulatedTasks([found.task], catalog)[0].horizon
    let written = try recipe.writtenForWorkers()
    defer { try? FileManager.default.removeItem(atPath: written) }
    let pool = WorkerPool.imitate(recipe: written, run: folder.path, workers: 1, deadline: deadline)
    let request = WorkerRequest.rollout(
      RolloutRequest(blank: blank, horizon: horizon, step: old.step, film: folder.path + "/replays"))
    let outcome = pool.run([request], responding: WorkerResponse.self) { _, _ in }[0]
    guard let again = outcome.result(of: blank) else { throw Interruption.failure }
    let same =
      again.success == found.success && again.steps == found.steps && (found.trace == nil || again.trace == found.trace)
    if format == .json {
      print(try OutputFormat.json(again))
    } else {
      let video = "\(folder.path)/replays/\(FilmStrip.video(again))"
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
