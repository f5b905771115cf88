import Foundation
import Imitation
import Synchronization
import Tensors

/// How a camera's frames are kept in a file.
package enum FrameStorage: Sendable, Equatable {
  /// `[steps, height, width, 3]` in one piece: read at the speed of the disk.
  case raw
  /// The same, each frame deflated by itself.
  case lossless
  /// Each frame a JPEG picture of this quality (1 to 100).
  case jpeg(Int)
}

extension HDF5File {
  /// Height and width of a camera's frames, and their number; nil when this is no camera.
  /// - Throws: `HDF5Error`, or `ImageError` when the first frame is no JPEG picture.
  package func frameShape(_ path: String) throws -> (count: Int, height: Int, width: Int)? {
    let shape = try shape(path)
    if shape.count == 4, shape[3] == 3 { return (shape[0], shape[1], shape[2]) }
    guard shape.count == 1, shape[0] > 0, try holdsLists(path) else { return nil }
    let first = try Image(jpeg: lists(path, rows: 0..<1)[0])
    return (shape[0], first.height, first.width)
  }

  /// Frames of a camera, however they are stored: `[rows, height, width, 3]`.
  /// - Throws: `HDF5Error`, or `ImageError` when the first frame is no JPEG picture.
  package func pictures(_ path: String, rows: Range<Int>? = nil) throws -> [UInt8] {
    guard try holdsLists(path) else { return try frames(path, rows: rows) }
    guard let shape = try frameShape(path) else {
      throw HDF5Error.wrongType(file: self.path, path: path, wanted: "pictures")
    }
    let rows = rows ?? 0..<shape.count
    let stored = try lists(path, rows: rows)
    let size = shape.height * shape.width * 3
    let failure = Mutex<(any Error)?>(nil)
    let result = [UInt8](unsafeUninitializedCapacity: rows.count * size) { buffer, count in
      nonisolated(unsafe) let target = buffer.baseAddress
      parallel(count: stored.count, grain: 1) { range in
        for row in range {
          do {
            try Image.decode(jpeg: stored[row], width: shape.width, height: shape.height, to: target! + row * size)
          } catch {
            let place = "\(path)[\(rows.lowerBound + row)]"
            failure.withLock { $0 = $0 ?? HDF5Error.picture(file: self.path, path: place, reason: "\(error)") }
          }
        }
      }
      count = rows.count * size
    }
    if let error = failure.withLock({ $0 }) { throw error }
    return result
  }

  /// Writes frames `[count, height, width, 3]`.
  /// - Throws: `HDF5Error`, or `ImageError`.
  package func writePictures(
    _ pixels: [UInt8], count: Int, height: Int, width: Int, to path: String, as storage: FrameStorage
  ) throws {
    let size = height * width * 3
    switch storage {
    case .raw: try write(pixels, shape: [count, height, width, 3], to: path)
    case .lossless: try write(pixels, shape: [count, height, width, 3], to: path, chunk: [1, height, width, 3])
    case .jpeg(let quality):
      let encoded = Mutex<[Int: [UInt8]]>([:])
      let failure = Mutex<(any Error)?>(nil)
      parallel(count: count, grain: 1) { range in
        for row in range {
          do {
            let frame = Image(width: width, height: height, pixels: Array(pixels[row * size..<(row + 1) * size]))
            let data = try frame.jpeg(quality: quality)
            encoded.withLock { $0[row] = data }
          } catch {
            failure.withLock { $0 = $0 ?? error }
          }
        }
      }
      if let error = failure.withLock({ $0 }) { throw error }
      let all = encoded.withLock { $0 }
      try writeLists((0..<count).map { all[$0]! }, to: path)
    }
  }
}
