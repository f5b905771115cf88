import CHDF5
import CZlib
import Foundation
import Synchronization
import Tensors

// Arrays of bytes, read without holding the library's lock while they are inflated: under it only the stored chunks are
// fetched, as they are; they are inflated on all cores, each once, and their pieces put where they belong.
extension HDF5File {
  /// Where a dataset's bytes are.
  private enum Storage {
    /// In one piece at this offset of the file.
    case contiguous(Int)
    /// Chunks of this shape, inflated unless stored plain.
    case chunked([Int], deflated: Bool)
    /// Anything else: the library's own way.
    case other
  }

  private struct Chunk: Sendable {
    var offset: [Int]
    /// In the bytes fetched.
    var stored: Range<Int>
    var isDeflated: Bool
  }

  /// Rows of the first axis of an array of 8-bit numbers, all when nil.
  /// - Throws: `HDF5Error`.
  package func frames(_ path: String, rows wanted: Range<Int>? = nil) throws -> [UInt8] {
    let (shape, storage) = try withDataset(path) { dataset -> ([Int], Storage) in
      let type = H5Dget_type(dataset)
      defer { H5Tclose(type) }
      guard H5Tget_class(type) == H5T_INTEGER, H5Tget_size(type) == 1 else {
        throw HDF5Error.wrongType(file: self.path, path: path, wanted: "8-bit numbers")
      }
      return (HDF5File.shape(of: dataset), HDF5File.storage(of: dataset))
    }
    guard let first = shape.first else { return try bytes(path) }
    let rows = wanted ?? 0..<first
    guard rows.lowerBound >= 0, rows.upperBound <= first else {
      throw HDF5Error.wrongShape(
        file: self.path, path: path, expected: "at least \(rows.upperBound) rows", found: shape)
    }
    let row = try size(of: Array(shape.dropFirst()), path)
    guard row > 0, !rows.isEmpty else { return [] }
    // No picture is that large, no chunk either: the header is wrong.
    guard row < 1 << 28 else { throw HDF5Error.damaged(file: self.path, path: path) }
    switch storage {
    case .contiguous(let offset):
      return try plain(path, at: offset + rows.lowerBound * row, count: rows.count * row)
    case .chunked(let chunk, let deflated):
      return try chunked(path, shape: shape, chunk: chunk, deflated: deflated, rows: rows, row: row)
    case .other: return try bytes(path, rows: rows)
    }
  }

  /// A damaged header must not ask for more than the machine has.
  private func size(of shape: [Int], _ path: String) throws -> Int {
    try shape.reduce(1) { total, size in
      let (product, overflow) = total.multipliedReportingOverflow(by: size)
      guard !overflow, product <= 1 << 36 else { throw HDF5Error.damaged(file: self.path, path: path) }
      return product
    }
  }

  private static func storage(of dataset: hid_t) -> Storage {
    let list = H5Dget_create_plist(dataset)
    defer { H5Pclose(list) }
    let filters = H5Pget_nfilters(list)
    switch H5Pget_layout(list) {
    case H5D_CONTIGUOUS:
      let offset = H5Dget_offset(dataset)
      return offset == haddr_t.max || H5Pget_external_count(list) > 0 ? .other : .contiguous(Int(offset))
    case H5D_CHUNKED:
      var sizes = [hsize_t](repeating: 0, count: 32)
      let rank = Int(H5Pget_chunk(list, 32, &sizes))
      guard rank > 0, rank == shape(of: dataset).count, sizes.prefix(rank).allSatisfy({ $0 > 0 }) else { return .other }
      let shape = sizes.prefix(rank).map(Int.init)
      if filters == 0 { return .chunked(shape, deflated: false) }
      guard filters == 1 else { return .other }
      var (flags, count, values): (UInt32, Int, [UInt32]) = (0, 8, Array(repeating: 0, count: 8))
      let filter = H5Pget_filter2(list, 0, &flags, &count, &values, 0, nil, nil)
      return filter == H5Z_FILTER_DEFLATE ? .chunked(shape, deflated: true) : .other
    default: return .other
    }
  }

  private func plain(_ path: String, at offset: Int, count: Int) throws -> [UInt8] {
    let file = open(self.path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw HDF5Error.notFound(self.path) }
    defer { close(file) }
    var information = stat()
    // Sizes come from the file: they are not believed before anything is allocated.
    guard fstat(file, &information) == 0, offset + count <= information.st_size else {
      throw HDF5Error.damaged(file: self.path, path: path)
    }
    return try [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
      while written < count {
        let got = pread(file, buffer.baseAddress! + written, count - written, off_t(offset + written))
        guard got > 0 else { throw HDF5Error.damaged(file: self.path, path: path) }
        written += got
      }
    }
  }

