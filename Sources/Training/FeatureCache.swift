import Files
import Foundation
import Imitation
import Layers
import Tensors

/// Demonstrations with what an encoder's frozen part makes of every frame and its variants, computed once and kept in a file.
///
/// Float16, a row after the other, a variant after the other, mapped into memory. The file's name says what the rows depend on, so that stale rows are never
/// read. When the folder would grow beyond the encoder's limit, the files unused for longest go first.
package final class FeatureCache: EpisodeReader {
  private let base: any EpisodeReader
  private let data: Data
  private let count: Int
  /// Where each episode's rows begin.
  private let starts: [Int]
  private let lengths: [Int]

  /// The rows of an encoder, read if they are there and made otherwise.
  ///
  /// - Parameters:
  ///   - reader: what tells how files were read, where that is not the usual way.
  ///   - seed: of the variants.
  /// - Returns: nil when the encoder has nothing frozen, or when its rows would be larger than its limit.
  /// - Throws: what the reader or the file threw; `CancellationError` when `shouldStop` asked.
  package static func open(
    _ encoder: any FrozenEncoder, _ base: any EpisodeReader, fingerprints: [DatasetFingerprint], reader: String? = nil,
    seed: UInt64 = 0, folder: String, shouldStop: () -> Bool = { false },
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> FeatureCache? {
    guard let count = encoder.frozenCount else { return nil }
    let lengths = base.episodes.map(\.length)
    let frames = lengths.reduce(0, +)
    let variants = encoder.frozenVariants
    let bytes = variants * frames * count * MemoryLayout<Float16>.size
    guard bytes <= encoder.frozenLimit else { return nil }
    let keys = encoder.frozenKeys
    let identity =
      [encoder.frozenIdentity]
      + fingerprints.map { (["\($0.sha256) \($0.key) \($0.episodes)"] + ($0.linked ?? [])).joined(separator: " ") }
      + keys.images + keys.vectors + base.episodes.map { "\($0.task) \($0.name) \($0.length)" }
      + (reader.map { ["reader \($0)"] } ?? []) + (variants > 1 ? ["variants \(variants) of seed \(seed)"] : [])
    let name = SHA256.hash(Data(identity.joined(separator: "\n").utf8)).hexadecimal.prefix(32)
    let path = "\(folder)/\(name).rows"
    if let known = try? Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped), known.count == bytes {
      try? FileManager.default.setAttributes([.modificationDate: Date()], ofItemAtPath: path)
      progress(variants * frames, variants * frames)
      return FeatureCache(base, known, count: count, lengths: lengths)
    }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    makeRoom(for: bytes, limit: encoder.frozenLimit, in: folder)
    let chunk = 16
    var done = 0
    try AtomicFile.write(to: path) { file in
      for (variant, (episode, length)) in (0..<variants).flatMap({ variant in lengths.enumerated().map { (variant, $0) }
      }) {
        let seen = variant == 0 ? nil : [FrameVariant(variant, of: base.episodes[episode], seed: seed)]
        for start in stride(from: 0, to: length, by: chunk) {
          if shouldStop() { throw CancellationError() }
          let last = min(length, start + chunk) - 1
          // One window whose last row is `last`: the encoder's past stands before it.
          var observations = try base.batch(
            [.init(episode: episode, step: last)],
            window: Window(observations: start - last - encoder.history...0, actions: 0...0), variants: seen
          ).observations
          observations.unnormalized = observations.vectors
          let rows = encoder.frozen(observations).scalars.map { Float16($0) }
          try rows.withUnsafeBytes { try AtomicFile.append($0, to: file, path: path) }
          done += last - start + 1
          progress(done, variants * frames)
        }
      }
    }
    let rows = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
    return FeatureCache(base, rows, count: count, lengths: lengths)
  }

  private init(_ base: any EpisodeReader, _ data: Data, count: Int, lengths: [Int]) {
    self.base = base
    self.data = data
    self.count = count
    self.lengths = lengths
    starts = lengths.reduce(into: [0]) { $0.append($0.last! + $1) }
  }

  /// Removes what killed processes left half-written, and the files that were used longest ago until `bytes` more fit.
  private static func makeRoom(for bytes: Int, limit: Int, in folder: String) {
    let manager = FileManager.default
    let all = (try? manager.contentsOfDirectory(atPath: folder)) ?? []
    for name in all where name.hasSuffix(".partial") {
      let writer = name.split(separator: ".").dropLast().last.flatMap { Int32($0) }
      if let writer, kill(writer, 0) != 0 { try? manager.removeItem(atPath: "\(folder)/\(name)") }
    }
    var files = all.filter { $0.hasSuffix(".rows") }.compactMap { name -> (path: String, date: Date, size: Int)? in
      let path = "\(folder)/\(name)"
      guard let facts = try? manager.attributesOfItem(atPath: path), let date = facts[.modificationDate] as? Date,
        let size = facts[.size] as? Int
      else { return nil }
      return (path, date, size)
    }.sorted { $0.date < $1.date }
    var total = files.reduce(bytes) { $0 + $1.size }
    while total > limit, !files.isEmpty {
      let oldest = files.removeFirst()
      try? manager.removeItem(atPath: oldest.path)
      total -= oldest.size
    }
  }

  package func frozenFeatures(_ steps: [EpisodeStep], rows: ClosedRange<Int>, variants: [Int]) -> Tensor? {
    Tensor(shape: [steps.count, rows.count, count]) { buffer in
      data.withUnsafeBytes { raw in
        let stored = raw.bindMemory(to: Float16.self)
        var place = 0
        for (present, variant) in zip(steps, variants) {
          for row in rows {
            // Rows beyond an episode repeat its first or last.
            let step = min(max(present.step + row, 0), lengths[present.episode] - 1)
            let from = (variant * starts[lengths.count] + starts[present.episode] + step) * count
            for number in 0..<count { buffer[place + number] = Float(stored[from + number]) }
            place += count
          }
        }
      }
    }
  }

  // All else is the demonstrations'.
  package var schema: ObservationSchema { base.schema }
  package var actionLayout: ActionLayout { base.actionLayout }
  package var episodes: [Episode] { base.episodes }
  package var heldOut: Set<Int> { base.heldOut }
  package var notes: [String] { base.notes }
  package func fingerprints() throws -> [DatasetFingerprint] { try base.fingerprints() }
  package func recordedSchema() throws -> RecordedSchema { try base.recordedSchema() }
  package func images(_ key: String, episode: Int, rows: [Int]) throws -> [UInt8] {
    try base.images(key, episode: episode, rows: rows)
  }
  package func copyImages(
    _ key: String, episode: Int, rows: [Int], to target: UnsafeMutableBufferPointer<UInt8>
  ) throws { try base.copyImages(key, episode: episode, rows: rows, to: target) }
  package func vectors(_ key: String, episode: Int) throws -> [Float] { try base.vectors(key, episode: episode) }
  package func vectors(_ key: String, episode: Int, rows: Range<Int>) throws -> [Float] {
    try base.vectors(key, episode: episode, rows: rows)
  }
  package func actions(episode: Int) throws -> [Float] { try base.actions(episode: episode) }
  package func rewards(episode: Int) throws -> [Float] { try base.rewards(episode: episode) }
}
