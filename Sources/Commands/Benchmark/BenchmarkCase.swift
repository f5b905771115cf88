import CUDA
import Foundation
import ImitationKit

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
    /// What was measured on the way, by name.
    var facts: [String: Double] = [:]
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
  /// The largest resident size of the process, and the most that tensors held during the timed runs, by kind.
  var peakMemoryBytes: Int
  var tensors: MemoryReport
  /// Of the timed runs, each: minor faults, which are pages the system had to hand out.
  var pageFaultsPerRun: Double

  /// One flat object; what was not measured is left out.
  func encode(to encoder: any Encoder) throws {
    var numbers = [
      "median_seconds": medianSeconds, "minimum_seconds": minimumSeconds, "runs": Double(runs),
      "threads": Double(threads), "peak_memory_bytes": Double(peakMemoryBytes),
      "tensor_peak_bytes": Double(tensors.peak),
      "tensor_fresh_bytes": Double(tensors.fresh), "tensor_reserved_bytes": Double(tensors.reserved),
      "page_faults_per_run": pageFaultsPerRun,
    ].merging(rates) { $1 }
    (numbers["gflops"], numbers["bytes"], numbers["ratio"]) = (gflops, bytes, ratio)
    for (kind, bytes) in tensors.peakByKind { numbers["tensor_\(kind.rawValue)_bytes"] = Double(bytes) }
    try numbers.encode(to: encoder)
    try ["case": `case`, "reference": reference].compactMapValues(\.self).encode(to: encoder)
  }
}

extension BenchmarkCase {
  /// Warms up, then times runs until they fill `seconds`, at least `minimumRuns`. On a device a run ends when it has computed all.
  ///
  /// A reference is timed in turn with it, in blocks with a pause between: OpenBLAS's threads go on spinning for a while
  /// after a product and would take the cores away from what follows.
  func measure(serial: Bool, seconds: Double = 2, minimumRuns: Int = 5) throws -> BenchmarkResult {
    try Threads.$isSerial.withValue(serial) {
      let subject = try prepare()
      let device = CUDADevice.current
      func work() throws {
        try Device.repeated("case \(name)", subject.run)
        device?.synchronize()
      }
      // A device compiles, and records its graph, in the first ones.
      for _ in 0..<(device == nil ? 2 : 8) { try work() }
      try subject.reference?.run()
      let blocks = subject.reference == nil ? 1 : 4
      var (times, references): ([Double], [Double]) = ([], [])
      var faults = 0
      Memory.startCounting()
      for block in 0..<blocks {
        let before = BenchmarkCase.usage().ru_minflt
        times += try BenchmarkCase.time(work, seconds: seconds / Double(blocks), atLeast: minimumRuns)
        faults += BenchmarkCase.usage().ru_minflt - before
        if let reference = subject.reference {
          if block == 0 { try reference.run() }
          references += try BenchmarkCase.time(reference.run, seconds: seconds / Double(blocks), atLeast: minimumRuns)
          usleep(100_000)
        }
      }
      let middle = BenchmarkCase.median(times)
      var rates = subject.facts
      if let items = subject.items, let unit = subject.unit { rates["\(unit)_per_second"] = items / middle }
      return BenchmarkResult(
        case: name, medianSeconds: middle, minimumSeconds: times.min()!, runs: times.count,
        threads: serial ? 1 : ProcessorCores.count,
        gflops: subject.operations.map { $0 / middle / 1e9 }, bytes: subject.bytes, rates: rates,
        ratio: references.isEmpty ? nil : BenchmarkCase.median(references) / middle,
        reference: subject.reference?.name, peakMemoryBytes: BenchmarkCase.usage().ru_maxrss * 1024,
        tensors: Memory.report, pageFaultsPerRun: Double(faults) / Double(times.count))
    }
  }

  private static func time(_ work: () throws -> Void, seconds: Double, atLeast: Int) rethrows -> [Double] {
    var times: [Double] = []
    var spent = 0.0
    while times.count < atLeast || spent < seconds, times.count < 1000 {
      let start = ContinuousClock.now
      try work()
      times.append((ContinuousClock.now - start) / .seconds(1))
      spent += times.last!
    }
    return times
  }

  private static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }

  private static func usage() -> rusage {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage
  }
}
