import CHDF5
import Foundation
import Synchronization
import Tensors

// Arrays of bytes, read without holding the library's lock while they are inflated: under it only the stored chunks are
// fetched, as they are, by whichever core comes next; it inflates each once and puts its pieces where they belong.
extension HDF5File {
  /// Where a dataset's bytes are.
  private enum Storage {
    /// In one piece at this offset of the file that holds it, a descriptor of the caller's own.
    case contiguous(Int, file: Int32)
    /// Chunks of this shape, inflated unless stored plain; those never written hold `fill`.
    case chunked([Int], deflated: Bool, fill: UInt8)
    /// Anything else: the library's own way.
    case other
  }

  /// Rows of the first axis of an array of 8-bit integers, all when nil.
  /// - Throws: `HDF5Error`.
  package func frames(_ path: String, rows wanted: Range<Int>? = nil) throws -> [UInt8] {
    let (shape, storage) = try withDataset(path) { dataset -> ([Int], Storage) in
      let type = Handle(H5Dget_type(dataset))
      // Only plain bytes are copied as they are; the library converts the rest or refuses it.
      guard H5Tequal(type.id, h5_byte()) > 0 else { return ([], .other) }
      return (HDF5File.shape(of: dataset), HDF5File.storage(of: dataset))
    }
    guard let first = shape.first else { return try bytes(path, rows: wanted) }
    let rows = wanted ?? 0..<first
    try check(rows, of: shape, path)
    let row = try size(of: Array(shape.dropFirst()), path)
    switch storage {
    case .contiguous(let offset, let file):
      defer { close(file) }
      let count = try size(of: [rows.count, row], path)
      return count > 0 ? try plain(path, file, at: offset + rows.lowerBound * row, count: count) : []
    case .chunked(let chunk, let deflated, let fill):
      guard try size(of: [rows.count, row], path) > 0 else { return [] }
      return try chunked(path, shape: shape, chunk: chunk, deflated: deflated, fill: fill, rows: rows, row: row)
    case .other: return try bytes(path, rows: rows)
    }
  }

  private static func storage(of dataset: hid_t) -> Storage {
    let list = Handle(H5Dget_create_plist(dataset))
    let filters = H5Pget_nfilters(list.id)
    switch H5Pget_layout(list.id) {
    case H5D_CONTIGUOUS:
      let offset = H5Dget_offset(dataset)
      guard offset != haddr_t.max, H5Pget_external_count(list.id) <= 0 else { return .other }
      // The file that holds it, which is another one behind an external link, and the one that was opened, whatever its
      // name leads to by now.
      let owner = Handle(H5Iget_file_id(dataset))
      guard owner.id >= 0, let descriptor = descriptor(of: owner.id), case let copy = dup(descriptor), copy >= 0 else {
        return .other
      }
      return .contiguous(Int(offset), file: copy)
    case H5D_CHUNKED:
      var sizes = [hsize_t](repeating: 0, count: 32)
      let rank = Int(H5Pget_chunk(list.id, 32, &sizes))
      var allocation = H5D_SPACE_STATUS_NOT_ALLOCATED
      guard rank > 0, rank == shape(of: dataset).count, sizes.prefix(rank).allSatisfy({ $0 > 0 }),
        H5Dget_space_status(dataset, &allocation) >= 0, allocation != H5D_SPACE_STATUS_NOT_ALLOCATED
      else { return .other }
      var fill: UInt8 = 0
      var kind = H5D_FILL_VALUE_DEFAULT
      guard H5Pfill_value_defined(list.id, &kind) >= 0,
        kind == H5D_FILL_VALUE_UNDEFINED || H5Pget_fill_value(list.id, h5_byte(), &fill) >= 0
      else { return .other }
      let shape = sizes.prefix(rank).map { Int(clamping: $0) }
      // A chunk as large as that is better read by the library, a part of it at a time.
      guard shape.reduce(1.0, { $0 * Double($1) }) < Double(1 << 28) else { return .other }
      if filters == 0 { return .chunked(shape, deflated: false, fill: fill) }
      guard filters == 1 else { return .other }
      var (flags, count, values): (UInt32, Int, [UInt32]) = (0, 8, Array(repeating: 0, count: 8))
      let filter = H5Pget_filter2(list.id, 0, &flags, &count, &values, 0, nil, nil)
      return filter == H5Z_FILTER_DEFLATE ? .chunked(shape, deflated: true, fill: fill) : .other
    default: return .other
    }
  }