  private func chunked(
    _ path: String, shape: [Int], chunk: [Int], deflated: Bool, rows: Range<Int>, row: Int
  ) throws -> [UInt8] {
    let (stored, chunks) = try fetch(path, shape: shape, chunk: chunk, deflated: deflated, rows: rows)
    let size = try size(of: chunk, path)
    guard size < 1 << 28 else { throw HDF5Error.damaged(file: self.path, path: path) }
    var result = [UInt8](repeating: 0, count: rows.count * row)
    let isDamaged = Atomic<Bool>(false)
    result.withUnsafeMutableBufferPointer { target in
      stored.withUnsafeBufferPointer { stored in
        nonisolated(unsafe) let (from, to) = (stored.baseAddress!, target.baseAddress!)
        parallel(count: chunks.count, grain: max(1, 65_536 / size)) { range in
          withUnsafeTemporaryAllocation(of: UInt8.self, capacity: size) { buffer in
            for one in chunks[range] {
              var source = from + one.stored.lowerBound
              if one.isDeflated {
                var count = uLongf(size)
                guard uncompress(buffer.baseAddress!, &count, source, uLong(one.stored.count)) == Z_OK, count == size
                else { return isDamaged.store(true, ordering: .relaxed) }
                source = UnsafePointer(buffer.baseAddress!)
              } else if one.stored.count < size {
                return isDamaged.store(true, ordering: .relaxed)
              }
              HDF5File.place(source, one.offset, chunk, into: to, shape, rows)
            }
          }
        }
      }
    }
    if isDamaged.load(ordering: .relaxed) { throw HDF5Error.damaged(file: self.path, path: path) }
    return result
  }

  /// The stored bytes of the chunks that hold `rows`.
  private func fetch(
    _ path: String, shape: [Int], chunk: [Int], deflated: Bool, rows: Range<Int>
  ) throws -> (stored: [UInt8], chunks: [Chunk]) {
    try withDataset(path) { dataset in
      var stored: [UInt8] = []
      var chunks: [Chunk] = []
      let first = rows.lowerBound / chunk[0]
      let counts =
        [(rows.upperBound + chunk[0] - 1) / chunk[0] - first] + zip(shape, chunk).dropFirst().map { ($0 + $1 - 1) / $1 }
      guard try size(of: counts, path) < 1 << 24 else { throw HDF5Error.damaged(file: self.path, path: path) }
      for number in 0..<counts.reduce(1, *) {
        var rest = number
        var offset = [Int](repeating: 0, count: shape.count)
        for axis in shape.indices.reversed() {
          offset[axis] = (rest % counts[axis] + (axis == 0 ? first : 0)) * chunk[axis]
          rest /= counts[axis]
        }
        let place = offset.map { hsize_t($0) }
        var count: hsize_t = 0
        guard H5Dget_chunk_storage_size(dataset, place, &count) >= 0 else {
          throw HDF5Error.damaged(file: self.path, path: path)
        }
        // A chunk that was never written is zeros.
        if count == 0 { continue }
        guard count < 1 << 32 else { throw HDF5Error.damaged(file: self.path, path: path) }
        let start = stored.count
        stored.append(contentsOf: repeatElement(0, count: Int(count)))
        var mask: UInt32 = 0
        let status = stored.withUnsafeMutableBufferPointer {
          H5Dread_chunk(dataset, hid_t(H5P_DEFAULT), place, &mask, $0.baseAddress! + start)
        }
        guard status >= 0 else { throw HDF5Error.damaged(file: self.path, path: path) }
        // The mask's lowest bit: the filter was left out for this chunk.
        chunks.append(Chunk(offset: offset, stored: start..<stored.count, isDeflated: deflated && mask & 1 == 0))
      }
      return (stored, chunks)
    }
  }

  /// Copies the part of a chunk that lies inside the array and `rows`.
  private static func place(
    _ source: UnsafePointer<UInt8>, _ offset: [Int], _ chunk: [Int], into target: UnsafeMutablePointer<UInt8>,
    _ shape: [Int], _ rows: Range<Int>
  ) {
    let last = shape.count - 1
    var from = offset.map { _ in 0 }
    var to = zip(chunk.indices, chunk).map { min($1, shape[$0] - offset[$0]) }
    from[0] = max(0, rows.lowerBound - offset[0])
    to[0] = min(to[0], rows.upperBound - offset[0])
    var strides = [Int](repeating: 1, count: shape.count)
    var steps = strides
    for axis in (0..<last).reversed() {
      strides[axis] = strides[axis + 1] * shape[axis + 1]
      steps[axis] = steps[axis + 1] * chunk[axis + 1]
    }
    func copy(_ axis: Int, _ read: Int, _ write: Int) {
      if axis == last || axis == last - 1 && to[last] - from[last] == 1 {
        // RoboCasa's chunks hold one colour of a tile: its bytes go to every third place.
        let (run, gap) = axis == last ? (strides[axis], 1) : (strides[axis], steps[axis])
        var (a, b) = (read + from[axis] * gap, write + (offset[axis] + from[axis]) * run)
        if axis != last { b += offset[last] + from[last] }
        if axis != last { a += from[last] }
        if run == 1, gap == 1 {
          (target + b).update(from: source + a, count: to[axis] - from[axis])
        } else {
          for _ in from[axis]..<to[axis] {
            target[b] = source[a]
            a += gap
            b += run
          }
        }
        return
      }
      for i in from[axis]..<to[axis] {
        copy(axis + 1, read + i * steps[axis], write + (offset[axis] + i) * strides[axis])
      }
    }
    guard from[0] < to[0] else { return }
    if last == 0 {
      (target + offset[0] + from[0] - rows.lowerBound).update(from: source + from[0], count: to[0] - from[0])
    } else {
      copy(0, 0, -rows.lowerBound * strides[0])
    }
  }
}
