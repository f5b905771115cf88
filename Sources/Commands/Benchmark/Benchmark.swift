import ArgumentParser
import Foundation
import ImitationKit

/// `imitate benchmark`: how fast the toolkit is here, case by case.
struct Benchmark: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "benchmark", abstract: "Time the parts of the toolkit on this machine.",
    discussion: """
      Every case is warmed up, then timed several times: median, best, rates, and the peak of memory, which grows from \
      case to case within one run. Machines are noisy: compare ratios of runs made side by side, never single times. \
      --format json adds what tensors held by kind and the page faults of a run. Cases: \(BenchmarkCase.all.map(\.name).joined(separator: ", ")).
      """)

  @Argument(help: "Cases to run; all when left out.")
  var cases: [String] = []

  @Option(help: "At least how long to time each case, in seconds.")
  var seconds = 2.0

  @Option(help: "A demonstration file: times loading it (the cases 'loader' and 'frames').")
  var file: String?

  @Option(help: "Gigabytes of frames that the case 'loader' keeps.")
  var memory = 4.0

  @Option(help: "Threads that make batches in the case 'loader'; without it the case makes them itself, on all cores.")
  var workers: Int?

  @Option(help: "An exported policy: times one prediction of its chunk of actions (the case 'act').")
  var package: String?

  @Flag(help: "Use one core.")
  var serial = false

  @OptionGroup var device: DeviceChoice

  @Option(help: "How products round on a GPU: tf32, bf16 or float32.") var precision = ProductPrecision.tf32

  @Option(help: "text or json (one object a line).") var format: OutputFormat = .text

  func validate() throws { try requirePositive(("workers", workers)) }

  func run() throws {
    let given =
      (file.map { [BenchmarkCase.frames(file: $0), .loader(file: $0, memoryGigabytes: memory, workers: workers)] } ?? [])
      + (package.map { [.act(package: $0)] } ?? [])
    let all = BenchmarkCase.all + given
    let chosen =
      try cases.isEmpty
      ? given.isEmpty ? all : given
      : cases.map { name in
        guard let found = all.first(where: { $0.name == name }) else {
          throw CommandFailure(
            ["loader", "frames"].contains(name)
              ? "the case '\(name)' needs --file"
              : name == "act"
                ? "the case 'act' needs --package"
                : "no case '\(name)'; cases: \(all.map(\.name).joined(separator: ", "))")
        }
        return found
      }
    try device.run(precision) { for one in chosen { try time(one) } }
  }

  private func time(_ one: BenchmarkCase) throws {
    let result = try one.measure(serial: serial, seconds: seconds)
    switch format {
    case .json:
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys]
      print(String(decoding: try encoder.encode(result), as: UTF8.self))
    case .text: print(line(result, about: one.about))
    }
    fflush(nil)
  }

  private func line(_ result: BenchmarkResult, about: String) -> String {
    var parts = [
      result.case.padding(toLength: 24, withPad: " ", startingAt: 0),
      String(
        format: "%10.3f ms (best %.3f, %d runs)", result.medianSeconds * 1e3, result.minimumSeconds * 1e3, result.runs),
    ]
    if let gflops = result.gflops { parts.append(String(format: "%.1f GFLOP/s", gflops)) }
    if let bytes = result.bytes { parts.append(String(format: "%.1f GB/s", bytes / result.medianSeconds / 1e9)) }
    for (name, rate) in result.rates.sorted(by: { $0.key < $1.key }) {
      parts.append(String(format: "%.0f %@", rate, name.replacingOccurrences(of: "_", with: " ")))
    }
    if let ratio = result.ratio, let reference = result.reference {
      parts.append(String(format: "%.2f of %@", ratio, reference))
    }
    parts.append(String(format: "%.0f MB peak", Double(result.peakMemoryBytes) / 1e6))
    parts.append("\(result.threads) \(result.threads == 1 ? "thread" : "threads")")
    return parts.joined(separator: "  ") + "  — " + about
  }
}