  private func plain(_ path: String, _ file: Int32, at offset: Int, count: Int) throws -> [UInt8] {
    var information = stat()
    // Sizes come from the file: they are not believed before anything is allocated.
    guard fstat(file, &information) == 0, offset + count <= information.st_size else {
      throw HDF5Error.damaged(file: self.path, path: path)
    }
    return try [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
      while written < count {
        let got = pread(file, buffer.baseAddress! + written, count - written, off_t(offset + written))
        if got < 0, errno == EINTR { continue }
        guard got > 0 else {
          throw HDF5Error.unreadable(
            file: self.path, path: path, reason: got < 0 ? String(cString: strerror(errno)) : "the file is truncated")
        }
        written += got
      }
    }
  }

  /// Fetches and inflates the chunks on all cores; the library's lock is held for the fetching alone, one chunk at a time.
  private func chunked(
    _ path: String, shape: [Int], chunk: [Int], deflated: Bool, fill: UInt8, rows: Range<Int>, row: Int
  ) throws -> [UInt8] {
    let size = try size(of: chunk, path)
    let first = rows.lowerBound / chunk[0]
    let counts =
      [(rows.upperBound + chunk[0] - 1) / chunk[0] - first] + zip(shape, chunk).dropFirst().map { ($0 + $1 - 1) / $1 }
    let total = try self.size(of: counts, path)
    guard size < 1 << 28, total < 1 << 24 else { throw HDF5Error.damaged(file: self.path, path: path) }
    let dataset = try HDF5.locked {
      let dataset = H5Dopen2(id, path, h5Default)
      guard dataset >= 0 else { throw failure(path) }
      return dataset
    }
    defer { _ = HDF5.locked { H5Dclose(dataset) } }
    // Deflating makes nothing much longer; a header that says otherwise is damaged.
    let longest = size + size / 8 + 1024
    let isDamaged = Atomic<Bool>(false)
    @Sendable func offset(_ number: Int) -> [Int] {
      var (rest, offset) = (number, shape)
      for axis in shape.indices.reversed() {
        offset[axis] = (rest % counts[axis] + (axis == 0 ? first : 0)) * chunk[axis]
        rest /= counts[axis]
      }
      return offset
    }
    let result = [UInt8](unsafeUninitializedCapacity: rows.count * row) { target, written in
      written = rows.count * row
      nonisolated(unsafe) let target = target.baseAddress!
      // RoboCasa's chunks hold one color of a tile each: its three are fetched in a row and placed at once.
      let lanes = chunk.count > 1 && chunk.last == 1 && shape.last == 3 ? 3 : 1
      parallel(count: total / lanes, grain: max(1, 65_536 / size)) { range in
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: (longest + size) * lanes) { buffer in
          let inflater = Inflater()
          withUnsafeTemporaryAllocation(of: UnsafePointer<UInt8>.self, capacity: lanes) { colors in
            for number in range {
              for lane in 0..<lanes {
                let offset = offset(number * lanes + lane)
                let stored = buffer.baseAddress! + lane * (longest + size)
                guard
                  let values = HDF5File.fetch(
                    dataset, offset, into: stored, longest: longest, stored + longest, size: size, deflated: deflated,
                    fill: fill, inflater)
                else { return isDamaged.store(true, ordering: .relaxed) }
                colors.initializeElement(at: lane, to: values)
              }
              HDF5File.place(UnsafeBufferPointer(colors), offset(number * lanes), chunk, into: target, shape, rows)
            }
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
    _ inflated: UnsafeMutablePointer<UInt8>, size: Int, deflated: Bool, fill: UInt8,
    _ inflater: borrowing Inflater
  ) -> UnsafePointer<UInt8>? {
    let place = offset.map { hsize_t($0) }
    var (count, mask, address): (hsize_t, UInt32, haddr_t) = (0, 0, haddr_t.max)
    let isRead = HDF5.locked {
      if H5Dget_chunk_storage_size(dataset, place, &count) >= 0, count > 0 {
        return count <= longest && H5Dread_chunk(dataset, h5Default, place, &mask, stored) >= 0
      }
      // Never written, or damaged; this way of asking tells them apart, and takes long.
      count = 0
      return H5Dget_chunk_info_by_coord(dataset, place, &mask, &address, &count) >= 0
        && (address == haddr_t.max || count == 0)
    }
    guard isRead else { return nil }
    if count == 0 {
      inflated.initialize(repeating: fill, count: size)
      return UnsafePointer(inflated)
    }
    // The mask's lowest bit: the filter was left out for this chunk.
    guard deflated, mask & 1 == 0 else { return count >= size ? UnsafePointer(stored) : nil }
    return inflater.inflate(stored, count: Int(count), into: inflated, length: size) ? UnsafePointer(inflated) : nil
  }

  /// Copies the part of a chunk that lies inside the array and `rows`; of three chunks when each holds one color.
  private static func place(
    _ sources: UnsafeBufferPointer<UnsafePointer<UInt8>>, _ offset: [Int], _ chunk: [Int],
    into target: UnsafeMutablePointer<UInt8>, _ shape: [Int], _ rows: Range<Int>
  ) {
    let last = shape.count - 1
    let from = [max(0, rows.lowerBound - offset[0])] + offset.dropFirst().map { _ in 0 }
    let to = shape.indices.map { axis in
      min(chunk[axis], (axis == 0 ? rows.upperBound : shape[axis]) - offset[axis])
    }
    let counts = zip(from, to).map { $1 - $0 }
    guard counts.allSatisfy({ $0 > 0 }) else { return }
    // How far apart neighbors of an axis lie in the array and in the chunk.
    func distances(_ sizes: [Int]) -> [Int] {
      sizes.indices.map { sizes[($0 + 1)...].reduce(1, *) }
    }
    let (writes, reads) = (distances(shape), distances(chunk))
    let inner = last > 0 && counts[last] == 1 ? last - 1 : last
    let (run, gap, length) = (writes[inner], reads[inner], counts[inner])
    // Lines lie along the axis before the inner one.
    let (lines, nextRead, nextWrite) =
      inner > 0 ? (counts[inner - 1], reads[inner - 1], writes[inner - 1]) : (1, 0, 0)
    let slabs = counts[..<max(inner - 1, 0)].reduce(1, *)
    let origin =
      target
      + zip(zip(offset, from), writes).reduce(-rows.lowerBound * writes[0]) { $0 + ($1.0.0 + $1.0.1) * $1.1 }
    let start = zip(from, reads).reduce(0) { $0 + $1.0 * $1.1 }
    for slab in 0..<slabs {
      var (rest, read, write) = (slab, start, origin)
      for axis in (0..<max(inner - 1, 0)).reversed() {
        let place = rest % counts[axis]
        rest /= counts[axis]
        read += place * reads[axis]
        write += place * writes[axis]
      }
      for _ in 0..<lines {
        if sources.count == 3 {
          interleave(sources[0] + read, sources[1] + read, sources[2] + read, into: write, count: length)
        } else if run == 1, gap == 1 {
          write.update(from: sources[0] + read, count: length)
        } else {
          for place in 0..<length { write[place * run] = sources[0][read + place * gap] }
        }
        read += nextRead
        write += nextWrite
      }
    }
  }

  /// Three colors become pixels.
  @inline(__always) private static func interleave(
    _ red: UnsafePointer<UInt8>, _ green: UnsafePointer<UInt8>, _ blue: UnsafePointer<UInt8>,
    into pixels: UnsafeMutablePointer<UInt8>, count: Int
  ) {
    for place in 0..<count {
      pixels[place &* 3] = red[place]
      pixels[place &* 3 &+ 1] = green[place]
      pixels[place &* 3 &+ 2] = blue[place]
    }
  }
}
