import Foundation

/// A small interactive viewer of sets of Gaussians, as a fragment of a page that fetches nothing.
///
/// A set takes 17 bytes a Gaussian, in planes: the means (3 x UInt16, little endian), scales (3 x UInt8), rotations
/// (4 x Int8), colors (3 x UInt8) and opacities (UInt8). 1024 Gaussians are 23.2 kB of base64. How far what is shown
/// may be off:
/// - means: half of 1/65535 of the track's extent along the axis, 8 micrometers a meter;
/// - scales: even in their logarithm between the track's smallest and largest, a factor of
///   exp(log(largest / smallest) / 510), which is 0.9 % where the two are a factor of 100 apart; nothing is smaller
///   than 10 micrometers;
/// - rotations: 1/254 in every part of the unit quaternion, at most a degree;
/// - colors and opacities: 1/510, of what a screen can show: red, green and blue from 0 to 1.
package struct GaussianViewer: Sendable {
  /// One set of Gaussians a moment.
  package struct Track: Sendable {
    package var name: String
    /// Of each Gaussian 14 numbers: the mean (meters; x right, y down, z forward from the recorded camera), the scale
    /// (standard deviations, meters), the rotation (w, x, y, z), the color (coefficients of degree 0) and the opacity.
    package var frames: [[Float]]

    package init(name: String, frames: [[Float]]) {
      self.name = name
      self.frames = frames
    }
  }

  package var tracks: [Track]
  /// Of the recorded camera, in degrees; a view's shorter side spans it.
  package var verticalFieldOfView: Double
  package var framesPerSecond: Int
  /// Names the viewer on its page, for links; random, so that fragments of different runs can share one. The script
  /// finds its viewer by its place instead, so that even the same fragment twice works.
  let identifier = "gaussians-" + UUID().uuidString.lowercased()

  package init(tracks: [Track], verticalFieldOfView: Double, framesPerSecond: Int) {
    precondition(verticalFieldOfView > 0 && verticalFieldOfView < 180 && framesPerSecond > 0)
    precondition(tracks.allSatisfy { $0.frames.allSatisfy { $0.count % 14 == 0 } })
    self.tracks = tracks
    self.verticalFieldOfView = verticalFieldOfView
    self.framesPerSecond = framesPerSecond
  }

  /// What the script reads: no names, so nothing in it can end the script.
  var json: String {
    let packed = tracks.map { PackedTrack($0).json }.joined(separator: ",\n")
    return """
      {"verticalFieldOfView": \(verticalFieldOfView), "framesPerSecond": \(framesPerSecond), "tracks": [
      \(packed)]}
      """
  }
}

/// A track in as few bytes as the eye allows.
private struct PackedTrack {
  /// Values spread evenly over whole numbers from 0.
  struct Range {
    var low = 0.0
    var step = 0.0

    init(_ values: some Sequence<Double>, levels: Double) {
      guard let first = values.first(where: { _ in true }) else { return }
      let (low, high) = values.reduce((first, first)) { (min($0.0, $1), max($0.1, $1)) }
      self.low = low
      step = (high - low) / levels
    }

    func level(_ value: Double) -> Double { step > 0 ? ((value - low) / step).rounded() : 0 }
  }

  var axes: [Range]
  var scale: Range
  var frames: [Data]

  private struct Gaussian {
    var mean: [Double]
    var logScale: [Double]
    var rotation: [Double]
    var color: [Double]
    var opacity: Double

    /// Nil for what cannot be drawn.
    init?(_ numbers: ArraySlice<Float>) {
      let all = numbers.map(Double.init)
      let length = all[6..<10].reduce(0) { $0 + $1 * $1 }.squareRoot()
      guard all.allSatisfy(\.isFinite), length > 0, all[13] > 0 else { return nil }
      mean = Array(all[0..<3])
      logScale = all[3..<6].map { log(max($0, 1e-5)) }
      rotation = all[6..<10].map { $0 / length }
      color = all[10..<13].map { min(max(0.28209479177387814 * $0 + 0.5, 0), 1) }
      opacity = min(all[13], 1)
    }
  }

  init(_ track: GaussianViewer.Track) {
    let frames = track.frames.map { numbers in
      stride(from: 0, to: numbers.count, by: 14).map { Gaussian(numbers[$0..<$0 + 14]) }
    }
    let drawn = frames.joined().compactMap(\.self)
    let axes = (0..<3).map { axis in Range(drawn.lazy.map { $0.mean[axis] }, levels: 65535) }
    let scale = Range(drawn.lazy.flatMap(\.logScale), levels: 255)
    self.axes = axes
    self.scale = scale
    self.frames = frames.map { PackedTrack.packed($0, axes, scale) }
  }

  /// What cannot be drawn keeps its place, with an opacity of 0.
  private static func packed(_ gaussians: [Gaussian?], _ axes: [Range], _ scale: Range) -> Data {
    var (means, scales, rotations, colors, opacities) = (Data(), Data(), Data(), Data(), Data())
    for gaussian in gaussians {
      for axis in 0..<3 {
        let level = UInt16(gaussian.map { axes[axis].level($0.mean[axis]) } ?? 0)
        means.append(contentsOf: [UInt8(level & 255), UInt8(level >> 8)])
        scales.append(UInt8(gaussian.map { scale.level($0.logScale[axis]) } ?? 0))
        colors.append(UInt8(gaussian.map { ($0.color[axis] * 255).rounded() } ?? 0))
      }
      for part in 0..<4 {
        let level = Int8(gaussian.map { ($0.rotation[part] * 127).rounded() } ?? (part == 0 ? 127 : 0))
        rotations.append(UInt8(bitPattern: level))
      }
      opacities.append(UInt8(gaussian.map { ($0.opacity * 255).rounded() } ?? 0))
    }
    return means + scales + rotations + colors + opacities
  }

  var json: String {
    let images = frames.map { "\"\($0.base64EncodedString())\"" }.joined(separator: ",\n")
    return """
      {"low": \(axes.map(\.low)), "step": \(axes.map(\.step)),
      "scaleLow": \(scale.low), "scaleStep": \(scale.step), "frames": [
      \(images)]}
      """
  }
}
