import Foundation

/// Two policies on the same scenes: in how many only one of them succeeded, and how likely a difference that large is by
/// chance.
///
/// McNemar's test in its exact form: of the scenes where the two differ, each is as likely to fall to either when they are
/// equally good, so the smaller count follows a binomial distribution of p = 1/2 (McNemar 1947; Fagerland et al. 2013).
package struct PairedTest: Codable, Sendable, Equatable {
  package var both: Int
  package var onlyFirst: Int
  package var onlySecond: Int
  package var neither: Int
  /// The first one's rate minus the second one's.
  package var difference: Double
  /// Two-sided.
  package var p: Double

  enum CodingKeys: String, CodingKey {
    case both, neither, difference, p
    case onlyFirst = "only_first"
    case onlySecond = "only_second"
  }

  package init(_ pairs: [(first: Bool, second: Bool)]) {
    both = pairs.count { $0.first && $0.second }
    onlyFirst = pairs.count { $0.first && !$0.second }
    onlySecond = pairs.count { !$0.first && $0.second }
    neither = pairs.count { !$0.first && !$0.second }
    difference = pairs.isEmpty ? 0 : Double(onlyFirst - onlySecond) / Double(pairs.count)
    p = PairedTest.twoSided(onlyFirst, onlySecond)
  }

  package var count: Int { both + onlyFirst + onlySecond + neither }

  /// How likely a split of `a + b` fair coins at least as uneven as `a` to `b` is.
  package static func twoSided(_ a: Int, _ b: Int) -> Double {
    let n = a + b
    guard n > 0 else { return 1 }
    // Logarithms: 2^-n alone is 0 from 1075 coins on.
    func factorial(_ count: Int) -> Double { lgamma(Double(count) + 1) }
    var total = 0.0
    for k in 0...min(a, b) {
      let ways: Double = factorial(n) - factorial(k) - factorial(n - k)
      total += exp(ways - Double(n) * log(2))
    }
    return min(1, 2 * total)
  }
}
