import Crypto
import Demonstrations
import Foundation
import Imitation
import Layers
import Tensors

/// What the frozen part of an encoder makes of every frame, worked out once and kept on disk in 16 bits a number.
///
/// A file's name follows from the encoder's weights and settings and from the demonstrations, so that stale rows are never
/// read. When the folder would grow beyond the encoder's limit, the files unused for longest go first.
package final class FrozenRows: Sendable {
  private let data: Data
  private let count: Int
  /// Where each episode's rows begin.
  private let starts: [Int]
  private let lengths: [Int]

  /// The rows of an encoder, read if they are there and made otherwise.
  ///
  /// - Returns: nil when the encoder has nothing frozen, or when its rows would be larger than its limit.
  /// - Throws: what reading demonstrations or writing the file threw; `CancellationError` when `shouldStop` asked.
  package static func open(
    _ encoder: any FrozenEncoder, _ demonstrations: Demonstrations, fingerprints: [DatasetFingerprint], folder: String,
    shouldStop: () -> Bool = { false }, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> FrozenRows? {
    guard let count = encoder.frozenCount else { return nil }
    let lengths = demonstrations.episodes.map(\.length)
    let frames = lengths.reduce(0, +)
    let bytes = frames * count * MemoryLayout<Float16>.size
    guard bytes <= encoder.frozenLimit else { return nil }
    let keys = encoder.frozenKeys
    let identity =
      [encoder.frozenIdentity]
      + fingerprints.map { (["\($0.sha256) \($0.key) \($0.episodes)"] + ($0.linked ?? [])).joined(separator: " ") }
      + keys.images + keys.vectors + demonstrations.episodes.map { "\($0.task) \($0.name) \($0.length)" }
    let name = SHA256.hash(data: Data(identity.joined(separator: "\n").utf8)).prefix(16)
      .map { String(format: "%02x", $0) }.joined()
    let path = "\(folder)/\(name).rows"
    if let known = try? Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped), known.count == bytes {
      try? FileManager.default.setAttributes([.modificationDate: Date()], ofItemAtPath: path)
      progress(frames, frames)
      return FrozenRows(known, count: count, lengths: lengths)
    }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    makeRoom(for: bytes, limit: encoder.frozenLimit, in: folder)
    let chunk = 16
    var done = 0
    try AtomicFile.write(to: path) { file in
      for (episode, length) in lengths.enumerated() {
        for start in stride(from: 0, to: length, by: chunk) {
          if shouldStop() { throw CancellationError() }
          let last = min(length, start + chunk) - 1
          // One window whose last row is `last`: the encoder's past stands before it.
          let batch = try demonstrations.batch(
            [.init(episode: episode, step: last)],
            window: Window(observations: start - last - encoder.history...0, actions: 0...0))
          let rows = encoder.frozen(batch.observations).scalars.map { Float16($0) }
          try rows.withUnsafeBytes { try AtomicFile.append($0, to: file, path: path) }
          done += last - start + 1
          progress(done, frames)
        }
      }
    }
    return FrozenRows(
      try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped), count: count, lengths: lengths)
  }

  private init(_ data: Data, count: Int, lengths: [Int]) {
    self.data = data
    self.count = count
    self.lengths = lengths
    var start = 0
    starts = lengths.map { length in
      defer { start += length }
      return start
    }
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

  /// The rows of some windows, `[windows, rows, count]`; rows beyond an episode repeat its first or last.
  package func rows(_ windows: [WindowSampler.Index], _ range: ClosedRange<Int>) -> Tensor {
    Tensor(shape: [windows.count, range.count, count]) { buffer in
      data.withUnsafeBytes { raw in
        let stored = raw.bindMemory(to: Float16.self)
        var place = 0
        for window in windows {
          for row in range {
            let step = min(max(window.step + row, 0), lengths[window.episode] - 1)
            let from = (starts[window.episode] + step) * count
            for number in 0..<count { buffer[place + number] = Float(stored[from + number]) }
            place += count
          }
        }
      }
    }
  }
}
