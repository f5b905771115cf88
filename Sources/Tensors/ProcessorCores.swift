import Foundation

/// The cores that this process may run on.
package enum ProcessorCores {
  /// Their numbers, in order: fewer than the machine has inside a container, a job of a cluster, or under `taskset`.
  package static let available: [Int] = {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
    let listed = line.map { list(String($0.dropFirst("Cpus_allowed_list:".count))) } ?? []
    return listed.isEmpty ? Array(0..<max(1, ProcessInfo.processInfo.activeProcessorCount)) : listed
  }()

  package static var count: Int { available.count }

  /// Reads "0-3,8,10-11".
  package static func list(_ text: String) -> [Int] {
    text.split(separator: ",").flatMap { part -> [Int] in
      let ends = part.split(separator: "-").compactMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
      guard let first = ends.first, let last = ends.last, first <= last, last - first < 1 << 16 else { return [] }
      return Array(first...last)
    }
  }
}
