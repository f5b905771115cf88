import CZlib

extension Image {
  /// Reads a PNG file of RGB, 8 bits a channel, not interlaced: what cameras send. Others are refused.
  /// - Throws: `ImageError`.
  public init(png data: [UInt8]) throws {
    guard data.starts(with: Image.signature) else { throw ImageError.png("it does not begin as one") }
    var (size, packed, isWhole): ((width: Int, height: Int)?, [UInt8], Bool) = (nil, [], false)
    var rest = data[8...]
    while !isWhole {
      guard rest.count >= 12, case let length = Image.number(rest), rest.count - 12 >= length else {
        throw ImageError.png("it ends too soon")
      }
      let named = rest.dropFirst(4).prefix(length + 4)
      guard
        named.withUnsafeBufferPointer({ Int(crc32(0, $0.baseAddress, UInt32($0.count))) })
          == Image.number(rest.dropFirst(8 + length))
      else { throw ImageError.png("a checksum does not fit") }
      let body = named.dropFirst(4)
      switch String(decoding: named.prefix(4), as: UTF8.self) {
      case "IHDR": size = try Image.size(header: Array(body))
      case "IDAT": packed += body
      case "IEND": isWhole = true
      default: break
      }
      rest = rest.dropFirst(length + 12)
    }
    guard let size else { throw ImageError.png("it has no size") }
    self.init(width: size.width, height: size.height, pixels: try Image.unpacked(packed, size.width, size.height))
  }

  /// - Parameter bytes: at least four.
  private static func number(_ bytes: ArraySlice<UInt8>) -> Int { bytes.prefix(4).reduce(0) { $0 << 8 | Int($1) } }

  private static func size(header: [UInt8]) throws -> (width: Int, height: Int) {
    guard header.count == 13 else { throw ImageError.png("its header has \(header.count) bytes, not 13") }
    let (width, height) = (number(header[0...]), number(header[4...]))
    guard width > 0, height > 0, width <= 1 << 26, height <= 1 << 26, width * height <= 1 << 26 else {
      throw ImageError.tooLarge(width: width, height: height)
    }
    guard Array(header[8...]) == [8, 2, 0, 0, 0] else {
      throw ImageError.png("it must be RGB with 8 bits a channel, not interlaced")
    }
    return (width, height)
  }

  private static func unpacked(_ packed: [UInt8], _ width: Int, _ height: Int) throws -> [UInt8] {
    let run = width * 3
    var rows = [UInt8](repeating: 0, count: height * (run + 1))
    var count = UInt(rows.count)
    guard uncompress(&rows, &count, packed, UInt(packed.count)) == Z_OK, count == rows.count else {
      throw ImageError.png("its pixels do not unpack to its size")
    }
    // A row of zeros stands above the first one.
    var pixels = [UInt8](repeating: 0, count: (height + 1) * run)
    for y in 0..<height {
      let (source, target) = (y * (run + 1) + 1, (y + 1) * run)
      let filter = rows[source - 1]
      guard filter <= 4 else { throw ImageError.png("a row has the unknown filter \(filter)") }
      for x in 0..<run {
        let above = pixels[target - run + x]
        let left = x < 3 ? 0 : pixels[target + x - 3]
        let guess: UInt8 =
          switch filter {
          case 0: 0
          case 1: left
          case 2: above
          case 3: UInt8((Int(left) + Int(above)) / 2)
          default: paeth(left, above, x < 3 ? 0 : pixels[target - run + x - 3])
          }
        pixels[target + x] = rows[source + x] &+ guess
      }
    }
    return Array(pixels[run...])
  }

  /// Of three neighbors the one next to what they suggest together.
  private static func paeth(_ left: UInt8, _ above: UInt8, _ corner: UInt8) -> UInt8 {
    let estimate = Int(left) + Int(above) - Int(corner)
    let (a, b, c) = (abs(estimate - Int(left)), abs(estimate - Int(above)), abs(estimate - Int(corner)))
    return a <= b && a <= c ? left : b <= c ? above : corner
  }
}
