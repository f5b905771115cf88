import Imitation
import Tensors

/// How a camera's frames are kept in a file.
package enum FrameStorage: Sendable, Equatable {
  /// `[steps, height, width, 3]` in one piece: read at the speed of the disk.
  case raw
  /// The same, each frame deflated by itself.
  case lossless
  /// Each frame a JPEG image of this quality (1 to 100).
  case jpeg(Int)
}

extension HDF5File {
  /// How a camera's frames are stored; nil when this is no camera.
  /// - Throws: `HDF5Error`; `.image` when the first frame is no JPEG image.
  package func camera(_ path: String, _ format: FrameFormat = FrameFormat()) throws -> StoredCamera? {
    guard try !isEmpty(path) else { return nil }
    let (shape, kind) = (try shape(path), try valueKind(path))
    func array(_ isChannelsFirst: Bool) -> StoredCamera {
      StoredCamera(
        storage: .array(isChannelsFirst: isChannelsFirst, isFloat: kind == .floats), count: shape[0],
        height: shape[isChannelsFirst ? 2 : 1], width: shape[isChannelsFirst ? 3 : 2])
    }
    switch shape.count {
    case 4 where kind == .bytes || kind == .floats && format.isUnitRange:
      guard shape.dropFirst().allSatisfy({ $0 > 0 }) else { return nil }
      if format.isChannelsFirst, shape[1] == 3 { return array(true) }
      return shape[3] == 3 ? array(false) : nil
    case 1 where kind == .other && shape[0] > 0:
      guard try holdsLists(path) else { return nil }
      let row = try lists(path, rows: 0..<1)[0]
      // Lists of bytes are images; of other integers only where they begin as one: they may be words.
      guard try row.starts(with: [0xff, 0xd8, 0xff]) || holdsLists(path, ofBytes: true) else { return nil }
      let first = try decoding(row, path, row: 0) { try Image(jpeg: row) }
      return StoredCamera(storage: .lists, count: shape[0], height: first.height, width: first.width)
    case 2 where kind == .bytes && shape[0] > 0 && shape[1] > 16:
      let row = try frames(path, rows: 0..<1)
      guard row.starts(with: [0xff, 0xd8, 0xff]) else { return nil }
      let first = try decoding(row, path, row: 0) { try Image(jpeg: row) }
      return StoredCamera(storage: .padded, count: shape[0], height: first.height, width: first.width)
    default: return nil
    }
  }

  private func decoding<Result>(_ data: [UInt8], _ path: String, row: Int, _ body: () throws -> Result) throws -> Result
  {
    guard !data.isEmpty else {
      throw HDF5Error.image(file: self.path, path: path, reason: "row \(row) is empty, not a JPEG image")
    }
    do {
      return try body()
    } catch {
      throw HDF5Error.image(file: self.path, path: path, reason: "row \(row) is no JPEG image of this camera: \(error)")
    }
  }

  /// Frames of a camera, however they are stored: `[rows, height, width, 3]`.
  /// - Throws: `HDF5Error`.
  package func images(
    _ path: String, rows: Range<Int>? = nil, _ format: FrameFormat = FrameFormat()
  ) throws -> [UInt8] {
    guard let camera = try camera(path, format) else {
      throw HDF5Error.wrongType(file: self.path, path: path, wanted: "images")
    }
    let rows = rows ?? 0..<camera.count
    switch camera.storage {
    case .array(false, isFloat: false): return try frames(path, rows: rows)
    case .array(let isChannelsFirst, let isFloat):
      let values = isFloat ? try unitBytes(path, rows) : try frames(path, rows: rows)
      return isChannelsFirst ? HDF5File.channelsLast(values, camera) : values
    case .lists: return try decoded(lists(path, rows: rows), camera, path, first: rows.lowerBound)
    case .padded:
      let all = try frames(path, rows: rows)
      let length = rows.isEmpty ? 1 : all.count / rows.count
      let each = rows.indices.map { Array(all[($0 - rows.lowerBound) * length..<($0 - rows.lowerBound + 1) * length]) }
      return try decoded(each, camera, path, first: rows.lowerBound)
    }
  }

  /// Floats of 0 to 1 as bytes, rounded.
  private func unitBytes(_ path: String, _ rows: Range<Int>) throws -> [UInt8] {
    let values = try floats(path, rows: rows)
    let row = max(1, values.count / max(1, rows.count))
    return try [UInt8](unsafeUninitializedCapacity: values.count) { target, written in
      for (place, value) in values.enumerated() {
        guard value >= 0, value <= 1 else {
          throw HDF5Error.image(
            file: self.path, path: path, reason: "\(value) in row \(rows.lowerBound + place / row) is outside 0 to 1")
        }
        target[place] = UInt8((value * 255).rounded())
      }
      written = values.count
    }
  }

  private static func channelsLast(_ values: [UInt8], _ camera: StoredCamera) -> [UInt8] {
    let plane = camera.height * camera.width
    return [UInt8](unsafeUninitializedCapacity: values.count) { target, written in
      for start in stride(from: 0, to: values.count, by: 3 * plane) {
        for channel in 0..<3 {
          for pixel in 0..<plane {
            target[start + 3 * pixel + channel] = values[start + channel * plane + pixel]
          }
        }
      }
      written = values.count
    }
  }

  private func decoded(_ stored: [[UInt8]], _ camera: StoredCamera, _ path: String, first: Int) throws -> [UInt8] {
    let size = camera.frameBytes
    let total = try self.size(of: [stored.count, size], path)
    return try [UInt8](unsafeUninitializedCapacity: total) { buffer, count in
      nonisolated(unsafe) let target = buffer.baseAddress
      _ = try parallelMap(stored.count) { row in
        try decoding(stored[row], path, row: first + row) {
          try Image.decode(jpeg: stored[row], width: camera.width, height: camera.height, to: target! + row * size)
        }
      }
      count = total
    }
  }

  /// Writes frames `[count, height, width, 3]`.
  /// - Throws: `HDF5Error`, or `ImageError`.
  package func writeFrames(
    _ pixels: [UInt8], count: Int, height: Int, width: Int, to path: String, as storage: FrameStorage
  ) throws {
    let size = height * width * 3
    switch storage {
    case .raw: try write(pixels, shape: [count, height, width, 3], to: path)
    case .lossless: try write(pixels, shape: [count, height, width, 3], to: path, chunk: [1, height, width, 3])
    case .jpeg(let quality):
      let encoded = try parallelMap(count) { row in
        try Image(width: width, height: height, pixels: Array(pixels[row * size..<(row + 1) * size]))
          .jpeg(quality: quality)
      }
      try writeLists(encoded, to: path)
    }
  }
}
