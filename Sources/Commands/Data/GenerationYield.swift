import Foundation
import ImitationKit

/// How many attempts became demonstrations, and what decided which; written into the file.
struct GenerationYield: Codable {
  var task: String
  var demonstrations: Int
  var attempts: Int
  var seed: UInt64
  /// Of the source's file: its SHA-256, and the demonstrations that were used.
  var sourceDigest: String
  var sources: [String]
  var settings: DemonstrationGenerator.Settings
  /// After how many steps an attempt failed; older files do not say.
  var horizon: Int?

  enum CodingKeys: String, CodingKey {
    case task, demonstrations, attempts, seed, sources, settings, horizon
    case sourceDigest = "source_sha256"
  }

  /// Whether another generation would give the same demonstrations, as many as both have.
  func isLike(_ other: GenerationYield) -> Bool {
    isLike(seed: other.seed, settings: other.settings, horizon: other.horizon)
      && sourceDigest == other.sourceDigest && sources == other.sources
  }

  /// Whether it would from the same source.
  func isLike(seed: UInt64, settings: DemonstrationGenerator.Settings, horizon: Int?) -> Bool {
    self.seed == seed && self.settings == settings
      && (self.horizon == nil || horizon == nil || self.horizon == horizon)
  }

  static func summary(_ yields: [GenerationYield]) -> String {
    let rows = yields.map { yield in
      let rate = SuccessRate(successes: yield.demonstrations, episodes: yield.attempts)
      return [
        yield.task, "\(yield.sources.count)", "\(yield.demonstrations)/\(yield.attempts)",
        SuccessRate.percent(rate.rate),
        "\(SuccessRate.percent(rate.interval.lowerBound)) to \(SuccessRate.percent(rate.interval.upperBound))",
      ]
    }
    let mean = yields.reduce(0) { $0 + Double($1.demonstrations) / Double($1.attempts) } / Double(max(1, yields.count))
    return table(
      ["task", "sources", "kept", "yield", "95 % interval"], rows + [["mean", "", "", SuccessRate.percent(mean), ""]])
  }
}
