import Foundation
import ImitationKit

/// An array job for Slurm: this program again, once for each task of the array.
struct SlurmArray {
  var name: String
  /// Tasks.
  var count: Int
  /// What the job is, and what to do when it has ended: a comment in the script.
  var comment: String
  /// Cores of one task.
  var cores: Int
  var gigabytes: Int?
  /// The folder of the tasks' logs.
  var folder: String
  /// The command line of each task, after the program's name.
  var arguments: [String]
  /// The end of it, which says which task it is; the shell expands it.
  var task: String

  /// This program with some arguments, for a shell.
  static func command(_ arguments: [String]) -> String {
    ([Bundle.main.executablePath ?? "imitate"] + arguments).map(\.quotedForShell).joined(separator: " ")
  }

  /// - Throws: `CommandFailure` when another file is there.
  func write(to path: String) throws {
    // Relative to where it is submitted otherwise.
    let log = URL(fileURLWithPath: folder).path.replacingOccurrences(of: "%", with: "%%") + "/slurm-%a.log"
    let text = """
      #!/bin/bash
      # \(comment)
      #SBATCH --job-name=\(name)
      #SBATCH --array=0-\(count - 1)
      #SBATCH --cpus-per-task=\(cores)
      \(gigabytes.map { "#SBATCH --mem=\($0)G\n" } ?? "")#SBATCH --output="\(log)"
      #SBATCH --requeue
      set -euo pipefail
      cd \(FileManager.default.currentDirectoryPath.quotedForShell)
      exec \(SlurmArray.command(arguments)) \(task)

      """
    if let old = FileManager.default.contents(atPath: path), old != Data(text.utf8) {
      throw CommandFailure("\(path): is there already and says something else; name another file with --slurm")
    }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try AtomicFile.write(Data(text.utf8), to: path)
  }
}
