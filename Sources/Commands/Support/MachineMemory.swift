import Foundation

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
}
