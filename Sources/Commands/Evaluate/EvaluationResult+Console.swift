import Foundation
import ImitationKit

extension EvaluationResult {
  /// How many episodes crashed and why the first did; nil for none.
  var crashes: String? {
    let broken = episodes.compactMap(\.error)
    return broken.first.map {
      "\(broken.count) of \(episodes.count) episodes crashed; the same command tries them again. The first: \($0)"
    }
  }

  /// - Throws: `CommandFailure` when every episode crashed: 0 of 50 would read as a bad policy.
  ///
  /// - Parameter isPart: whether others try more episodes.
  func tellCrashes(ofPart isPart: Bool) throws {
    if let crashes { tell(crashes) }
    guard !isPart, !episodes.isEmpty, episodes.allSatisfy({ $0.error != nil }) else { return }
    throw CommandFailure("every episode crashed: nothing was measured")
  }

  /// The table as `imitate evaluate` prints it.
  var consoleTable: String {
    var lines = rows.map { row in
      [
        row.task, row.split, row.policy, "\(row.successes)/\(row.episodes)", SuccessRate.percent(row.rate),
        "\(SuccessRate.percent(row.low)) to \(SuccessRate.percent(row.high))",
        row.meanSteps.map { String(format: "%.0f", $0) } ?? "-",
        row.errors > 0 ? "\(row.errors) crashed" : "",
      ]
    }
    for policy in policies {
      lines.append([
        meanLabel, rows.first { $0.policy == policy }!.split, policy, "",
        commonMean(of: policy).map(SuccessRate.percent) ?? "-", "", "",
        "",
      ])
    }
    // Experts and random policies do not predict.
    let prediction = policies.first.flatMap { policy in
      latency(of: policy).map {
        String(
          format: "latency of a prediction: %.1f ms median, %.1f ms 99th percentile, of %d", $0.p50, $0.p99, $0.count)
      }
    }
    let columns = ["task", "split", "policy", "solved", "rate", "95 % interval", "steps", ""]
    return ([table(columns, lines)] + [prediction].compactMap(\.self)).joined(separator: "\n")
  }
}
