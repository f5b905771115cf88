import Foundation

/// Finished episodes, one a line, each on the disk before the next is told of: a killed evaluation loses none.
package final class EpisodeJournal: Sendable {
  private struct Line: Codable {
    /// The checkpoint's step.
    var step: Int
    var episode: EpisodeResult
  }

  private let handle: FileHandle
  private let step: Int

  /// Opens the journal of a run to add to it.
  ///
  /// - Throws: when the file cannot be written.
  package init(folder: String, step: Int) throws {
    self.step = step
    let path = EpisodeJournal.path(folder)
    let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND, 0o644)
    guard descriptor >= 0 else { throw CocoaError(.fileWriteNoPermission, userInfo: [NSFilePathErrorKey: path]) }
    handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    // A line that a kill cut short must not swallow the next one.
    if let text = FileManager.default.contents(atPath: path), let last = text.last, last != 0x0a {
      try handle.write(contentsOf: Data("\n".utf8))
    }
  }

  package static func path(_ folder: String) -> String { folder + "/episodes.jsonl" }

  package func append(_ episode: EpisodeResult) throws {
    let line = try JSONEncoder().encode(Line(step: step, episode: episode))
    // One write a line: lines of two processes do not mix.
    try handle.write(contentsOf: line + Data("\n".utf8))
    try handle.synchronize()
  }

  /// The episodes of one checkpoint, the first of those that were tried twice. Lines that are not whole do not count.
  package static func read(folder: String, step: Int) -> [EpisodeResult] {
    guard let data = FileManager.default.contents(atPath: path(folder)) else { return [] }
    return data.split(separator: 0x0a).compactMap { try? JSONDecoder().decode(Line.self, from: Data($0)) }
      .filter { $0.step == step }.map(\.episode)
  }
}
