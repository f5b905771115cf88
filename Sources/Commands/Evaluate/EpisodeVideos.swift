import Foundation
import ImitationKit
import Reports
import Synchronization

/// The frames of the episodes that are being tried, until each becomes a video.
final class EpisodeVideos: Sendable {
  /// Whose episodes become videos.
  private let policy: String
  private let folder: String
  private let frames = Mutex<[Trial: [Image]]>([:])

  init(of policy: String, folder: String) { (self.policy, self.folder) = (policy, folder) }

  /// - Parameter step: 0 begins the episode again.
  func add(_ trial: Trial, _ step: Int, _ observation: Observation) {
    guard trial.policy == policy, !observation.images.isEmpty else { return }
    // Cameras above one another, so that a strip of moments stays readable.
    let frame = Image.composed(observation.images.sorted { $0.key < $1.key }.map(\.value), columns: 1)
    frames.withLock { $0[trial] = (step == 0 ? [] : $0[trial] ?? []) + [frame] }
  }

  /// Writes the video of an episode that has ended.
  func finish(_ result: EpisodeResult, hertz: Double?) {
    guard let images = frames.withLock({ $0.removeValue(forKey: result.trial) }) else { return }
    do {
      // Without a rate the video has to run at some speed.
      try VideoStrip(images).write(to: folder, result, framesPerSecond: max(1, Int((hertz ?? 20).rounded())))
    } catch {
      // An episode is what it was, with a video or without.
      tell("\(folder): no video: \(error)")
    }
  }
}
