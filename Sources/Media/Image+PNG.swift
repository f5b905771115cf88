import CZlib
import Tensors

extension Image {
  static let signature: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

  /// The image as a PNG file: each row as differences from the one above, deflated.
  public func png() -> [UInt8] {
    Image.signature + header + Image.chunk("IDAT", deflated(level: 6)) + Image.chunk("IEND", [])
  }

  /// Images of one size as an animated PNG file, which browsers and most viewers play, over and over.
  public static func animatedPNG(_ frames: [Image], framesPerSecond: Int) -> [UInt8] {
    var writer = AnimatedPNG(count: frames.count, framesPerSecond: framesPerSecond)
    return writer.chunks(frames) + writer.end
  }

  fileprivate var header: [UInt8] {
    Image.chunk("IHDR", Image.bigEndian(width) + Image.bigEndian(height) + [8, 2, 0, 0, 0])
  }

  fileprivate func deflated(level: Int32) -> [UInt8] {
    var rows: [UInt8] = []
    rows.reserveCapacity(height * (width * 3 + 1))
    let run = width * 3
    for y in 0..<height {
      rows.append(2)  // filter "up"
      for x in 0..<run { rows.append(pixels[y * run + x] &- (y > 0 ? pixels[(y - 1) * run + x] : 0)) }
    }
    var size = compressBound(UInt(rows.count))
    var packed = [UInt8](repeating: 0, count: Int(size))
    compress2(&packed, &size, rows, UInt(rows.count), level)
    return Array(packed.prefix(Int(size)))
  }

  fileprivate static func bigEndian(_ value: Int) -> [UInt8] {
    withUnsafeBytes(of: UInt32(value).bigEndian) { Array($0) }
  }

  fileprivate static func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
    let body = Array(name.utf8) + data
    return bigEndian(data.count) + body + bigEndian(Int(crc32(0, body, UInt32(body.count))))
  }
}

/// An animated PNG file written a few frames at a time.
public struct AnimatedPNG {
  private let count: Int
  /// Seconds a frame, as a fraction.
  private let delay: (above: Int, below: Int)
  private let level: Int32
  private var size: (width: Int, height: Int)?
  /// Of control and data chunks together.
  private var number = 0

  /// - Parameters:
  ///   - count: how many frames there will be; the file says so at its start.
  ///   - every: for how many frames of that rate each of them stands.
  ///   - level: zlib's, 1 (fast) to 9 (small).
  public init(count: Int, framesPerSecond: Int, every: Int = 1, level: Int32 = 6) {
    precondition(count > 0 && framesPerSecond > 0 && every > 0, "AnimatedPNG: \(count) frames")
    self.count = count
    // Two bytes each.
    delay = (min(every, 65535), min(framesPerSecond, 65535))
    self.level = level
  }

  /// The bytes of the next frames, behind those of the ones before. They are deflated on all cores.
  public mutating func chunks(_ frames: [Image]) -> [UInt8] {
    guard let first = frames.first else { return [] }
    var bytes: [UInt8] = []
    let isFirst = size == nil
    if isFirst {
      size = (first.width, first.height)
      bytes = Image.signature + first.header
      bytes += Image.chunk("acTL", Image.bigEndian(count) + Image.bigEndian(0))
    }
    precondition(
      frames.allSatisfy { $0.width == size!.width && $0.height == size!.height }, "AnimatedPNG: sizes differ")
    let level = level
    for (place, data) in parallelMap(frames.count, { frames[$0].deflated(level: level) }).enumerated() {
      let delay = Array(Image.bigEndian(self.delay.above).suffix(2) + Image.bigEndian(self.delay.below).suffix(2))
      let area = Image.bigEndian(first.width) + Image.bigEndian(first.height) + Image.bigEndian(0) + Image.bigEndian(0)
      bytes += Image.chunk("fcTL", next() + area + delay + [0, 0])
      // The first frame is what a viewer without animation shows.
      bytes += isFirst && place == 0 ? Image.chunk("IDAT", data) : Image.chunk("fdAT", next() + data)
    }
    return bytes
  }

  /// What stands behind the last frame.
  public var end: [UInt8] { Image.chunk("IEND", []) }

  private mutating func next() -> [UInt8] {
    defer { number += 1 }
    return Image.bigEndian(number)
  }
}
