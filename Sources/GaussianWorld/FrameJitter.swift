import Imitation
import Tensors

/// How far augmented variants of frames differ from what was recorded.
public struct FrameJitter: PluginOptions {
  @Key("How far images are shifted, at most, to each side; whole pixels. Depths and calibrations follow.", 0...64)
  public var shift = 2
  @Key("Colors are multiplied by 1, plus or minus at most this.", 0...1) public var brightness: Float = 0.2
  @Key("The same for distances from middle gray.", 0...1) public var contrast: Float = 0.2
  @Key("The same for distances from the pixel's own gray.", 0...1) public var saturation: Float = 0.2

  /// Images shifted by up to two pixels, colors changed by up to a fifth.
  public init() {}

  /// What tells rows of these settings from others.
  var identity: String { " jitter \(shift) \(brightness) \(contrast) \(saturation)" }

  /// What a variant has, the same whenever it is asked for; nil of the frames as they were recorded.
  package func drawn(_ variant: FrameVariant, cameras: Int) -> DrawnJitter? {
    guard variant.number > 0 else { return nil }
    var random = variant.random
    func factor(_ most: Float) -> Float { Float(random.uniform(Double(1 - most)...Double(1 + most))) }
    func pixels() -> Int { random.below(2 * shift + 1) - shift }
    return DrawnJitter(
      brightness: factor(brightness), contrast: factor(contrast), saturation: factor(saturation),
      shifts: (0..<cameras).map { _ in (x: pixels(), y: pixels()) })
  }
}

/// One way to augment what some cameras see: the same light for all, each camera shifted by itself.
package struct DrawnJitter {
  package let brightness, contrast, saturation: Float
  /// By camera, in pixels to the right and down.
  package let shifts: [(x: Int, y: Int)]

  /// Frames of bytes, shifted and recolored.
  package func pixels(_ bytes: [UInt8], _ size: ObservationSchema.ImageSize, camera: Int) -> [UInt8] {
    var result = shifted(bytes, size, channels: 3, camera: camera)
    for start in stride(from: 0, to: result.count, by: 3) {
      func changed(_ channel: Int) -> Float {
        (Float(result[start + channel]) * brightness - 127.5) * contrast + 127.5
      }
      let (red, green, blue) = (changed(0), changed(1), changed(2))
      let gray = 0.299 * red + 0.587 * green + 0.114 * blue
      for (channel, value) in [red, green, blue].enumerated() {
        result[start + channel] = UInt8(min(max(gray + (value - gray) * saturation, 0), 255).rounded())
      }
    }
    return result
  }

  /// Frames shifted; the edge is repeated where nothing was seen.
  package func shifted<Value>(
    _ values: [Value], _ size: ObservationSchema.ImageSize, channels: Int, camera: Int
  ) -> [Value] {
    let (shift, frame) = (shifts[camera], size.height * size.width * channels)
    var result = values
    for start in stride(from: 0, to: values.count, by: frame) {
      for y in 0..<size.height {
        let row = start + min(max(y - shift.y, 0), size.height - 1) * size.width * channels
        for x in 0..<size.width {
          let (from, to) = (min(max(x - shift.x, 0), size.width - 1), start + (y * size.width + x) * channels)
          for channel in 0..<channels { result[to + channel] = values[row + from * channels + channel] }
        }
      }
    }
    return result
  }

  /// Calibrations of the shifted images: the center moves along, so that what is seen stays where it is.
  package func calibrations(_ rows: [Float], camera: Int) -> [Float] {
    var result = rows
    for start in stride(from: 0, to: rows.count, by: CameraCalibration.width) {
      result[start + 2] += Float(shifts[camera].x)
      result[start + 3] += Float(shifts[camera].y)
    }
    return result
  }
}
