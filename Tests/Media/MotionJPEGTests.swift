import Media
import Testing

@Suite struct MotionJPEGTests {
  /// Walks the file as a reader does: every chunk where the index says, every frame an image.
  @Test func everyFrameIsWhereTheIndexSays() throws {
    let frames = (0..<5).map { Image(width: 24, height: 16, red: UInt8($0 * 50), green: 90, blue: 10) }
    let file = try Image.motionJPEG(frames, framesPerSecond: 20)
    func word(_ place: Int) -> Int { (0..<4).reduce(0) { $0 | Int(file[place + $1]) << (8 * $1) } }
    func name(_ place: Int) -> String { String(decoding: file[place..<place + 4], as: UTF8.self) }
    #expect(name(0) == "RIFF" && word(4) == file.count - 8 && name(8) == "AVI ")
    // Chunks of the file: the header's list, the movie's, the index.
    var places: [String: Int] = [:]
    var place = 12
    while place < file.count {
      places[name(place) == "LIST" ? name(place + 8) : name(place)] = place
      place += 8 + word(place + 4) + word(place + 4) % 2
    }
    #expect(place == file.count)
    let (header, movie, index) = try (#require(places["hdrl"]), #require(places["movi"]), #require(places["idx1"]))
    #expect(name(header + 12) == "avih" && word(header + 20) == 50_000)
    #expect(word(header + 20 + 16) == 5 && word(header + 20 + 32) == 24 && word(header + 20 + 36) == 16)
    #expect(word(index + 4) == 16 * 5)
    for (number, frame) in frames.enumerated() {
      let entry = index + 8 + 16 * number
      let start = movie + 8 + word(entry + 8)
      #expect(name(entry) == "00dc" && name(start) == "00dc" && word(start + 4) == word(entry + 12))
      let image = try Image(jpeg: Array(file[start + 8..<start + 8 + word(start + 4)]))
      #expect(image.width == 24 && image.height == 16)
      #expect(abs(Int(image.pixels[0]) - Int(frame.pixels[0])) < 6)
    }
  }
}
