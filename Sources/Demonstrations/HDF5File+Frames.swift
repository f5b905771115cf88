import CHDF5
import Foundation
import Synchronization
import Tensors

// Arrays of bytes, read without holding the library's lock while they are inflated: under it only the stored chunks are
// fetched, as they are, by whichever core comes next; it inflates each once and puts its pieces where they belong.
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

  /// Fetches and inflates the chunks on all cores; the library's lock is held for the fetching alone, one chunk at a time.
  private func chunked(
    _ path: String, shape: [Int], chunk: [Int], deflated: Bool, rows: Range<Int>, row: Int
  ) throws -> [UInt8] {
    let size = try size(of: chunk, path)
    let first = rows.lowerBound / chunk[0]
    let counts =
      [(rows.upperBound + chunk[0] - 1) / chunk[0] - first] + zip(shape, chunk).dropFirst().map { ($0 + $1 - 1) / $1 }
    let total = try self.size(of: counts, path)
    guard size < 1 << 28, total < 1 << 24 else { throw HDF5Error.damaged(file: self.path, path: path) }
    let dataset = try HDF5.locked {
      let dataset = H5Dopen2(id, path, hid_t(H5P_DEFAULT))
      guard dataset >= 0 else { throw HDF5Error.damaged(file: self.path, path: path) }
      return dataset
    }
    defer { _ = HDF5.locked { H5Dclose(dataset) } }
    // Deflating makes nothing much longer; a header that says otherwise is damaged.
    let longest = size + size / 8 + 1024
    let isDamaged = Atomic<Bool>(false)
    let result = [UInt8](unsafeUninitializedCapacity: rows.count * row) { target, written in
      written = rows.count * row
      nonisolated(unsafe) let target = target.baseAddress!
      parallel(count: total, grain: max(1, 65_536 / size)) { range in
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: longest + size) { buffer in
          let (stored, inflated) = (buffer.baseAddress!, buffer.baseAddress! + longest)
          let inflater = Inflater()
          for number in range {
            var (rest, offset) = (number, shape)
            for axis in shape.indices.reversed() {
              offset[axis] = (rest % counts[axis] + (axis == 0 ? first : 0)) * chunk[axis]
              rest /= counts[axis]
            }
            guard
              let values = HDF5File.fetch(
                dataset, offset, into: stored, longest: longest, inflated, size: size, deflated: deflated, inflater)
            else { return isDamaged.store(true, ordering: .relaxed) }
            HDF5File.place(values, offset, chunk, into: target, shape, rows)
          }
        }
      }
    }
    if isDamaged.load(ordering: .relaxed) { throw HDF5Error.damaged(file: self.path, path: path) }
    return result
  }

  /// The values of the chunk at `offset`, in one of the two buffers; nil when it is damaged.
  private static func fetch(
    _ dataset: hid_t, _ offset: [Int], into stored: UnsafeMutablePointer<UInt8>, longest: Int,
    _ inflated: UnsafeMutablePointer<UInt8>, size: Int, deflated: Bool,
    _ inflater: borrowing Inflater
  ) -> UnsafePointer<UInt8>? {
    let place = offset.map { hsize_t($0) }
    var (count, mask): (hsize_t, UInt32) = (0, 0)
    let isRead = HDF5.locked {
      H5Dget_chunk_storage_size(dataset, place, &count) >= 0 && count <= longest
        && (count == 0 || H5Dread_chunk(dataset, hid_t(H5P_DEFAULT), place, &mask, stored) >= 0)
    }
    guard isRead else { return nil }
    // A chunk that was never written is zeros.
    if count == 0 {
      inflated.initialize(repeating: 0, count: size)
      return UnsafePointer(inflated)
    }
    // The mask's lowest bit: the filter was left out for this chunk.
    guard deflated, mask & 1 == 0 else { return count >= size ? UnsafePointer(stored) : nil }
    return inflater.inflate(stored, count: Int(count), into: inflated, length: size) ? UnsafePointer(inflated) : nil
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
          var (p, q) = (source + a, target + b)
          for _ in from[axis]..<to[axis] {
            q.pointee = p.pointee
            p += gap
            q += run
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
