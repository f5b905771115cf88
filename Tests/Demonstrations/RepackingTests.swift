import Demonstrations
import Foundation
import Imitation
import Testing

@Suite struct RepackingTests {
  /// Two demos whose frames are chunked as h5py does it, with things beside them that must come along.
  private func makeFile() throws -> (folder: String, file: String, frames: [[UInt8]]) {
    let folder = NSTemporaryDirectory() + "/repack-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let frames = (0..<2).map { demo in
      (0..<6 * 24 * 32 * 3).map { place -> UInt8 in
        let (x, y, t) = (place / 3 % 32, place / 96 % 24, place / (96 * 24))
        return UInt8(10 + 2 * x + 2 * y + 5 * t + 20 * demo + 10 * (place % 3))
      }
    }
    try HDF5File.atomically(folder + "/file.hdf5") { file in
      try file.createGroup("data")
      try file.setText("{\"env_name\": \"MG_OpenDrawer\"}", of: "data", "env_args")
      try file.setInteger(12, of: "data", "total")
      for (demo, pixels) in frames.enumerated() {
        let group = "data/demo_\(demo * 2)"
        for name in [group, group + "/obs", group + "/action_dict"] { try file.createGroup(name) }
        try file.setText("{\"lang\": \"go\"}", of: group, "ep_meta")
        try file.setInteger(6, of: group, "num_samples")
        try file.write((0..<72).map { Double($0) / 72 }, shape: [6, 12], to: group + "/actions")
        try file.write((0..<6).map(Float.init), shape: [6, 1], to: group + "/action_dict/gripper")
        try file.write((0..<18).map { Double($0) }, shape: [6, 3], to: group + "/obs/position", chunk: [3, 3])
        // The second one is stored plain, as some are in RoboCasa's files.
        try file.write(
          pixels, shape: [6, 24, 32, 3], to: group + "/obs/camera", chunk: demo == 0 ? [3, 8, 16, 1] : nil)
      }
      try file.createGroup("mask")
      try file.write(["demo_0"], to: "mask/1_demos")
    }
    return (folder, folder + "/file.hdf5", frames)
  }

  @Test(arguments: [FrameStorage.raw, .lossless, .jpeg(95)]) func keepsEverything(_ storage: FrameStorage) throws {
    let (folder, path, frames) = try makeFile()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let source = try DemonstrationFile(path: path)
    let report = try #require(try Repacking(source, to: folder + "/new.hdf5", as: storage).run())
    #expect(report.frames == 12)
    let file = try DemonstrationFile(path: folder + "/new.hdf5")
    #expect(file.demos == ["demo_0", "demo_2"] && file.task == "OpenDrawer")
    #expect(try file.mask("1_demos") == ["demo_0"])
    #expect(try file.hdf5.integer(of: "data", "total") == 12)
    for (demo, pixels) in zip(file.demos, frames) {
      #expect(try file.instruction(demo) == "go")
      #expect(try file.hdf5.integer(of: "data/\(demo)", "num_samples") == 6)
      for name in ["actions", "action_dict/gripper", "obs/position"] {
        #expect(try file.hdf5.doubles("data/\(demo)/\(name)") == source.hdf5.doubles("data/\(demo)/\(name)"))
      }
      let found = try file.hdf5.images("data/\(demo)/obs/camera")
      if case .jpeg = storage {
        let largest = zip(found, pixels).map { abs(Int($0) - Int($1)) }.max()!
        #expect(largest < 60)
        #expect(try #require(report.worstPSNR) > 25)
        let middle = try file.hdf5.images("data/\(demo)/obs/camera", rows: 2..<4)
        #expect(middle == Array(found[2 * 2304..<4 * 2304]))
      } else {
        #expect(found == pixels && report.worstPSNR == nil)
      }
    }
    #expect(!FileManager.default.fileExists(atPath: folder + "/new.hdf5.parts"))
    // Windows come out the same, with room for the frames and without.
    for memory in [0, 1 << 20] {
      let read = try Demonstrations(
        .init([.init(path: file.path)], images: ["camera"], vectors: ["position"], memory: memory))
      #expect(read.schema.images["camera"] == .init(height: 24, width: 32))
      let rows = [0, 0, 1, 5, 5]
      let window = try read.images("camera", episode: 1, rows: rows)
      let whole = try file.hdf5.images("data/demo_2/obs/camera")
      let expected = rows.flatMap { Array(whole[$0 * 2304..<($0 + 1) * 2304]) }
      #expect(window == expected)
    }
  }

  /// Stopped after the first demo, it goes on with the part that is there and ends in the same bytes.
  @Test func goesOnWhereItStopped() throws {
    let (folder, path, _) = try makeFile()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let source = try DemonstrationFile(path: path)
    _ = try Repacking(source, to: folder + "/whole.hdf5", as: .raw).run()
    var done = 0
    let stopped = try Repacking(source, to: folder + "/halves.hdf5", as: .raw)
      .run(shouldStop: { done > 0 }, progress: { done = $0 })
    #expect(stopped == nil && done == 1)
    #expect(!FileManager.default.fileExists(atPath: folder + "/halves.hdf5"))
    let part = folder + "/halves.hdf5.parts/demo_0.hdf5"
    let before = try FileManager.default.attributesOfItem(atPath: part)[.modificationDate] as? Date
    var kept: Date?
    let again = try Repacking(source, to: folder + "/halves.hdf5", as: .raw)
    _ = try again.run(progress: {
      if $0 == 1 { kept = try? FileManager.default.attributesOfItem(atPath: part)[.modificationDate] as? Date }
    })
    #expect(kept == before)
    #expect(
      FileManager.default.contents(atPath: folder + "/halves.hdf5")
        == FileManager.default.contents(atPath: folder + "/whole.hdf5"))
  }
}
