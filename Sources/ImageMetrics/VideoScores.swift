import Tensors

/// Image metrics of predicted clips against recorded ones, step by step and over all clips.
package struct VideoScores {
  private var clips = 0
  private var (psnr, ssim): ([Double], [Double])
  private var distances = 0.0
  private var features: [[Double]] = []
  private let perceptual: LPIPS?
  private let video: VideoDistance?

  /// - Parameter steps: predicted frames of a clip. A network that is nil leaves its metric out.
  package init(steps: Int, perceptual: LPIPS?, video: VideoDistance?) {
    (psnr, ssim) = (Array(repeating: 0, count: steps), Array(repeating: 0, count: steps))
    self.perceptual = perceptual
    self.video = video
  }

  /// Adds one clip: frames as predicted and as recorded, `[steps, height, width, 3]` in 0...1, and recorded ones before them,
  /// which count as part of the video.
  package mutating func add(_ frames: Tensor, truth: Tensor, past: Tensor) {
    for step in psnr.indices {
      func one(_ all: Tensor) -> Tensor { all.sliced(axis: 0, step..<step + 1).squeezed(0) }
      psnr[step] += ImageMetrics.psnr(one(frames), one(truth))
      ssim[step] += ImageMetrics.ssim(one(frames), one(truth))
    }
    if let perceptual { distances += perceptual.distances(frames, truth).reduce(0, +) / Double(psnr.count) }
    if let video { features.append(video.features(Tensor.concatenated([past, frames], axis: 0))) }
    clips += 1
  }

  /// Mean decibels of each step.
  package var psnrByStep: [Double] { psnr.map { $0 / Double(clips) } }
  /// Mean structural similarity of each step.
  package var ssimByStep: [Double] { ssim.map { $0 / Double(clips) } }
  /// The mean over steps and clips; nil without its network.
  package var lpips: Double? { perceptual.map { _ in distances / Double(clips) } }

  /// The Fréchet distance of the clips from recorded ones by the network's features, a row each; nil without it.
  package func fvd(_ recorded: [[Double]]) -> Double? {
    features.isEmpty ? nil : VideoDistance.distance(recorded, features)
  }
}
