extension Tensor {
  /// 8-bit images `[count, height, width, 3]` as numbers in 0...1 of the same shape, a constant.
  public static func images(_ pixels: ByteTensor) -> Tensor {
    images(
      pixels, crop: (pixels.shape[1], pixels.shape[2]), offsets: Array(repeating: (0, 0), count: pixels.shape[0]))
  }

  /// 8-bit images `[count, height, width, 3]` as numbers in 0...1, each cropped at its own offset:
  /// `[count, crop.height, crop.width, 3]`, a constant.
  public static func images(
    _ pixels: ByteTensor, crop: (height: Int, width: Int), offsets: [(y: Int, x: Int)]
  ) -> Tensor {
    precondition(
      pixels.shape.count == 4 && pixels.shape[3] == 3 && offsets.count == pixels.shape[0],
      "images: \(offsets.count) offsets for bytes of shape \(pixels.shape)")
    let (height, width) = (pixels.shape[1], pixels.shape[2])
    precondition(
      offsets.allSatisfy { $0.y >= 0 && $0.x >= 0 && $0.y + crop.height <= height && $0.x + crop.width <= width },
      "images: a crop of \(crop.width)x\(crop.height) leaves images of \(width)x\(height)")
    let isOne = offsets.allSatisfy { $0 == offsets[0] }
    return GraphTrace.operation(
      isOne ? "images" : "images, each cropped elsewhere", of: pixels.bytes,
      [
        "height": .int(height), "width": .int(width), "crop": .ints([crop.height, crop.width]),
        "offset": .ints([offsets.first?.y ?? 0, offsets.first?.x ?? 0]),
      ]
    ) { Device.backend.images(pixels, crop: crop, offsets: offsets) }
  }
}
