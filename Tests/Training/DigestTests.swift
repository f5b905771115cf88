import Demonstrations
import Foundation
import Testing
import Training

/// What a file's bytes are called by, and that they are not read again at every start.
@Suite struct DigestTests {
  @Test func keepsDigestsByTheBytesThemselves() throws {
    let folder = FileManager.default.temporaryDirectory.path + "/digest-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let (path, cache) = (folder + "/data.hdf5", folder + "/cache")
    func write(_ byte: UInt8, age: TimeInterval) throws {
      try Data(repeating: byte, count: 1 << 20).write(to: URL(fileURLWithPath: path))
      try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -age)], ofItemAtPath: path)
    }
    let digests = DigestCache(folder: cache)
    // sha256sum of a MiB of zeros, and of ones.
    let zeros = "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58"
    try write(0, age: 100)
    #expect(try digests.digest(path) == (1 << 20, zeros))
    // Its entry changed a moment ago: nothing is kept yet.
    #expect((try? FileManager.default.contentsOfDirectory(atPath: cache)) == nil)
    Thread.sleep(forTimeInterval: 2.1)
    #expect(try digests.digest(path).sha256 == zeros)
    let entry = try #require(FileManager.default.contentsOfDirectory(atPath: cache).first)
    // What is kept is used: a wrong entry shows.
    let text = try String(contentsOfFile: "\(cache)/\(entry)", encoding: .utf8)
    try text.replacingOccurrences(of: zeros, with: "kept").write(
      toFile: "\(cache)/\(entry)", atomically: true, encoding: .utf8)
    #expect(try digests.digest(path).sha256 == "kept")
    // The same size and time, other bytes: the entry's own time tells.
    let times = try FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date
    try Data(repeating: 1, count: 1 << 20).write(to: URL(fileURLWithPath: path))
    try FileManager.default.setAttributes([.modificationDate: try #require(times)], ofItemAtPath: path)
    let other = try digests.digest(path).sha256
    #expect(other != "kept" && other != zeros)
  }

  @Test func tildeIsTheHomeFolder() {
    #expect("~/data".expandingTilde == NSHomeDirectory() + "/data")
    #expect("/a/~b".expandingTilde == "/a/~b")
  }
}
