import Evaluation
import Files
import Foundation
import Media

/// An episode's images: a few moments in one, for the report, and all of them as a video.
package struct VideoStrip: Sendable {
  /// Every observation's cameras side by side, in order.
  package var frames: [Image]

  package init(_ frames: [Image]) {
    self.frames = frames
  }

  /// `count` frames spread evenly from the first to the last, side by side.
  package func image(count: Int = 6) -> Image {
    guard frames.count > count else { return .beside(frames, gap: 2) }
    return .beside((0..<count).map { frames[$0 * (frames.count - 1) / (count - 1)] }, gap: 2)
  }

  /// The file of an episode's strip.
  package static func name(_ result: EpisodeResult) -> String { stem(result) + ".jpg" }
  /// The file of its video.
  package static func video(_ result: EpisodeResult) -> String { stem(result) + ".avi" }

  private static func stem(_ result: EpisodeResult) -> String {
    // Gymnasium's names have a slash: gym_pusht/PushT-v0.
    "\(result.policy)-\(result.task.replacingOccurrences(of: "/", with: "_"))-\(result.episode)"
  }

  /// - Parameter framesPerSecond: of the video.
  package func write(to folder: String, _ result: EpisodeResult, framesPerSecond: Int) throws {
    guard !frames.isEmpty else { return }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try AtomicFile.write(Data(image().jpeg(quality: 80)), to: "\(folder)/\(VideoStrip.name(result))")
    try AtomicFile.write(
      Data(try Image.motionJPEG(frames, framesPerSecond: framesPerSecond)), to: "\(folder)/\(VideoStrip.video(result))")
  }
}
