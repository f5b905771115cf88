import Evaluation
import Foundation

/// Everything a report shows, plain data: pages are written from it and nothing else.
package struct Report: Sendable {
  /// One point of a curve.
  package typealias Point = (step: Int, value: Double)

  /// An image of an episode.
  package struct Video: Sendable {
    package var episode: EpisodeResult
    /// A JPEG file.
    package var jpeg: Data

    package init(episode: EpisodeResult, jpeg: Data) {
      self.episode = episode
      self.jpeg = jpeg
    }
  }

  package var title: String
  package var result: EvaluationResult
  package var recipe: String
  package var trainingLoss: [Point]
  package var validationLoss: [Point]
  /// Facts by name: demonstrations, parameters, ...
  package var facts: [(name: String, value: String)]
  package var videos: [Video]
  /// What probes of the same checkpoint found; nil without.
  package var probe: ProbeResult?

  package init(
    title: String, result: EvaluationResult, recipe: String, trainingLoss: [Point], validationLoss: [Point],
    facts: [(name: String, value: String)], videos: [Video]
  ) {
    self.title = title
    self.result = result
    self.recipe = recipe
    self.trainingLoss = trainingLoss
    self.validationLoss = validationLoss
    self.facts = facts
    self.videos = videos
  }

  /// The learned policy: the first in the table.
  var learned: String { result.policies.first ?? "" }

  /// The tasks in the table's order.
  var tasks: [String] { result.rows.map(\.task).unique }

  func row(_ task: String, _ policy: String) -> EvaluationResult.Row? {
    result.rows.first { $0.task == task && $0.policy == policy }
  }

  /// The table in Markdown, as `docs/results.md` and a pull request want it.
  package var markdown: String {
    let percent = SuccessRate.percent
    let rows = tasks.map { task in
      let cells = result.policies.map { policy -> String in
        guard let row = row(task, policy) else { return "" }
        return "\(row.successes)/\(row.episodes) = \(percent(row.rate)) (\(percent(row.low)) to \(percent(row.high)))"
          + (row.errors > 0 ? ", \(row.errors) crashed" : "")
      }
      return [task] + cells
    }
    let means =
      ["**\(result.meanLabel)**"] + result.policies.map { result.commonMean(of: $0).map { "**\(percent($0))**" } ?? "" }
    let table = ReportTable(
      (["task"] + result.policies).map { (.init($0), "") }, (rows + [means]).map { ($0.map { .init($0) }, "") })
    var lines = ["# \(title)", ""] + table.markdown()
    lines += [
      "",
      "Closed-loop success on \(result.simulator), pool `\(result.pool)`, with Wilson 95 % intervals; "
        + "evaluation seed \(result.seed), checkpoint of step \(result.step).",
      "",
    ]
    lines += facts.map { "- \($0.name): \($0.value)" }
    lines.append("- machine: \(result.machine.label)")
    lines.append("- toolkit: ImitationKit \(result.toolkit), \(result.date)")
    return lines.joined(separator: "\n") + "\n"
  }
}
