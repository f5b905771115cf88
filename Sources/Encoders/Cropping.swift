import Imitation
import Tensors

/// A camera's frames with a square to cut out of each: anywhere in the training phase, the center otherwise.
package struct CroppedFrames {
  private let images: ImageBatch
  private let size: (height: Int, width: Int)
  private let offsets: [(y: Int, x: Int)]

  /// - Parameter crop: the square's side; the whole frame when nil.
  package init(_ images: ImageBatch, crop: Int?) {
    self.images = images
    let frames = images.batch * images.time
    size = (height: crop ?? images.size.height, width: crop ?? images.size.width)
    let (freeY, freeX) = (images.size.height - size.height, images.size.width - size.width)
    // robomimic never draws the last offset; neither do we, so that results compare.
    offsets =
      Phase.withRandom { random in
        (0..<frames).map { _ in (y: freeY > 0 ? random.below(freeY) : 0, x: freeX > 0 ? random.below(freeX) : 0) }
      } ?? Array(repeating: (y: freeY / 2, x: freeX / 2), count: frames)
  }

  /// `[frames, crop, crop, 3]` in 0...1.
  package var colors: Tensor {
    Tensor.images(images.frames, crop: size, offsets: offsets)
  }

  /// The same squares of what is known of each pixel: `[frames, pixels, channels]` to `[frames, crop, crop, channels]`.
  package func squares(of map: Tensor) -> Tensor {
    let channels = map.shape[2]
    if let offset = offsets.first, offsets.allSatisfy({ $0 == offset }) {
      return map.reshaped([offsets.count, images.size.height, images.size.width, channels])
        .sliced(axis: 1, offset.y..<offset.y + size.height).sliced(axis: 2, offset.x..<offset.x + size.width)
    }
    return Tensor(shape: [offsets.count, size.height, size.width, channels]) { buffer in
      map.withUnsafeBufferPointer { from in
        let run = size.width * channels
        for (frame, offset) in offsets.enumerated() {
          for row in 0..<size.height {
            let start = ((frame * images.size.height + offset.y + row) * images.size.width + offset.x) * channels
            (buffer.baseAddress! + (frame * size.height + row) * run).update(
              from: from.baseAddress! + start, count: run)
          }
        }
      }
    }
  }

  /// - Throws: `EncoderError` when a camera is smaller than the crop.
  static func check(_ crop: Int?, schema: ObservationSchema) throws {
    guard let crop else { return }
    for (key, size) in schema.images where crop > min(size.height, size.width) {
      throw EncoderError.cropTooLarge(crop: crop, camera: key, size: size)
    }
  }
}

/// The range that a trunk sees pixels in.
public enum PixelRange: String, CaseIterable, SettingValue {
  /// 0...1, as robomimic.
  case unit
  /// -1...1, as Diffusion Policy.
  case signed

  /// - Parameter frames: in 0...1.
  func callAsFunction(_ frames: Tensor) -> Tensor { self == .unit ? frames : frames * 2 - 1 }
}

/// An encoder that does not fit what there is to see.
public enum EncoderError: Error, Equatable, CustomStringConvertible {
  /// A crop that does not fit into a camera's images.
  case cropTooLarge(crop: Int, camera: String, size: ObservationSchema.ImageSize)
  /// No camera at all, where there must be one.
  case noCamera(encoder: String)
  /// A workspace that nothing lies in.
  case emptyWorkspace(encoder: String)
  /// Depths or a calibration without their camera's images.
  case missingImage(String, of: String, encoder: String)

  public var description: String {
    switch self {
    case .cropTooLarge(let crop, let camera, let size):
      "a crop of \(crop) pixels does not fit camera '\(camera)' of \(size.width)x\(size.height)"
    case .noCamera(let encoder): "'\(encoder)' needs a camera: name its images under observations.images"
    case .emptyWorkspace(let encoder):
      "'\(encoder)' sees nothing in the first batch: no pixel of known depth lies in its workspace (meters in the robot's base frame)"
    case .missingImage(let image, let key, let encoder):
      "'\(encoder)' needs '\(image)' with '\(key)': name it under observations.images"
    }
  }
}
