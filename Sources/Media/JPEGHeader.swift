/// What a JPEG file says of itself beside its size: read from its segments, nothing is decoded.
package struct JPEGHeader: Sendable, Equatable {
  /// How many colors a pixel has; 0 when the file does not say.
  package private(set) var components = 0
  /// EXIF's orientation: 1 for upright, also when the file does not say; 3 is upside down.
  package private(set) var orientation = 1

  /// Reads as much as there is.
  package init(_ file: [UInt8]) {
    var place = 2
    func big(_ at: Int) -> Int { Int(file[at]) << 8 | Int(file[at + 1]) }
    while place + 4 <= file.count, file[place] == 0xff {
      let (marker, length) = (file[place + 1], big(place + 2))
      // Fill bytes before a marker.
      if marker == 0xff {
        place += 1
        continue
      }
      let (start, end) = (place + 4, place + 2 + length)
      guard length >= 2, end <= file.count, marker != 0xda else { return }
      let isFrame = (0xc0...0xcf).contains(marker) && ![0xc4, 0xc8, 0xcc].contains(marker)
      if isFrame, end - start >= 6 { components = Int(file[start + 5]) }
      if marker == 0xe1 { readEXIF(file[start..<end]) }
      place = end
    }
  }

  /// The tag 0x0112 of the first directory (EXIF 2.3, section 4.6).
  private mutating func readEXIF(_ segment: ArraySlice<UInt8>) {
    guard segment.starts(with: [0x45, 0x78, 0x69, 0x66, 0, 0]) else { return }
    let data = Array(segment.dropFirst(6))
    guard data.count >= 14, data[0] == data[1], [0x49, 0x4d].contains(data[0]) else { return }
    let isLittle = data[0] == 0x49
    func number(_ at: Int, _ bytes: Int) -> Int {
      let part = data[at..<at + bytes]
      return (isLittle ? Array(part.reversed()) : Array(part)).reduce(0) { $0 << 8 | Int($1) }
    }
    let directory = number(4, 4)
    guard directory >= 8, directory + 2 <= data.count else { return }
    for entry in 0..<number(directory, 2) {
      let at = directory + 2 + 12 * entry
      guard at + 12 <= data.count else { return }
      if number(at, 2) == 0x0112, number(at + 2, 2) == 3 { orientation = number(at + 8, 2) }
    }
  }
}
