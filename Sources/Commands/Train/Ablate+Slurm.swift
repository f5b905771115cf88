import Foundation
import Layers

extension Ablate {
  /// Writes an array job, one cell a task.
  func writeSlurm(_ path: String, _ grid: Ablation) throws {
    var arguments = ["ablate", recipe]
    for (name, value) in [("encoder", encoder), ("policy", policy), ("split", split), ("seed", seed), ("tasks", tasks)]
    {
      if let value { arguments += ["--\(name)", value] }
    }
    for change in changes { arguments += ["--set", change] }
    if deadline.seconds != WorkerDeadline.standard { arguments += ["--deadline", "\(deadline.seconds)"] }
    arguments += ["--run", grid.folder] + places + (trustActions ? ["--trust-actions"] : [])
    func quoted(_ text: String) -> String {
      let plain = text.allSatisfy { $0.isLetter || $0.isNumber || "-_./=:,+".contains($0) }
      return plain && !text.isEmpty ? text : "'\(text.replacingOccurrences(of: "'", with: "'\\''"))'"
    }
    let command = ([Bundle.main.executablePath ?? "imitate"] + arguments).map(quoted).joined(separator: " ")
    let gigabytes = (Ablate.need(of: grid.cells.map(\.recipe)) + 999_999_999) / 1_000_000_000
    // Relative to where it is submitted otherwise.
    let log = URL(fileURLWithPath: grid.folder).path.replacingOccurrences(of: "%", with: "%%") + "/slurm-%a.log"
    let text = """
      #!/bin/bash
      # \(grid.cells.count) runs; then: \(command) --report-only
      #SBATCH --job-name=imitate-ablate
      #SBATCH --array=0-\(grid.cells.count - 1)
      #SBATCH --cpus-per-task=\(cores ?? 4)
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
    try FileManager.default.createDirectory(atPath: grid.folder, withIntermediateDirectories: true)
    try AtomicFile.write(Data(text.utf8), to: path)
    print("\(path): \(grid.cells.count) cells; submit it with sbatch")
  }
}
