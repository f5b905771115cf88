import Foundation
import ImitationKit

extension Ablation {
  /// Writes an array job for Slurm, one cell a task.
  ///
  /// - Parameters:
  ///   - arguments: the command line that makes this grid again.
  ///   - cores: of one task.
  /// - Throws: `CommandFailure` when another file is there.
  func writeSlurm(_ path: String, arguments: [String], cores: Int) throws {
    func quoted(_ text: String) -> String {
      let plain = text.allSatisfy { $0.isLetter || $0.isNumber || "-_./=:,+".contains($0) }
      return plain && !text.isEmpty ? text : "'\(text.replacingOccurrences(of: "'", with: "'\\''"))'"
    }
    let command = ([Bundle.main.executablePath ?? "imitate"] + arguments).map(quoted).joined(separator: " ")
    let gigabytes = (AblationJobs.need(of: cells.map(\.recipe)) + 999_999_999) / 1_000_000_000
    // Relative to where it is submitted otherwise.
    let log = URL(fileURLWithPath: folder).path.replacingOccurrences(of: "%", with: "%%") + "/slurm-%a.log"
    let text = """
      #!/bin/bash
      # \(cells.count) runs; then: \(command) --report-only
      #SBATCH --job-name=imitate-ablate
      #SBATCH --array=0-\(cells.count - 1)
      #SBATCH --cpus-per-task=\(cores)
      #SBATCH --mem=\(gigabytes)G
      #SBATCH --output="\(log)"
      #SBATCH --requeue
      set -euo pipefail
      cd \(quoted(FileManager.default.currentDirectoryPath))
      exec \(command) --cell "$SLURM_ARRAY_TASK_ID"

      """
    if let old = FileManager.default.contents(atPath: path), old != Data(text.utf8) {
      throw CommandFailure("\(path): is there already and says something else; name another file with --slurm")
    }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try AtomicFile.write(Data(text.utf8), to: path)
    print("\(path): \(cells.count) cells; submit it with sbatch")
  }
}
