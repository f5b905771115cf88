/// An RGB image: 8 bits a channel, rows from the top, `[height, width, 3]`.
public struct Image: Sendable, Equatable {
  /// Pixels.
  public let width, height: Int
  /// `height * width * 3` bytes, row by row, red first.
  public var pixels: [UInt8]

  /// - Parameter pixels: row by row, red first.
  public init(width: Int, height: Int, pixels: [UInt8]) {
    precondition(pixels.count == width * height * 3, "Image: \(pixels.count) bytes for \(width)x\(height) RGB pixels")
    self.width = width
    self.height = height
    self.pixels = pixels
  }

  /// An image of one color.
  public init(width: Int, height: Int, red: UInt8 = 0, green: UInt8 = 0, blue: UInt8 = 0) {
    var pixels = [UInt8](repeating: 0, count: width * height * 3)
    for pixel in 0..<width * height {
      pixels[pixel * 3] = red
      pixels[pixel * 3 + 1] = green
      pixels[pixel * 3 + 2] = blue
    }
    self.init(width: width, height: height, pixels: pixels)
  }

  /// Whether all its pixels are the same.
  package var isBlank: Bool {
    pixels.withUnsafeBufferPointer { pixels in
      // Each pixel as the one before it.
      (3..<max(3, pixels.count)).allSatisfy { pixels[$0] == pixels[$0 - 3] }
    }
  }
}
