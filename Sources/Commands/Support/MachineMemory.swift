import Foundation
import ImitationKit

/// How much memory there is for jobs.
enum MachineMemory {
  /// Bytes that are free, of the machine or of the container.
  static var free: Int {
    func text(_ path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }
    func number(_ path: String) -> Int? { Int(text(path).trimmingCharacters(in: .whitespacesAndNewlines)) }
    let line = text("/proc/meminfo").split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
    let machine = (line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 8_000_000) * 1024
    guard let most = number("/sys/fs/cgroup/memory.max"), let used = number("/sys/fs/cgroup/memory.current") else {
      return machine
    }
    // Pages of files that were read go when the room is needed.
    let cached = text("/sys/fs/cgroup/memory.stat").split(separator: "\n").first { $0.hasPrefix("inactive_file ") }
    return min(machine, max(0, most - used + (cached?.split(separator: " ").last.flatMap { Int($0) } ?? 0)))
  }

  /// Whether a recipe allows `bytes` of what `name` says in memory; if not, a note says that they are computed again and again.
  ///
  /// - Parameter processes: how many on this machine are about to keep as much.
  /// - Throws: `CommandFailure` when it does and the machine has not as much.
  static func holds(_ bytes: Int, _ name: String, _ data: DataSettings, processes: Int = 1) throws -> Bool {
    let (bytes, allowed, free) = (Double(bytes), data.memoryGigabytes * 1e9, Double(free) / Double(processes))
    func gigabytes(_ bytes: Double) -> String { String(format: "%.1f GB", bytes / 1e9) }
    guard bytes > allowed else {
      // By the recipe alone, not by what happens to be free: a stage that goes on has to go on in the same way.
      guard bytes < free else {
        throw CommandFailure(
          "\(name) would take \(gigabytes(bytes)) of memory and \(gigabytes(free)) is free; with a lower "
            + "data.memory_gigabytes they are computed as they are needed")
      }
      return true
    }
    tell(
      "note: \(name) would take \(gigabytes(bytes)) of memory, data.memory_gigabytes allows \(gigabytes(allowed)): computed "
        + "as they are needed")
    return false
  }
}
