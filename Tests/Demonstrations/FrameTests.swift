import Demonstrations
import Foundation
import Testing

/// Frames read chunk by chunk and inflated here, against the library's own reading.
@Suite struct FrameTests {
  @Test(arguments: [
    ([5, 12, 10, 3], [2, 5, 4, 1]), ([7, 8, 8, 3], [3, 8, 8, 3]), ([4, 6, 5, 1], [4, 4, 4, 1]), ([9, 4], [4, 3]),
    ([11], [4]), ([3, 6, 5, 3], nil), ([2, 130, 128, 3], [2, 32, 32, 1]),
  ])
  func equalTheLibrarys(_ shape: [Int], _ chunk: [Int]?) throws {
    let path = NSTemporaryDirectory() + "/frames-\(UUID().uuidString).hdf5"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let values = (0..<shape.reduce(1, *)).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
    try HDF5File.atomically(path) { try $0.write(values, shape: shape, to: "x", chunk: chunk) }
    let file = try HDF5File(forReading: path)
    #expect(try file.frames("x") == values)
    for rows in [0..<1, 1..<min(3, shape[0]), shape[0] - 1..<shape[0], 0..<0] {
      #expect(try file.frames("x", rows: rows) == file.bytes("x", rows: rows), "\(rows)")
    }
    #expect(throws: HDF5Error.self) { try file.frames("x", rows: 0..<shape[0] + 1) }
  }

  /// A file cut short or changed in any of many places gives numbers or an error, never a crash.
  @Test func damageIsAnError() throws {
    let path = NSTemporaryDirectory() + "/damaged-\(UUID().uuidString).hdf5"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let values = (0..<6 * 16 * 16 * 3).map { UInt8(truncatingIfNeeded: $0 / 5) }
    try HDF5File.atomically(path) {
      try $0.write(values, shape: [6, 16, 16, 3], to: "x", chunk: [2, 8, 8, 1])
      try $0.write(values, shape: [6, 16, 16, 3], to: "plain")
    }
    let whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    var refused = 0
    for place in stride(from: 0, to: whole.count, by: whole.count / 150) {
      var bytes = whole
      bytes[place] ^= 0xff
      if place % 3 == 0 { bytes.removeLast(bytes.count - place) }
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      do {
        let file = try HDF5File(forReading: path)
        for name in ["x", "plain"] { _ = try file.frames(name) }
      } catch is HDF5Error {
        refused += 1
      }
    }
    #expect(refused > 40)
  }
}
