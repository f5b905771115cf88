import CHDF5
import Foundation
import Synchronization

/// Debian's HDF5 is the serial library: one call at a time in the whole process, whichever file it is for.
enum HDF5 {
  private static let lock: NSRecursiveLock = {
    // Files are closed where they are no longer used; what is left at exit are those that could not be written, and closing
    // one of those crashes.
    H5dont_atexit()
    H5open()
    return NSRecursiveLock()
  }()

  static func locked<Result>(_ body: () throws -> Result) rethrows -> Result {
    lock.lock()
    defer { lock.unlock() }
    // Errors come back as values; the library would print them as well, a setting that some builds keep by thread.
    H5Eset_auto2(0, nil, nil)
    return try body()
  }
}

/// An open HDF5 file. Everything read from it is an array of the caller's own.
package final class HDF5File: @unchecked Sendable {
  package let path: String
  /// Guarded by `HDF5.locked`, as is every use of it: that makes the class safe to share.
  let id: hid_t

  /// Opens an existing file to read.
  /// - Throws: `HDF5Error`.
  package init(reading path: String) throws {
    self.path = path
    id = try HDF5.locked {
      var id = H5Fopen(path, h5_read_only(), hid_t(H5P_DEFAULT))
      if id < 0, HDF5File.isSharedWhileWritten(path) {
        id = H5Fopen(path, h5_read_only() | h5_swmr_read(), hid_t(H5P_DEFAULT))
      }
      guard id >= 0 else { throw HDF5File.reason(path) }
      return id
    }
  }

  /// Creates a file, in the oldest format that holds it, so that every reader opens it.
  /// - Throws: `HDF5Error`.
  package init(creating path: String) throws {
    self.path = path
    id = try HDF5.locked {
      let id = H5Fcreate(path, h5_truncate(), hid_t(H5P_DEFAULT), hid_t(H5P_DEFAULT))
      guard id >= 0 else { throw HDF5Error.notWritten(file: path, reason: String(cString: strerror(errno))) }
      return id
    }
  }

  /// Guarded by `HDF5.locked`.
  private var isAbandoned = false

  deinit {
    HDF5.locked { if !isAbandoned { H5Fclose(id) } }
  }

  /// Leaves a file behind that could not be written: the library crashes when it closes one whose buffers find no room.
  package func abandon() { HDF5.locked { isAbandoned = true } }

  /// Writes what is buffered and tells whether that worked.
  /// - Throws: `HDF5Error`.
  package func flush() throws {
    try HDF5.locked {
      guard H5Fflush(id, H5F_SCOPE_LOCAL) >= 0 else {
        throw HDF5Error.notWritten(file: path, reason: String(cString: strerror(errno == 0 ? EIO : errno)))
      }
    }
  }

  /// Whether the file is marked as written by one and read by many (SWMR): its writer keeps it whole at every moment, and
  /// the mark stays when that writer is killed. Superblock version 3, bits 0 and 2 of byte 11.
  private static func isSharedWhileWritten(_ path: String) -> Bool {
    guard let file = FileHandle(forReadingAtPath: path) else { return false }
    defer { try? file.close() }
    guard let start = try? file.read(upToCount: 12), start.count == 12 else { return false }
    return start.starts(with: [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]) && start[8] == 3 && start[11] & 5 == 5
  }

  /// Why a file does not open: looks at its bytes for what people really have.
  private static func reason(_ path: String) -> HDF5Error {
    guard FileManager.default.fileExists(atPath: path), let file = FileHandle(forReadingAtPath: path) else {
      return .notFound(path)
    }
    defer { try? file.close() }
    let start = (try? file.read(upToCount: 1024)) ?? Data()
    let size = (try? file.seekToEnd()) ?? 0
    if start.isEmpty { return .notHDF5(path, hint: "it is empty") }
    if start.starts(with: [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]) {
      // Superblock 0: the end of the file is at byte 40; 2 and 3: at byte 28.
      let at = start.count > 8 && start[8] >= 2 ? 28 : 40
      if start.count >= at + 8 {
        let end = start[at..<at + 8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        if end > size { return .notHDF5(path, hint: "it is truncated: \(size) of \(end) bytes; download it again") }
      }
      return H5Fis_hdf5(path) > 0 ? .beingWritten(path) : .notHDF5(path, hint: "its structure is damaged")
    }
    let text = String(decoding: start, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines).lowercased()
    if text.hasPrefix("<!doctype") || text.hasPrefix("<html") {
      return .notHDF5(path, hint: "it is a web page; the download link needs a browser or has expired")
    }
    return .notHDF5(path, hint: "it starts with other bytes")
  }
}

extension HDF5File {
  package func exists(_ path: String) -> Bool {
    HDF5.locked {
      var partial = ""
      for part in path.split(separator: "/") {
        partial += partial.isEmpty ? String(part) : "/\(part)"
        guard H5Lexists(id, partial, hid_t(H5P_DEFAULT)) > 0 else { return false }
      }
      return true
    }
  }

  /// The names in a group, sorted; empty when there is no such group.
  package func children(_ path: String) -> [String] {
    HDF5.locked {
      let group = H5Gopen2(id, path, hid_t(H5P_DEFAULT))
      guard group >= 0 else { return [] }
      defer { H5Gclose(group) }
      var info = H5G_info_t()
      guard H5Gget_info(group, &info) >= 0 else { return [] }
      return (0..<info.nlinks).compactMap { index in
        let length = H5Lget_name_by_idx(
          group, ".", H5_INDEX_NAME, H5_ITER_INC, index, nil, 0, hid_t(H5P_DEFAULT))
        guard length > 0 else { return nil }
        var name = [CChar](repeating: 0, count: length + 1)
        H5Lget_name_by_idx(
          group, ".", H5_INDEX_NAME, H5_ITER_INC, index, &name, length + 1, hid_t(H5P_DEFAULT))
        return String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
      }
    }
  }

  /// Opens a dataset, with the names beside it in the complaint when there is none.
  func withDataset<Result>(_ path: String, _ body: (hid_t) throws -> Result) throws -> Result {
    try HDF5.locked {
      guard exists(path) else {
        let parent = path.split(separator: "/").dropLast().joined(separator: "/")
        throw HDF5Error.missing(file: self.path, path: path, available: children(parent.isEmpty ? "/" : parent))
      }
      let dataset = H5Dopen2(id, path, hid_t(H5P_DEFAULT))
      guard dataset >= 0 else { throw HDF5Error.wrongType(file: self.path, path: path, wanted: "values") }
      defer { H5Dclose(dataset) }
      return try body(dataset)
    }
  }

  package func shape(_ path: String) throws -> [Int] {
    try withDataset(path) { HDF5File.shape(of: $0) }
  }

  static func shape(of dataset: hid_t) -> [Int] {
    let space = H5Dget_space(dataset)
    defer { H5Sclose(space) }
    var sizes = [hsize_t](repeating: 0, count: max(1, Int(H5Sget_simple_extent_ndims(space))))
    let rank = Int(H5Sget_simple_extent_dims(space, &sizes, nil))
    return sizes.prefix(max(rank, 0)).map(Int.init)
  }

  package func bytes(_ path: String, rows: Range<Int>? = nil) throws -> [UInt8] {
    try read(path, rows: rows, type: h5_byte(), zero: UInt8(0), kind: H5T_INTEGER, wanted: "8-bit numbers", size: 1)
  }

  package func doubles(_ path: String, rows: Range<Int>? = nil) throws -> [Double] {
    try read(path, rows: rows, type: h5_double(), zero: 0.0, kind: nil, wanted: "numbers", size: nil)
  }

  package func floats(_ path: String, rows: Range<Int>? = nil) throws -> [Float] {
    try read(path, rows: rows, type: h5_float(), zero: Float(0), kind: nil, wanted: "numbers", size: nil)
  }

  /// Rows of the first axis, or all; the library converts to the type asked for.
  private func read<Value: BitwiseCopyable>(
    _ path: String, rows: Range<Int>?, type: hid_t, zero: Value, kind: H5T_class_t?, wanted: String, size: Int?
  ) throws -> [Value] {
    try withDataset(path) { dataset in
      let stored = H5Dget_type(dataset)
      defer { H5Tclose(stored) }
      let found = H5Tget_class(stored)
      guard found == kind ?? found, found == H5T_INTEGER || found == H5T_FLOAT,
        size.map({ H5Tget_size(stored) == $0 }) ?? true
      else { throw HDF5Error.wrongType(file: self.path, path: path, wanted: wanted) }
      let shape = HDF5File.shape(of: dataset)
      var counts = shape.map { hsize_t($0) }
      var total = 1
      for size in shape {
        let (product, overflow) = total.multipliedReportingOverflow(by: size)
        // A damaged header must not ask for more than the machine has.
        guard !overflow, product <= 1 << 36 else { throw HDF5Error.damaged(file: self.path, path: path) }
        total = product
      }
      guard let rows, let first = shape.first else {
        var values = [Value](repeating: zero, count: total)
        guard total == 0 || H5Dread(dataset, type, hid_t(H5S_ALL), hid_t(H5S_ALL), hid_t(H5P_DEFAULT), &values) >= 0
        else {
          throw HDF5Error.damaged(file: self.path, path: path)
        }
        return values
      }
      guard rows.lowerBound >= 0, rows.upperBound <= first else {
        throw HDF5Error.wrongShape(
          file: self.path, path: path, expected: "at least \(rows.upperBound) rows", found: shape)
      }
      var values = [Value](repeating: zero, count: first == 0 ? 0 : total / first * rows.count)
      guard !values.isEmpty else { return [] }
      var starts = counts.map { _ in hsize_t(0) }
      starts[0] = hsize_t(rows.lowerBound)
      counts[0] = hsize_t(rows.count)
      let space = H5Dget_space(dataset)
      defer { H5Sclose(space) }
      let memory = H5Screate_simple(Int32(counts.count), counts, nil)
      defer { H5Sclose(memory) }
      guard H5Sselect_hyperslab(space, H5S_SELECT_SET, starts, nil, counts, nil) >= 0,
        H5Dread(dataset, type, memory, space, hid_t(H5P_DEFAULT), &values) >= 0
      else { throw HDF5Error.damaged(file: self.path, path: path) }
      return values
    }
  }

  /// A list of strings, of fixed or variable length.
  package func strings(_ path: String) throws -> [String] {
    try withDataset(path) { dataset in
      let type = H5Dget_type(dataset)
      defer { H5Tclose(type) }
      let space = H5Dget_space(dataset)
      defer { H5Sclose(space) }
      let count = HDF5File.shape(of: dataset).reduce(1, *)
      guard H5Tget_class(type) == H5T_STRING, count < 1 << 28 else {
        throw HDF5Error.wrongType(file: self.path, path: path, wanted: "text")
      }
      return try HDF5File.strings(type: type, space: space, count: count) { memory, buffer in
        guard H5Dread(dataset, memory, hid_t(H5S_ALL), hid_t(H5S_ALL), hid_t(H5P_DEFAULT), buffer) >= 0 else {
          throw HDF5Error.damaged(file: self.path, path: path)
        }
      }
    }
  }

  private static func strings(
    type: hid_t, space: hid_t, count: Int, read: (hid_t, UnsafeMutableRawPointer) throws -> Void
  ) throws -> [String] {
    guard count > 0 else { return [] }
    if H5Tis_variable_str(type) > 0 {
      var pointers = [UnsafeMutablePointer<CChar>?](repeating: nil, count: count)
      let memory = H5Tcopy(type)
      defer { H5Tclose(memory) }
      try pointers.withUnsafeMutableBytes { try read(memory, $0.baseAddress!) }
      defer { H5Dvlen_reclaim(memory, space, hid_t(H5P_DEFAULT), &pointers) }
      return pointers.map { $0.map { String(cString: $0) } ?? "" }
    }
    let size = H5Tget_size(type)
    guard size > 0, size < 1 << 30 else { return [] }
    var bytes = [UInt8](repeating: 0, count: size * count)
    try bytes.withUnsafeMutableBytes { try read(type, $0.baseAddress!) }
    return (0..<count).map { index in
      let text = bytes[index * size..<(index + 1) * size].prefix { $0 != 0 }
      return String(decoding: text, as: UTF8.self)
    }
  }

  /// - Throws: `HDF5Error` when the object or the attribute is missing or not text.
  package func text(of path: String, _ name: String) throws -> String {
    try withAttribute(path, name) { attribute in
      let type = H5Aget_type(attribute)
      defer { H5Tclose(type) }
      let space = H5Aget_space(attribute)
      defer { H5Sclose(space) }
      guard H5Tget_class(type) == H5T_STRING, H5Sget_simple_extent_npoints(space) == 1 else {
        throw HDF5Error.wrongType(file: self.path, path: "\(path)@\(name)", wanted: "text")
      }
      return try HDF5File.strings(type: type, space: space, count: 1) { memory, buffer in
        guard H5Aread(attribute, memory, buffer) >= 0 else {
          throw HDF5Error.damaged(file: self.path, path: "\(path)@\(name)")
        }
      }.first ?? ""
    }
  }

  /// - Throws: `HDF5Error` when the object or the attribute is missing or not a number.
  package func integer(of path: String, _ name: String) throws -> Int {
    try withAttribute(path, name) { attribute in
      var value: Int64 = 0
      let space = H5Aget_space(attribute)
      defer { H5Sclose(space) }
      guard H5Sget_simple_extent_npoints(space) == 1, H5Aread(attribute, h5_integer(), &value) >= 0 else {
        throw HDF5Error.wrongType(file: self.path, path: "\(path)@\(name)", wanted: "a whole number")
      }
      return Int(value)
    }
  }

  private func withAttribute<Result>(_ path: String, _ name: String, _ body: (hid_t) throws -> Result) throws -> Result
  {
    try HDF5.locked {
      let object = H5Oopen(id, path, hid_t(H5P_DEFAULT))
      guard object >= 0 else { throw HDF5Error.missing(file: self.path, path: path, available: []) }
      defer { H5Oclose(object) }
      guard H5Aexists(object, name) > 0 else {
        throw HDF5Error.missingAttribute(file: self.path, path: path, name: name)
      }
      let attribute = H5Aopen(object, name, hid_t(H5P_DEFAULT))
      guard attribute >= 0 else { throw HDF5Error.damaged(file: self.path, path: "\(path)@\(name)") }
      defer { H5Aclose(attribute) }
      return try body(attribute)
    }
  }
}
