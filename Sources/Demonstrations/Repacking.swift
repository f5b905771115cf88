import CZlib
import Files
import Foundation

/// Rewriting a file of demonstrations with its frames stored so that a window reads what it needs and no more.
///
/// RoboCasa's files keep tiles of one color of many frames together: one frame inflates 30 to 125 times its bytes. Every
/// demo becomes a part of its own first, read back and compared; a killed repacking goes on with the parts that are there.
/// Everything but the frames is copied as it is and compared: attributes, groups, links, what is no demo. What cannot be copied
/// is an error.
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
  private let parts: String

  /// - Parameter replacing: begin again where parts of another file, or of another state of this one, are there.
  /// - Throws: `RepackingError.layout`, or `EpisodeStoreError.otherParts`.
  package init(
    _ source: DemonstrationFile, to destination: String, as storage: FrameStorage, replacing: Bool = false
  ) throws {
    guard source.layout == .robomimic else { throw RepackingError.layout(file: source.path) }
    self.source = source
    self.destination = destination
    self.storage = storage
    parts = destination + ".parts"
    // The bytes may be in other files that this one links to.
    let files = try [source.path] + source.hdf5.allLinkedFiles()
    let file = files.map { FileIdentity($0)?.text ?? $0 }.joined(separator: "\n")
    _ = try EpisodeStore(
      folder: parts, identity: "\(storage.name) \(source.format) \(file)", replacing: replacing)
  }

  /// - Returns: nil when `shouldStop` asked for it; the parts stay for the next time.
  /// - Throws: `HDF5Error`, `ImageError`, or `RepackingError` when what was written differs; parts stay only where they are
  ///   of use.
  package func run(shouldStop: () -> Bool = { false }, progress: (_ done: Int) -> Void = { _ in }) throws -> Report? {
    do {
      return try convert(shouldStop, progress)
    } catch {
      try? FileManager.default.removeItem(atPath: parts)
      throw error
    }
  }

  private func convert(_ shouldStop: () -> Bool, _ progress: (_ done: Int) -> Void) throws -> Report? {
    var (bytes, seconds) = (0, 0.0)
    let old = source.hdf5
    let objects = try old.keptLink("data") == nil ? source.demos.filter { try old.keptLink("data/\($0)") == nil } : []
    for (number, demo) in objects.enumerated() {
      if shouldStop() { return nil }
      if !FileManager.default.fileExists(atPath: part(demo)) {
        let spent = try convert(demo)
        bytes += spent.bytes
        seconds += spent.seconds
      }
      progress(number + 1)
    }
    let room = objects.reduce(0) { $0 + HDF5File.size(part($1)) }
    let places = Set(objects.map { "data/\($0)" })
    // It takes the place of what may be there when it has been read back, not before.
    let whole = parts + "/whole.hdf5"
    try HDF5File.atomically(whole, room: room) { file in
      try file.createGroup("/", like: old, "/")
      for name in try old.children("/") {
        try file.copyTree(name, from: old, as: name) { places.contains($0) }
      }
      for demo in objects { try file.copy("episode", from: HDF5File(forReading: part(demo)), as: "data/\(demo)") }
    }
    var report = try check(objects, whole)
    guard rename(whole, destination) == 0 else {
      throw WriteError(destination)
    }
    if seconds > 0 { report.readBefore = Double(bytes) / seconds / 1e6 }
    report.bytesBefore = HDF5File.size(source.path)
    report.bytesAfter = HDF5File.size(destination)
    try? FileManager.default.removeItem(atPath: parts)
    return report
  }

  private func part(_ demo: String) -> String { "\(parts)/\(demo).hdf5" }

  /// The cameras of a demo that are stored in it, not linked to.
  private func cameras(_ demo: String) throws -> [String] {
    let old = source.hdf5
    guard try old.exists("data/\(demo)/obs") && old.keptLink("data/\(demo)/obs") == nil else { return [] }
    return try source.observationKeys(demo).filter { key in
      try old.keptLink("data/\(demo)/obs/\(key)") == nil && source.camera(key, of: demo) != nil
    }
  }

  private func convert(_ demo: String) throws -> (bytes: Int, seconds: Double) {
    var (bytes, seconds) = (0, 0.0)
    let old = source.hdf5
    let cameras = try cameras(demo)
    let paths = Set(cameras.map { "data/\(demo)/obs/\($0)" })
    try HDF5File.atomically(part(demo), room: old.storedBytes("data/\(demo)")) { file in
      try file.copyTree("data/\(demo)", from: old, as: "episode") { paths.contains($0) }
      for key in cameras {
        let (from, to) = ("data/\(demo)/obs/\(key)", "episode/obs/\(key)")
        let shape = try source.camera(key, of: demo)!
        let start = ContinuousClock.now
        let pixels = try source.images(key, of: demo)
        seconds += (ContinuousClock.now - start) / .seconds(1)
        bytes += pixels.count
        try file.writeFrames(
          pixels, count: shape.count, height: shape.height, width: shape.width, to: to, as: storage)
        try file.copyAttributes(of: to, from: old, from)
        try file.flush()
        let again = try file.images(to)
        if case .jpeg = storage {
          let worst = Repacking.worstPSNR(pixels, again, frame: shape.height * shape.width * 3)
          try file.setText(String(worst), of: "/", "worst_psnr/\(key)")
        } else if again != pixels {
          throw RepackingError.differs(file: source.path, path: from)
        }
        // In the part alone: the finished file holds nothing that the old one did not.
        try file.setInteger(Repacking.checksum(again), of: "/", "crc32/\(key)")
      }
    }
    return (bytes, seconds)
  }

  /// Reads everything once more from the finished file: frames against their sums, the rest against the old file.
  private func check(_ demos: [String], _ whole: String) throws -> Report {
    var report = Report()
    var (bytes, seconds) = (0, 0.0)
    let new = try DemonstrationFile(path: whole)
    var frames: Set<String> = []
    for demo in demos {
      let part = try HDF5File(forReading: part(demo))
      for key in try cameras(demo) {
        let path = "data/\(demo)/obs/\(key)"
        frames.insert(path)
        let start = ContinuousClock.now
        let pixels = try new.images(key, of: demo)
        seconds += (ContinuousClock.now - start) / .seconds(1)
        bytes += pixels.count
        guard try part.integer(of: "/", "crc32/\(key)") == Repacking.checksum(pixels) else {
          throw RepackingError.differs(file: destination, path: path)
        }
        report.frames += try new.camera(key, of: demo)?.count ?? 0
        if case .jpeg = storage, let worst = Double(try part.text(of: "/", "worst_psnr/\(key)")) {
          report.worstPSNR = min(report.worstPSNR ?? .infinity, worst)
        }
      }
    }
    if let path = try source.hdf5.difference("/", from: new.hdf5, "/", leaving: { frames.contains($0) }) {
      throw RepackingError.differs(file: destination, path: path)
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

/// What cannot be repacked, or was written and is not what was read.
package enum RepackingError: Error, Equatable, CustomStringConvertible {
  case differs(file: String, path: String)
  case layout(file: String)

  package var description: String {
    switch self {
    case .layout(let file):
      "\(file): holds episodes in ACT's layout; `imitate repack` rewrites files in robomimic's"
    case .differs(let file, let path):
      "\(file): '\(path)' reads differently after writing; the disk or the memory is not reliable"
    }
  }
}
