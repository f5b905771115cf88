import Foundation
import Media
import Testing

@Suite struct AnimatedPNGTests {
  /// The chunks of a PNG file: names and contents.
  private func chunks(_ file: [UInt8]) -> [(name: String, data: [UInt8])] {
    var found: [(String, [UInt8])] = []
    var place = 8
    while place + 12 <= file.count {
      let size = file[place..<place + 4].reduce(0) { $0 << 8 | Int($1) }
      found.append(
        (
          String(decoding: file[place + 4..<place + 8], as: UTF8.self),
          Array(file[place + 8..<place + 8 + size])
        ))
      place += 12 + size
    }
    return found
  }

  /// Each frame holds what the plain PNG file of its image holds; numbers count up over control and data chunks.
  @Test func framesAreThoseOfPlainPictures() throws {
    let images = (0..<3).map { Image(width: 5, height: 4, red: UInt8(80 * $0), green: 7, blue: 9) }
    let found = chunks(Image.animatedPNG(images, framesPerSecond: 20))
    #expect(found.map(\.name) == ["IHDR", "acTL", "fcTL", "IDAT", "fcTL", "fdAT", "fcTL", "fdAT", "IEND"])
    #expect(found[1].data == [0, 0, 0, 3, 0, 0, 0, 0])
    var numbers: [UInt8] = []
    for (name, data) in found where name == "fcTL" || name == "fdAT" { numbers.append(data[3]) }
    #expect(numbers == [0, 1, 2, 3, 4])
    let data = found.filter { $0.name == "IDAT" || $0.name == "fdAT" }.map {
      $0.name == "IDAT" ? $0.data : Array($0.data.dropFirst(4))
    }
    for (image, data) in zip(images, data) {
      #expect(chunks(image.png()).first { $0.name == "IDAT" }?.data == data)
    }
    // Every third frame of 20 a second stands for 3/20 s.
    var third = AnimatedPNG(count: 1, framesPerSecond: 20, every: 3)
    #expect(Array(chunks(third.chunks([images[0]]))[2].data[20..<24]) == [0, 3, 0, 20])
    // Width, height, no offset, 1/20 s.
    #expect(Array(found[2].data[4..<24]) == [0, 0, 0, 5, 0, 0, 0, 4] + Array(repeating: 0, count: 8) + [0, 1, 0, 20])
  }
}
