import Foundation

extension Image {
  /// Motion JPEG in an AVI file: small enough to keep one of every episode, and played by what plays videos.
  ///
  /// - Parameter frames: of one size, at least one.
  /// - Throws: `ImageError`.
  public static func motionJPEG(_ frames: [Image], framesPerSecond: Int, quality: Int = 80) throws -> [UInt8] {
    precondition(!frames.isEmpty && framesPerSecond > 0, "motionJPEG: \(frames.count) frames")
    let (width, height) = (frames[0].width, frames[0].height)
    func little<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
      withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }
    func words(_ values: Int...) -> [UInt8] { values.flatMap { little(UInt32($0)) } }
    func chunk(_ name: String, _ body: [UInt8]) -> [UInt8] {
      // A chunk begins at an even place; its size does not count the byte that fills up.
      Array(name.utf8) + words(body.count) + body + (body.count % 2 == 1 ? [0] : [])
    }
    func list(_ name: String, _ body: [UInt8]) -> [UInt8] { chunk("LIST", Array(name.utf8) + body) }

    var movie: [UInt8] = []
    var index: [UInt8] = []
    var largest = 0
    for frame in frames {
      precondition(frame.width == width && frame.height == height, "motionJPEG: frames of different sizes")
      let jpeg = try frame.jpeg(quality: quality)
      // Every frame is a key frame (0x10); places count from the list's name.
      index += Array("00dc".utf8) + words(0x10, 4 + movie.count, jpeg.count)
      movie += chunk("00dc", jpeg)
      largest = max(largest, jpeg.count)
    }
    let main = words(
      1_000_000 / framesPerSecond, largest * framesPerSecond, 0, 0x10, frames.count, 0, 1, largest, width, height, 0, 0,
      0, 0)
    let rectangle = [0, 0, width, height].flatMap { little(UInt16($0)) }
    let stream =
      Array("vidsMJPG".utf8) + words(0, 0, 0, 1, framesPerSecond, 0, frames.count, largest)
      + little(UInt32.max) + words(0) + rectangle
    let format =
      words(40, width, height) + little(UInt16(1)) + little(UInt16(24)) + Array("MJPG".utf8)
      + words(width * height * 3, 0, 0, 0, 0)
    let header = list(
      "hdrl", chunk("avih", main) + list("strl", chunk("strh", stream) + chunk("strf", format)))
    return chunk("RIFF", Array("AVI ".utf8) + header + list("movi", movie) + chunk("idx1", index))
  }
}
