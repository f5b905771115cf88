import Files
import Foundation
import Imitation

/// Episodes in memory: what was just recorded, or comes from files that no reader knows.
public struct MemoryEpisodes: EpisodeReader {
  public let schema: ObservationSchema
  public let actionLayout: ActionLayout
  public private(set) var episodes: [Episode] = []
  public var heldOut: Set<Int> = []
  /// What the numbers mean.
  public var recorded: RecordedSchema
  private var rows: [Rows] = []

  private struct Rows: Sendable {
    var images: [String: [UInt8]] = [:]
    var vectors: [String: [Float]] = [:]
    var actions: [Float] = []
    var rewards: [Float]
  }

  /// No episodes yet.
  ///
  /// - Parameters:
  ///   - schema: the keys that every observation has.
  ///   - actionWidth: numbers of an action.
  ///   - actions: what they mean, as far as it is known.
  public init(schema: ObservationSchema, actionWidth: Int, actions: ActionSchema? = nil) {
    self.schema = schema
    actionLayout = .whole(width: actionWidth)
    recorded = RecordedSchema(actions: actions ?? .unknown(width: actionWidth))
  }

  /// Adds an episode.
  ///
  /// - Parameters:
  ///   - observations: one before each action; what the schema does not name is left out.
  ///   - actions: one for each observation.
  ///   - rewards: one for each action; 1 for the last and 0 before it when nil.
  /// - Throws: `MemoryEpisodesError`.
  public mutating func append(
    task: String, _ observations: [Observation], actions: [[Float]], rewards: [Float]? = nil
  ) throws {
    let length = actions.count
    func check(_ what: String, _ expected: Int, _ found: Int) throws {
      guard expected == found else {
        throw MemoryEpisodesError(episode: episodes.count, what: what, expected: expected, found: found)
      }
    }
    guard length > 0 else { throw MemoryEpisodesError(episode: episodes.count, what: "steps", expected: 1, found: 0) }
    try check("observations", length, observations.count)
    let rewards = rewards ?? (0..<length).map { $0 == length - 1 ? 1 : 0 }
    try check("rewards", length, rewards.count)
    var rows = Rows(rewards: rewards)
    for (observation, action) in zip(observations, actions) {
      try check("numbers of an action", actionLayout.width, action.count)
      rows.actions += action
      for (key, size) in schema.images {
        let pixels = observation.images[key]?.pixels ?? []
        try check("bytes of '\(key)'", size.height * size.width * 3, pixels.count)
        rows.images[key, default: []] += pixels
      }
      for (key, width) in schema.vectors {
        let values = observation.vectors[key] ?? []
        try check("numbers of '\(key)'", width, values.count)
        rows.vectors[key, default: []] += values
      }
    }
    self.rows.append(rows)
    episodes.append(
      Episode(
        name: "demo_\(episodes.count)", file: "memory", task: task, instruction: observations[0].instruction,
        length: length))
  }

  public func recordedSchema() -> RecordedSchema { recorded }

  public func fingerprints() -> [DatasetFingerprint] {
    var tasks: [String] = []
    for episode in episodes where !tasks.contains(episode.task) { tasks.append(episode.task) }
    return tasks.map { task in
      var hash = SHA256()
      var bytes = 0
      func add<Value>(_ values: [Value]) {
        values.withUnsafeBytes {
          hash.update($0)
          bytes += $0.count
        }
      }
      for (episode, rows) in zip(episodes, rows) where episode.task == task {
        hash.update(Data("\(episode.instruction)\n\(episode.length)\n".utf8))
        for key in schema.imageKeys { add(rows.images[key]!) }
        for key in schema.vectorKeys { add(rows.vectors[key]!) }
        add(rows.actions)
        add(rows.rewards)
      }
      return DatasetFingerprint(
        task: task, file: "memory", bytes: bytes, sha256: hash.finalize().hexadecimal, key: "all",
        episodes: episodes.count { $0.task == task })
    }
  }

  public func images(_ key: String, episode: Int, rows wanted: [Int]) -> [UInt8] {
    let size = schema.images[key]!
    let frame = size.height * size.width * 3
    return wanted.flatMap { rows[episode].images[key]![$0 * frame..<($0 + 1) * frame] }
  }

  public func vectors(_ key: String, episode: Int) -> [Float] { rows[episode].vectors[key]! }
  public func actions(episode: Int) -> [Float] { rows[episode].actions }
  public func rewards(episode: Int) -> [Float] { rows[episode].rewards }
}

/// An episode whose parts do not have the sizes that they must have.
public struct MemoryEpisodesError: Error, Equatable, CustomStringConvertible {
  /// Which one, counted from 0.
  public var episode: Int
  /// What is counted.
  public var what: String
  /// How many there must be, and how many there are.
  public var expected, found: Int

  public var description: String { "episode \(episode): \(found) \(what), not \(expected)" }
}
