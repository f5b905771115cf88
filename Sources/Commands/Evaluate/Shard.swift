import ArgumentParser
import ImitationKit

/// One of some parts of an evaluation, each of which another machine may try: `3/16`.
struct Shard: ExpressibleByArgument, Sendable, CustomStringConvertible {
  /// From 1.
  var number: Int
  var count: Int

  init?(argument: String) {
    let parts = argument.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let number = parts[0], let count = parts[1], (1...10000).contains(count),
      (1...count).contains(number)
    else { return nil }
    (self.number, self.count) = (number, count)
  }

  var description: String { "\(number)-of-\(count)" }

  /// Every `count`-th, so that each shard has episodes of all tasks.
  func part(of trials: [Trial]) -> [Trial] {
    trials.enumerated().filter { $0.offset % count == number - 1 }.map(\.element)
  }
}

/// The parts that an evaluation is divided into.
struct ShardOptions: ParsableArguments {
  @Option(
    help: "Try one part of the episodes only, as in 3/16; evaluating without it puts all parts together.")
  var shard: Shard?
  @Option(help: "Write a Slurm array job here that tries the episodes in parts, and try none.") var slurm: String?
  @Option(help: "How many parts the array job has.") var shards = 8

  func validate() throws {
    try requirePositive(("shards", shards))
    guard slurm == nil || shard == nil else { throw ValidationError("--slurm and --shard do not go together") }
  }

  /// Writes an array job where one was asked for.
  /// - Throws: `CommandFailure` when another file is there.
  func writesArray(of folder: RunFolder, _ workers: WorkerOptions) throws -> Bool {
    guard let slurm else { return false }
    try EvaluationArray(folder: folder.path, parts: shards, cores: workers.count ?? 4).write(to: slurm)
    return true
  }
}
