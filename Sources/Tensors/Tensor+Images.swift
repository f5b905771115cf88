extension Tensor {
  /// 8-bit images `[count, height, width, 3]` as numbers in 0...1, each cropped at its own offset:
  /// `[count, crop.height, crop.width, 3]`, a constant.
  public static func images(
    _ pixels: [UInt8], count: Int, height: Int, width: Int, crop: (height: Int, width: Int), offsets: [(y: Int, x: Int)]
  ) -> Tensor {
    precondition(
      pixels.count == count * height * width * 3 && offsets.count == count,
      "images: \(pixels.count) bytes and \(offsets.count) offsets for \(count) images of \(width)x\(height)")
    precondition(
      offsets.allSatisfy { $0.y >= 0 && $0.x >= 0 && $0.y + crop.height <= height && $0.x + crop.width <= width },
      "images: a crop of \(crop.width)x\(crop.height) leaves images of \(width)x\(height)")
    let isOne = offsets.allSatisfy { $0 == offsets[0] }
    return GraphTrace.operation(
      isOne ? "images" : "images, each cropped elsewhere", of: pixels,
      [
        "height": .int(height), "width": .int(width), "crop": .ints([crop.height, crop.width]),
        "offset": .ints([offsets.first?.y ?? 0, offsets.first?.x ?? 0]),
      ]
    ) {
      Device.backend.images(pixels, count: count, height: height, width: width, crop: crop, offsets: offsets)
    }
  }
}
