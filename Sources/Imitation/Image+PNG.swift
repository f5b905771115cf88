import CZlib

extension Image {
  private static let signature: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

  /// The picture as a PNG file: each row as differences from the one above, deflated.
  public func png() -> [UInt8] {
    Image.signature + header + Image.chunk("IDAT", deflated) + Image.chunk("IEND", [])
  }

  /// Pictures of one size as an animated PNG file, which browsers and most viewers play, over and over.
  public static func animatedPNG(_ frames: [Image], framesPerSecond: Int) -> [UInt8] {
    precondition(!frames.isEmpty && framesPerSecond > 0, "animatedPNG: \(frames.count) frames")
    precondition(
      frames.allSatisfy { $0.width == frames[0].width && $0.height == frames[0].height }, "animatedPNG: sizes differ")
    var file = signature + frames[0].header + chunk("acTL", bigEndian(frames.count) + bigEndian(0))
    var number = 0
    func next() -> [UInt8] {
      defer { number += 1 }
      return bigEndian(number)
    }
    for (index, frame) in frames.enumerated() {
      let delay = Array(bigEndian(1).suffix(2) + bigEndian(framesPerSecond).suffix(2))
      let place = bigEndian(frame.width) + bigEndian(frame.height) + bigEndian(0) + bigEndian(0)
      file += chunk("fcTL", next() + place + delay + [0, 0])
      // The first frame is what a viewer without animation shows.
      file += index == 0 ? chunk("IDAT", frame.deflated) : chunk("fdAT", next() + frame.deflated)
    }
    return file + chunk("IEND", [])
  }

  private var header: [UInt8] {
    Image.chunk("IHDR", Image.bigEndian(width) + Image.bigEndian(height) + [8, 2, 0, 0, 0])
  }

  private var deflated: [UInt8] {
    var rows: [UInt8] = []
    rows.reserveCapacity(height * (width * 3 + 1))
    let run = width * 3
    for y in 0..<height {
      rows.append(2)  // filter "up"
      for x in 0..<run { rows.append(pixels[y * run + x] &- (y > 0 ? pixels[(y - 1) * run + x] : 0)) }
    }
    var size = compressBound(UInt(rows.count))
    var packed = [UInt8](repeating: 0, count: Int(size))
    compress2(&packed, &size, rows, UInt(rows.count), 6)
    return Array(packed.prefix(Int(size)))
  }

  private static func bigEndian(_ value: Int) -> [UInt8] {
    withUnsafeBytes(of: UInt32(value).bigEndian) { Array($0) }
  }

  private static func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
    let body = Array(name.utf8) + data
    return bigEndian(data.count) + body + bigEndian(Int(crc32(0, body, UInt32(body.count))))
  }
}
