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
    try SlurmArray(
      name: "imitate-ablate", count: cells.count,
      comment: "\(cells.count) runs; then: \(SlurmArray.command(arguments)) --report-only", cores: cores,
      gigabytes: (AblationJobs.need(of: cells.map(\.recipe)) + 999_999_999) / 1_000_000_000, folder: folder,
      arguments: arguments, task: "--cell \"$SLURM_ARRAY_TASK_ID\""
    ).write(to: path)
    print("\(path): \(cells.count) cells; submit it with sbatch")
  }
}
