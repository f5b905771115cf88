import CJPEG
import Foundation

/// An image that cannot be read or written.
public enum ImageError: Error, Equatable, CustomStringConvertible {
  /// What libjpeg says.
  case jpeg(String)
  /// What is wrong with a PNG file.
  case png(String)
  /// More pixels than can be written.
  case tooLarge(width: Int, height: Int)

  public var description: String {
    switch self {
    case .jpeg(let reason): "not a JPEG image that can be read: \(reason)"
    case .png(let reason): "not a PNG image that can be read: \(reason)"
    case .tooLarge(let width, let height): "an image of \(width)x\(height) pixels is too large"
    }
  }
}

extension String {
  /// The text that a C function wrote, which ends with a zero.
  package init(untilZero characters: some Sequence<CChar>) {
    self.init(decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}

extension Image {
  /// The library that reads and writes JPEG: "libjpeg-turbo 2.1.5".
  package static var jpegLibrary: String { String(cString: cjpeg_version()) }

  /// The size that a JPEG file says it has, found without decoding it.
  /// - Throws: `ImageError`, also for more pixels than are decoded.
  package static func size(jpeg data: [UInt8]) throws -> (width: Int, height: Int) {
    var (width, height) = (Int32(0), Int32(0))
    var message = [CChar](repeating: 0, count: 200)
    guard cjpeg_decode(data, data.count, nil, &width, &height, &message) == 0 else {
      throw ImageError.jpeg(String(untilZero: message))
    }
    guard width > 0, height > 0, Int(width) * Int(height) <= 1 << 26 else {
      throw ImageError.tooLarge(width: Int(width), height: Int(height))
    }
    return (Int(width), Int(height))
  }

  /// - Throws: `ImageError`.
  public init(jpeg data: [UInt8]) throws {
    let (width, height) = try Image.size(jpeg: data)
    var pixels = [UInt8](repeating: 0, count: width * height * 3)
    try pixels.withUnsafeMutableBufferPointer {
      try Image.decode(jpeg: data, width: width, height: height, to: $0.baseAddress!)
    }
    self.init(width: width, height: height, pixels: pixels)
  }

  /// Decodes an image whose size is known to `target`, `height * width * 3` bytes: one pass over the header less.
  /// - Throws: `ImageError`, also when its size is another one.
  package static func decode(
    jpeg data: [UInt8], width: Int, height: Int, to target: UnsafeMutablePointer<UInt8>
  ) throws {
    var (width, height) = (Int32(width), Int32(height))
    try withUnsafeTemporaryAllocation(of: CChar.self, capacity: 200) { message in
      guard cjpeg_decode(data, data.count, target, &width, &height, message.baseAddress) == 0 else {
        throw ImageError.jpeg(String(cString: message.baseAddress!))
      }
    }
  }

  /// The image as a JPEG file at `quality` 1...100.
  public func jpeg(quality: Int = 85) throws -> [UInt8] {
    var data: UnsafeMutablePointer<UInt8>?
    var length = 0
    var message = [CChar](repeating: 0, count: 200)
    guard cjpeg_encode(pixels, Int32(width), Int32(height), Int32(quality), &data, &length, &message) == 0, let data
    else { throw ImageError.jpeg(String(untilZero: message)) }
    defer { free(data) }
    return Array(UnsafeBufferPointer(start: data, count: length))
  }
}
