import Foundation

/// Successes out of episodes, with Wilson's 95 % interval (Wilson 1927).
public struct SuccessRate: Sendable, Equatable {
  /// Episodes tried and solved.
  public var episodes, successes: Int

  /// Counts `successes` out of `episodes`.
  public init(successes: Int, episodes: Int) {
    self.successes = successes
    self.episodes = episodes
  }

  /// That of some episodes.
  package init(of results: [EpisodeResult]) {
    self.init(successes: results.count(where: \.success), episodes: results.count)
  }

  /// The share of successes, 0 when nothing was tried.
  public var rate: Double { episodes > 0 ? Double(successes) / Double(episodes) : 0 }

  /// "86 %".
  package static func percent(_ rate: Double) -> String { String(format: "%.0f %%", rate * 100) }

  /// The interval; 0...1 when nothing was tried.
  public var interval: ClosedRange<Double> {
    guard episodes > 0 else { return 0...1 }
    let z = 1.959963984540054
    let n = Double(episodes)
    let center = (rate + z * z / (2 * n)) / (1 + z * z / n)
    let half = z / (1 + z * z / n) * (rate * (1 - rate) / n + z * z / (4 * n * n)).squareRoot()
    return max(0, center - half)...min(1, center + half)
  }
}

extension [Double] {
  /// Nil without any.
  package var mean: Double? { isEmpty ? nil : reduce(0, +) / Double(count) }
}

extension Array where Element: Hashable {
  /// Each element once, in the order of the first ones.
  package var unique: [Element] {
    var seen = Set<Element>()
    return filter { seen.insert($0).inserted }
  }
}
