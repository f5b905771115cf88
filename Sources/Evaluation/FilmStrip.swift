import Foundation
import Imitation
import Layers

/// A few moments of an episode in one picture, for the report.
package struct FilmStrip: Sendable {
  /// Every observation's cameras side by side, in order.
  package var frames: [Image]

  package init(_ frames: [Image]) {
    self.frames = frames
  }

  /// `count` frames spread evenly from the first to the last, side by side.
  package func picture(count: Int = 6) -> Image {
    guard frames.count > count else { return .beside(frames, gap: 2) }
    return .beside((0..<count).map { frames[$0 * (frames.count - 1) / (count - 1)] }, gap: 2)
  }

  /// The file of an episode's strip.
  package static func name(_ result: EpisodeResult) -> String {
    "\(result.policy)-\(result.task)-\(result.episode).jpg"
  }

  package func write(to folder: String, _ result: EpisodeResult) throws {
    guard !frames.isEmpty else { return }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try AtomicFile.write(Data(picture().jpeg(quality: 80)), to: "\(folder)/\(FilmStrip.name(result))")
  }
}
