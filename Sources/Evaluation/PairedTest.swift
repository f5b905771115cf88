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

/// Two recipes trained with the same seeds: whether what one is better by is more than what another seed makes of it.
///
/// Student's paired t-test of the differences of their means, a seed each, two-sided (Student 1908). Scenes cannot tell that: they
/// tell two trained policies apart, and a policy of the same recipe and another seed may be as different.
package struct SeedTest: Codable, Sendable, Equatable {
  package var seeds: Int
  /// The mean of the differences, first minus second, and their standard deviation.
  package var difference: Double
  package var deviation: Double
  package var p: Double

  /// - Parameter differences: a seed each, first minus second; nil with fewer than two.
  package init?(_ differences: [Double]) {
    guard differences.count > 1 else { return nil }
    let count = Double(differences.count)
    let mean = differences.reduce(0, +) / count
    seeds = differences.count
    difference = mean
    deviation = (differences.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count - 1)).squareRoot()
    p =
      deviation > 0
      ? SeedTest.twoSided(mean / (deviation / count.squareRoot()), freedom: seeds - 1) : mean == 0 ? 1 : 0
  }

  /// How likely a t at least as far from 0 is, for whole degrees of freedom (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4).
  package static func twoSided(_ t: Double, freedom: Int) -> Double {
    let angle = atan(abs(t) / Double(freedom).squareRoot())
    let (sine, square) = (sin(angle), cos(angle) * cos(angle))
    let isOdd = freedom % 2 == 1
    // The factors of the series' terms: 2/3, 4/5, ... with cos before them, or 1/2, 3/4, ...
    var (term, sum) = (isOdd ? cos(angle) : 1, 0.0)
    for k in stride(from: isOdd ? 1 : 0, to: freedom - 1, by: 2) {
      sum += term
      term *= square * Double(k + 1) / Double(k + 2)
    }
    return max(0, 1 - (isOdd ? 2 / .pi * (angle + sine * sum) : sine * sum))
  }
}
