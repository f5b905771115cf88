import ImitationKit

extension Image {
  /// An image `[height, width, 3]` of values in 0...1.
  init(_ image: Tensor) {
    self.init(
      width: image.shape[1], height: image.shape[0],
      pixels: image.scalars.map { UInt8(min(max($0, 0), 1) * 255 + 0.5) })
  }

  /// Every pixel as a square.
  func enlarged(_ factor: Int) -> Image {
    var pixels: [UInt8] = []
    pixels.reserveCapacity(self.pixels.count * factor * factor)
    for y in 0..<height {
      let row = (0..<width).flatMap { x -> [UInt8] in
        let pixel = Array(self.pixels[(y * width + x) * 3..<(y * width + x + 1) * 3])
        return (0..<factor).flatMap { _ in pixel }
      }
      for _ in 0..<factor { pixels += row }
    }
    return Image(width: width * factor, height: height * factor, pixels: pixels)
  }
}
