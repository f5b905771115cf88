import Imitation
import Layers
import Tensors

/// Cuts a square out of each frame: anywhere in the training phase, the middle otherwise.
enum Cropping {
  /// `[batch * time, crop, crop, 3]` in 0...1.
  static func frames(_ images: ImageBatch, crop: Int?) -> Tensor {
    let frames = images.batch * images.time
    let size = (height: crop ?? images.size.height, width: crop ?? images.size.width)
    let (freeY, freeX) = (images.size.height - size.height, images.size.width - size.width)
    // robomimic never draws the last offset; neither do we, so that results compare.
    let offsets =
      Phase.withRandom { random in
        (0..<frames).map { _ in (y: freeY > 0 ? random.below(freeY) : 0, x: freeX > 0 ? random.below(freeX) : 0) }
      } ?? Array(repeating: (y: freeY / 2, x: freeX / 2), count: frames)
    return Tensor.images(
      images.pixels, count: frames, height: images.size.height, width: images.size.width, crop: size, offsets: offsets)
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

  public var description: String {
    switch self {
    case .cropTooLarge(let crop, let camera, let size):
      "a crop of \(crop) pixels does not fit camera '\(camera)' of \(size.width)x\(size.height)"
    }
  }
}
