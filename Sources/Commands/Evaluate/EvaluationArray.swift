/// An array job that tries the episodes of an evaluation in parts.
struct EvaluationArray {
  let folder: String
  let parts: Int
  /// Of one part.
  let cores: Int

  /// Writes the job for the command line that this process was started with.
  /// - Throws: `CommandFailure` when another file is there.
  func write(to path: String, commandLine: [String] = CommandLine.arguments) throws {
    let arguments = EvaluationArray.without(["--slurm", "--shards"], Array(commandLine.dropFirst()))
    try SlurmArray(
      name: "imitate-evaluate", count: parts,
      comment: "\(parts) parts of an evaluation; then: \(SlurmArray.command(arguments))", cores: cores,
      folder: folder, arguments: EvaluationArray.without(["--workers"], arguments) + ["--workers", "\(cores)"],
      task: "--shard \"$((SLURM_ARRAY_TASK_ID + 1))/\(parts)\""
    ).write(to: path)
    print("\(path): \(parts) parts; submit it with sbatch, then evaluate without it")
  }

  /// Arguments without some options and their values.
  static func without(_ options: [String], _ arguments: [String]) -> [String] {
    var kept: [String] = []
    var isValue = false
    for argument in arguments {
      if isValue {
        isValue = false
      } else if options.contains(argument) {
        isValue = true
      } else if !options.contains(where: { argument.hasPrefix($0 + "=") }) {
        kept.append(argument)
      }
    }
    return kept
  }
}
