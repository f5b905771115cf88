/// The toolkit's one source of random numbers: counter-based, splittable by name, the same bits on every machine.
///
/// A value is `Philox4x32-10` (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011) of a 64-bit key and
/// a 64-bit counter: block `n` of a stream is a pure function of `(key, n)`, so the whole state is two integers, any
/// position can be reached at once, and no two streams with different names overlap in practice.
///
/// ```swift
/// var random = Random(seed: 7)
/// var weights = random.split("encoder.weights")    // does not advance `random`
/// let x = weights.normal()
/// ```
///
/// Floating-point numbers are made with additions, multiplications, divisions and square roots only, which IEEE 754
/// fixes to the last bit; no call to the C library's `log` or `cos`, whose last bits vary between machines.
public struct Random: RandomNumberGenerator, Sendable, Codable, Equatable {
  /// What tells this stream from others.
  public let key: UInt64
  /// How many 64-bit words have been drawn.
  public private(set) var counter: UInt64

  /// The stream that `seed` names.
  public init(seed: UInt64) {
    self.init(key: Random.mixed(seed), counter: 0)
  }

  /// The stream with `key` after `counter` words: restores a saved state.
  public init(key: UInt64, counter: UInt64) {
    self.key = key
    self.counter = counter
  }

  /// An independent stream that depends on this stream's key and `name` only, not on how much has been drawn.
  public func split(_ name: String) -> Random {
    var hash = StableHash()
    hash.add(name.utf8)
    return Random(key: Random.mixed(key ^ Random.mixed(hash.value)), counter: 0)
  }

  /// The independent stream number `index` under this one: an episode, a step, a worker.
  public func split(_ index: Int) -> Random {
    Random(key: Random.mixed(key &+ 0x9e37_79b9_7f4a_7c15 &* (UInt64(bitPattern: Int64(index)) &+ 1)), counter: 0)
  }

  public mutating func next() -> UInt64 {
    let block = Random.philox(key: key, block: counter >> 1)
    defer { counter &+= 1 }
    return counter & 1 == 0 ? UInt64(block.1) << 32 | UInt64(block.0) : UInt64(block.3) << 32 | UInt64(block.2)
  }

  /// Uniform in `[0, 1)`, 53 bits.
  public mutating func uniform() -> Double {
    Double(next() >> 11) * 0x1p-53
  }

  /// Uniform in `range`.
  public mutating func uniform(_ range: ClosedRange<Double>) -> Double {
    range.lowerBound + (range.upperBound - range.lowerBound) * uniform()
  }

  /// A whole number in `0..<bound`.
  public mutating func below(_ bound: Int) -> Int {
    precondition(bound > 0, "Random.below: the bound must be positive, it is \(bound)")
    return Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// One element of `values`, all equally likely.
  public mutating func choice<Values: RandomAccessCollection>(_ values: Values) -> Values.Element {
    values[values.index(values.startIndex, offsetBy: below(values.count))]
  }

  /// A permutation of `0..<count` (Fisher and Yates).
  public mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    for last in stride(from: count - 1, to: 0, by: -1) { order.swapAt(last, below(last + 1)) }
    return order
  }

  /// Standard normal: the inverse distribution function of a uniform number (Wichura, algorithm AS 241, 1988).
  public mutating func normal() -> Double {
    Random.normalQuantile((Double(next() >> 12) + 0.5) * 0x1p-52)
  }

  // The SplitMix64 finaliser: every input bit reaches every output bit.
  static func mixed(_ value: UInt64) -> UInt64 {
    var z = value &+ 0x9e37_79b9_7f4a_7c15
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// Philox4x32-10: four 32-bit words of `block` under `key`.
  package static func philox(key: UInt64, block: UInt64) -> (UInt32, UInt32, UInt32, UInt32) {
    var c0 = UInt32(truncatingIfNeeded: block)
    var c1 = UInt32(truncatingIfNeeded: block >> 32)
    var c2: UInt32 = 0
    var c3: UInt32 = 0
    var k0 = UInt32(truncatingIfNeeded: key)
    var k1 = UInt32(truncatingIfNeeded: key >> 32)
    for _ in 0..<10 {
      let p0 = UInt64(0xd251_1f53) &* UInt64(c0)
      let p1 = UInt64(0xcd9e_8d57) &* UInt64(c2)
      c0 = UInt32(truncatingIfNeeded: p1 >> 32) ^ c1 ^ k0
      c1 = UInt32(truncatingIfNeeded: p1)
      c2 = UInt32(truncatingIfNeeded: p0 >> 32) ^ c3 ^ k1
      c3 = UInt32(truncatingIfNeeded: p0)
      k0 = k0 &+ 0x9e37_79b9
      k1 = k1 &+ 0xbb67_ae85
    }
    return (c0, c1, c2, c3)
  }

  /// The standard normal quantile of `p` in (0, 1), to about 1e-16 relative.
  static func normalQuantile(_ p: Double) -> Double {
    func ratio(_ x: Double, _ above: [Double], _ below: [Double]) -> Double {
      above.reversed().reduce(0) { $0 * x + $1 } / below.reversed().reduce(0) { $0 * x + $1 }
    }
    let q = p - 0.5
    if abs(q) <= 0.425 {
      return q * ratio(0.180625 - q * q, Random.center.above, Random.center.below)
    }
    let tail = (-Random.log(q < 0 ? p : 1 - p)).squareRoot()
    let size =
      tail <= 5
      ? ratio(tail - 1.6, Random.middle.above, Random.middle.below)
      : ratio(tail - 5, Random.far.above, Random.far.below)
    return q < 0 ? -size : size
  }

  /// The natural logarithm of a positive normal number by its mantissa's series; exact steps, so the same everywhere.
  static func log(_ value: Double) -> Double {
    var mantissa = value.significand
    var exponent = Double(value.exponent)
    if mantissa > 1.4142135623730951 {
      mantissa /= 2
      exponent += 1
    }
    // log m = 2 artanh((m-1)/(m+1)), |argument| < 0.1716: fifteen terms leave less than 1e-24.
    let s = (mantissa - 1) / (mantissa + 1)
    var sum = 0.0
    for k in stride(from: 29, through: 1, by: -2) { sum = sum * (s * s) + 1 / Double(k) }
    return exponent * 0.6931471805599453 + 2 * s * sum
  }

  // Coefficients of AS 241 (PPND16).
  private static let center = (
    above: [
      3.3871328727963666080, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
      4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3,
    ],
    below: [
      1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
      2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3,
    ]
  )
  private static let middle = (
    above: [
      1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550, 3.64784832476320460504,
      1.27045825245236838258, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4,
    ],
    below: [
      1.0, 2.05319162663775882187, 1.67638483018380384940, 6.89767334985100004550e-1,
      1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9,
    ]
  )
  private static let far = (
    above: [
      6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580, 2.96560571828504891230e-1,
      2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7,
    ],
    below: [
      1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
      7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15,
    ]
  )
}
