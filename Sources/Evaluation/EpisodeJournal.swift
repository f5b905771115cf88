import Files
import Foundation

/// Finished episodes, one a line, each on the disk before the next is reported: a killed evaluation loses none.
package final class EpisodeJournal: Sendable {
  private struct Line: Codable {
    /// The checkpoint's step.
    var step: Int
    var conditions: EvaluationConditions
    var episode: EpisodeResult
  }

  private let file: LineFile
  private let step: Int
  private let conditions: EvaluationConditions

  /// Opens the journal of a run to add to it.
  ///
  /// - Parameters:
  ///   - conditions: what the episodes are tried under.
  ///   - shard: what tells its file from those of other machines; nil for the run's own.
  /// - Throws: `WriteError`.
  package init(folder: String, step: Int, conditions: EvaluationConditions, shard: String? = nil) throws {
    (self.step, self.conditions) = (step, conditions)
    file = try LineFile(path: EpisodeJournal.path(folder, shard: shard))
  }

  package static func path(_ folder: String, shard: String? = nil) -> String {
    folder + "/episodes" + (shard.map { "-\($0)" } ?? "") + ".jsonl"
  }

  /// The run's own journal, which may not be there, and then those of shards.
  package static func paths(_ folder: String) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let shards = names.filter { $0.hasPrefix("episodes-") && $0.hasSuffix(".jsonl") }.sorted()
    return [path(folder)] + shards.map { "\(folder)/\($0)" }
  }

  /// - Throws: `WriteError`.
  package func append(_ episode: EpisodeResult) throws {
    try file.append(Line(step: step, conditions: conditions, episode: episode))
  }

  /// The episodes of one checkpoint under the same conditions, in the order in which they ended, shard by shard. Lines that are not whole do
  /// not count.
  package static func read(folder: String, step: Int, conditions: EvaluationConditions) -> [EpisodeResult] {
    let texts = paths(folder).compactMap { FileManager.default.contents(atPath: $0) }
    let lines = texts.flatMap { $0.split(separator: 0x0a) }
    return lines.compactMap { try? JSONDecoder().decode(Line.self, from: Data($0)) }
      .filter { $0.step == step && $0.conditions == conditions }.map(\.episode)
  }
}
