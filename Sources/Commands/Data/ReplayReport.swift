import Foundation
import ImitationKit

/// What became of one demonstration.
struct ReplayedDemo: Encodable, Sendable {
  enum Start: String, Encodable {
    case state, seed
  }

  var demo: String
  /// What it was put into its first moment by; nil when that did not work.
  var start: Start?
  /// Actions that are recorded, and that were played until it succeeded or there was none left.
  var recorded = 0
  var steps = 0
  var success = false
  /// Why it could not be played to its end.
  var problem: String?
}

/// What became of a file.
struct ReplayReport: Encodable {
  var file: String
  var environment: String
  var versions: [String: String]
  var task: String
  var actions: String
  var demos: [ReplayedDemo]
  var successes: Int

  init(
    file: String, environment: String, versions: [String: String], task: String, actions: String, demos: [ReplayedDemo]
  ) {
    (self.file, self.environment, self.versions) = (file, environment, versions)
    (self.task, self.actions, self.demos) = (task, actions, demos)
    successes = demos.count(where: \.success)
  }

  var text: String {
    let rows = demos.map { demo in
      [
        demo.demo, demo.start?.rawValue ?? "-", "\(demo.recorded)", "\(demo.steps)",
        demo.problem ?? (demo.success ? "success" : "failure"),
      ]
    }
    let rate = SuccessRate(successes: successes, episodes: demos.count)
    let interval = rate.interval
    return table(["demo", "started by", "recorded", "played", "result"], rows)
      + "\n\(successes) of \(demos.count) succeed again in \(environment) (\(SuccessRate.percent(rate.rate)), 95 % interval "
      + "\(SuccessRate.percent(interval.lowerBound)) to \(SuccessRate.percent(interval.upperBound)))"
  }
}
