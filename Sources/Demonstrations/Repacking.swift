import CZlib
import Foundation
import Imitation

/// Rewriting a file of demonstrations with its frames stored so that a window reads what it needs and no more.
///
/// RoboCasa's files keep tiles of one colour of many frames together: one frame inflates 30 to 125 times its bytes. Every
/// demo becomes a part of its own first, read back and compared; a killed repacking goes on with the parts that are there.
/// Everything but the frames is copied as it is.
package struct Repacking {
  package struct Report: Codable, Sendable {
    package var frames = 0
    package var bytesBefore = 0
    package var bytesAfter = 0
    /// Megabytes of frames a second.
    package var readBefore = 0.0
    package var readAfter = 0.0
    /// The worst frame's peak signal-to-noise ratio in decibels; nil where nothing is lost.
    package var worstPSNR: Double?
  }

  private let source: DemonstrationFile
  private let destination: String
  private let storage: FrameStorage
  private var parts: String { destination + ".parts" }

  package init(_ source: DemonstrationFile, to destination: String, as storage: FrameStorage) {
    self.source = source
    self.destination = destination
    self.storage = storage
  }

  /// - Returns: nil when `shouldStop` asked for it; the parts stay for the next time.
  /// - Throws: `HDF5Error`, `ImageError`, or `RepackingError` when what was written differs.
  package func run(shouldStop: () -> Bool = { false }, progress: (_ done: Int) -> Void = { _ in }) throws -> Report? {
    try FileManager.default.createDirectory(atPath: parts, withIntermediateDirectories: true)
    var (bytes, seconds) = (0, 0.0)
    for (number, demo) in source.demos.enumerated() {
      if shouldStop() { return nil }
      if !FileManager.default.fileExists(atPath: part(demo)) {
        let spent = try convert(demo)
        bytes += spent.bytes
        seconds += spent.seconds
      }
      progress(number + 1)
    }
    let room = source.demos.reduce(0) { $0 + HDF5File.size(part($1)) }
    try HDF5File.atomically(destination, room: room) { file in
      try file.createGroup("data", like: source.hdf5, "data")
      for demo in source.demos {
        try file.copy("episode", from: HDF5File(reading: part(demo)), as: "data/\(demo)")
      }
      for name in source.hdf5.children("/") where name != "data" { try file.copy(name, from: source.hdf5, as: name) }
    }
    var report = try check()
    if seconds > 0 { report.readBefore = Double(bytes) / seconds / 1e6 }
    report.bytesBefore = HDF5File.size(source.path)
    report.bytesAfter = HDF5File.size(destination)
    try? FileManager.default.removeItem(atPath: parts)
    return report
  }

  private func part(_ demo: String) -> String { "\(parts)/\(storage.name)-\(demo).hdf5" }

  private func convert(_ demo: String) throws -> (bytes: Int, seconds: Double) {
    var (bytes, seconds) = (0, 0.0)
    let old = source.hdf5
    try HDF5File.atomically(part(demo), room: old.storedBytes("data/\(demo)")) { file in
      try file.createGroup("episode", like: old, "data/\(demo)")
      for name in old.children("data/\(demo)") where name != "obs" {
        try file.copy("data/\(demo)/\(name)", from: old, as: "episode/\(name)")
      }
      try file.createGroup("episode/obs", like: old, "data/\(demo)/obs")
      for key in source.observationKeys(demo) {
        let (from, to) = ("data/\(demo)/obs/\(key)", "episode/obs/\(key)")
        guard let shape = try old.frameShape(from) else {
          try file.copy(from, from: old, as: to)
          continue
        }
        let start = ContinuousClock.now
        let pixels = try old.pictures(from)
        seconds += (ContinuousClock.now - start) / .seconds(1)
        bytes += pixels.count
        try file.writePictures(
          pixels, count: shape.count, height: shape.height, width: shape.width, to: to, as: storage)
        try file.flush()
        let again = try file.pictures(to)
        if case .jpeg = storage {
          let worst = Repacking.worstPSNR(pixels, again, frame: shape.height * shape.width * 3)
          try file.setText(String(worst), of: to, "worst_psnr")
        } else if again != pixels {
          throw RepackingError.differs(file: source.path, path: from)
        }
        try file.setInteger(Repacking.checksum(again), of: to, "crc32")
      }
    }
    return (bytes, seconds)
  }

  /// Reads everything once more from the finished file.
  private func check() throws -> Report {
    var report = Report()
    var (bytes, seconds) = (0, 0.0)
    let file = try DemonstrationFile(path: destination)
    for demo in file.demos {
      for key in file.observationKeys(demo) {
        let path = "data/\(demo)/obs/\(key)"
        guard let shape = try file.hdf5.frameShape(path) else { continue }
        let start = ContinuousClock.now
        let pixels = try file.hdf5.pictures(path)
        seconds += (ContinuousClock.now - start) / .seconds(1)
        bytes += pixels.count
        guard try file.hdf5.integer(of: path, "crc32") == Repacking.checksum(pixels) else {
          throw RepackingError.differs(file: destination, path: path)
        }
        report.frames += shape.count
        if case .jpeg = storage, let worst = Double(try file.hdf5.text(of: path, "worst_psnr")) {
          report.worstPSNR = min(report.worstPSNR ?? .infinity, worst)
        }
      }
    }
    report.readAfter = Double(bytes) / max(seconds, 1e-9) / 1e6
    return report
  }

  static func checksum(_ bytes: [UInt8]) -> Int {
    Int(bytes.withUnsafeBufferPointer { crc32_z(0, $0.baseAddress, $0.count) })
  }

  private static func worstPSNR(_ a: [UInt8], _ b: [UInt8], frame: Int) -> Double {
    stride(from: 0, to: a.count, by: frame).reduce(99) { worst, start in
      var sum = 0
      for i in start..<start + frame {
        let difference = Int(a[i]) - Int(b[i])
        sum += difference * difference
      }
      return sum == 0 ? worst : min(worst, 10 * log10(255 * 255 * Double(frame) / Double(sum)))
    }
  }
}

extension FrameStorage {
  fileprivate var name: String {
    switch self {
    case .raw: "raw"
    case .lossless: "lossless"
    case .jpeg(let quality): "jpeg\(quality)"
    }
  }
}

/// What was written is not what was read.
package enum RepackingError: Error, Equatable, CustomStringConvertible {
  case differs(file: String, path: String)

  package var description: String {
    switch self {
    case .differs(let file, let path):
      "\(file): '\(path)' reads differently after writing; the disk or the memory is not reliable"
    }
  }
}
