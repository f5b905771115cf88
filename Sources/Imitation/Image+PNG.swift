import CZlib

extension Image {
  /// The picture as a PNG file: each row as differences from the one above, deflated.
  public func png() -> [UInt8] {
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
    var file: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
    file += Image.chunk("IHDR", Image.bigEndian(width) + Image.bigEndian(height) + [8, 2, 0, 0, 0])
    file += Image.chunk("IDAT", Array(packed.prefix(Int(size))))
    file += Image.chunk("IEND", [])
    return file
  }

  private static func bigEndian(_ value: Int) -> [UInt8] {
    withUnsafeBytes(of: UInt32(value).bigEndian) { Array($0) }
  }

  private static func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
    let body = Array(name.utf8) + data
    return bigEndian(data.count) + body + bigEndian(Int(crc32(0, body, UInt32(body.count))))
  }
}
