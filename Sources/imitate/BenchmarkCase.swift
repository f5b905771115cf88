import Foundation

/// One thing that `imitate benchmark` times.
struct BenchmarkCase: Sendable {
  let name: String
  let about: String
  /// Sets up outside the clock and returns what to time.
  let prepare: @Sendable () throws -> Subject

  /// A prepared case: the work of one run, and what it counts.
  struct Subject {
    /// Floating-point operations of one run.
    var operations: Double?
    /// Bytes one run has to move at least.
    var bytes: Double?
    /// How many of `unit` one run does.
    var items: Double?
    var unit: String?
    /// The same work without the toolkit, timed in turn with it.
    var reference: (name: String, run: () throws -> Void)?
    var run: () throws -> Void
  }
}

/// What one case took. Absolute times mean little on a busy machine; compare with a run beside it.
struct BenchmarkResult: Encodable {
  var `case`: String
  var medianSeconds: Double
  var minimumSeconds: Double
  var runs: Int
  var threads: Int
  var gflops: Double?
  var bytes: Double?
  /// For example `windows_per_second`.
  var rates: [String: Double]
  /// Reference time divided by ours, medians of runs in turn; above 1 is faster than the reference.
  var ratio: Double?
  var reference: String?
  var peakMemoryBytes: Int

  private struct Key: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(_ name: String) { stringValue = name }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  func encode(to encoder: any Encoder) throws {
    var keys = encoder.container(keyedBy: Key.self)
    try keys.encode(`case`, forKey: Key("case"))
    try keys.encode(medianSeconds, forKey: Key("median_seconds"))
    try keys.encode(minimumSeconds, forKey: Key("minimum_seconds"))
    try keys.encode(runs, forKey: Key("runs"))
    try keys.encode(threads, forKey: Key("threads"))
    try keys.encodeIfPresent(gflops, forKey: Key("gflops"))
    try keys.encodeIfPresent(bytes, forKey: Key("bytes"))
    for (name, rate) in rates { try keys.encode(rate, forKey: Key(name)) }
    try keys.encodeIfPresent(reference, forKey: Key("reference"))
    try keys.encodeIfPresent(ratio, forKey: Key("ratio"))
    try keys.encode(peakMemoryBytes, forKey: Key("peak_memory_bytes"))
  }
}

extension BenchmarkCase {
  /// Warms up, then times runs until they fill `seconds`, at least `minimumRuns`.
  func measure(threads: Int, seconds: Double = 2, minimumRuns: Int = 5) throws -> BenchmarkResult {
    let subject = try prepare()
    try subject.run()
    try subject.reference?.run()
    var times: [Double] = []
    var references: [Double] = []
    func time(_ work: () throws -> Void) rethrows -> Double {
      let start = ContinuousClock.now
      try work()
      return (ContinuousClock.now - start) / .seconds(1)
    }
    var spent = 0.0
    while times.count < minimumRuns || spent < seconds, times.count < 1000 {
      times.append(try time(subject.run))
      if let reference = subject.reference { references.append(try time(reference.run)) }
      spent += times.last! + (references.last ?? 0)
    }
    func median(_ values: [Double]) -> Double {
      let sorted = values.sorted()
      return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }
    let middle = median(times)
    var rates: [String: Double] = [:]
    if let items = subject.items, let unit = subject.unit { rates["\(unit)_per_second"] = items / middle }
    return BenchmarkResult(
      case: name, medianSeconds: middle, minimumSeconds: times.min()!, runs: times.count, threads: threads,
      gflops: subject.operations.map { $0 / middle / 1e9 }, bytes: subject.bytes, rates: rates,
      ratio: references.isEmpty ? nil : median(references) / middle, reference: subject.reference?.name,
      peakMemoryBytes: BenchmarkCase.peakMemory())
  }

  /// The largest resident size of this process so far.
  static func peakMemory() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss * 1024
  }
}
