import CHDF5

/// Numbers that files hold as they are.
package protocol StoredNumber: BitwiseCopyable, Numeric {
  static var stored: hid_t { get }
}

extension Double: StoredNumber { package static var stored: hid_t { h5_double() } }
extension Float: StoredNumber { package static var stored: hid_t { h5_float() } }
extension UInt8: StoredNumber { package static var stored: hid_t { h5_byte() } }
extension Int64: StoredNumber { package static var stored: hid_t { h5_integer() } }

extension Range<Int> {
  /// The same numbers in pieces of `size`, of 1 at least; the last may be shorter.
  func blocks(of size: Int) -> [Range<Int>] {
    let size = Swift.max(1, size)
    return stride(from: lowerBound, to: upperBound, by: size).map { $0..<Swift.min(upperBound, $0 + size) }
  }
}

/// Values of datasets, as the types that the toolkit computes with.
extension HDF5File {
  /// - Throws: `HDF5Error` when an array of `shape` does not have those rows.
  func check(_ rows: Range<Int>, of shape: [Int], _ path: String) throws {
    guard rows.lowerBound >= 0, rows.upperBound <= shape.first ?? 0 else {
      throw HDF5Error.wrongShape(
        file: self.path, path: path, expected: "at least \(rows.upperBound) rows", found: shape)
    }
  }

  /// Selects rows of the first axis in spaces of `shape`.
  /// - Returns: the space that those rows fill in memory.
  static func select(_ rows: Range<Int>, of shape: [Int], _ spaces: hid_t...) -> Handle {
    let starts = [hsize_t(rows.lowerBound)] + shape.dropFirst().map { _ in hsize_t(0) }
    let counts = ([rows.count] + shape.dropFirst()).map { hsize_t($0) }
    for space in spaces { H5Sselect_hyperslab(space, H5S_SELECT_SET, starts, nil, counts, nil) }
    return Handle(H5Screate_simple(Int32(counts.count), counts, nil))
  }

  package func shape(_ path: String) throws -> [Int] {
    try withDataset(path) { dataset in
      guard !isNull(dataset) else {
        throw HDF5Error.wrongType(file: self.path, path: path, wanted: "values: it is empty")
      }
      return HDF5File.shape(of: dataset)
    }
  }

  /// Whether a dataset has no dataspace at all.
  func isEmpty(_ path: String) throws -> Bool { try withDataset(path) { isNull($0) } }

  /// Whether a dataset has no dataspace at all (h5py's `Empty`).
  private func isNull(_ dataset: hid_t) -> Bool {
    let space = Handle(H5Dget_space(dataset))
    return H5Sget_simple_extent_type(space.id) == H5S_NULL
  }

  static func shape(of dataset: hid_t) -> [Int] {
    let space = Handle(H5Dget_space(dataset))
    var sizes = [hsize_t](repeating: 0, count: max(1, Int(H5Sget_simple_extent_ndims(space.id))))
    let rank = Int(H5Sget_simple_extent_dims(space.id, &sizes, nil))
    return sizes.prefix(max(rank, 0)).map { Int(clamping: $0) }
  }

  /// What the entries of a dataset are.
  package enum ValueKind: Sendable, Equatable {
    /// Whole numbers without a sign of 8 bits: what frames are made of.
    case bytes
    /// Other whole numbers, and h5py's bool, which is a choice of 0 and 1.
    case integers
    case floats
    case text
    /// Lists of differing lengths, records, references.
    case other
  }

  package func valueKind(_ path: String) throws -> ValueKind {
    try withDataset(path) { dataset in
      let type = Handle(H5Dget_type(dataset))
      switch H5Tget_class(type.id) {
      case H5T_INTEGER:
        let isByte = H5Tget_size(type.id) == 1 && H5Tget_sign(type.id) == H5T_SGN_NONE
        return isByte && H5Tget_precision(type.id) == 8 ? .bytes : .integers
      case H5T_ENUM: return .integers
      case H5T_FLOAT: return .floats
      case H5T_STRING: return .text
      default: return .other
      }
    }
  }

  package func bytes(_ path: String, rows: Range<Int>? = nil) throws -> [UInt8] {
    guard try valueKind(path) == .bytes else {
      throw HDF5Error.wrongType(file: self.path, path: path, wanted: "unsigned 8-bit integers")
    }
    return try read(path, rows: rows)
  }

  package func doubles(_ path: String, rows: Range<Int>? = nil) throws -> [Double] {
    try read(path, rows: rows)
  }

  package func floats(_ path: String, rows: Range<Int>? = nil) throws -> [Float] {
    try read(path, rows: rows)
  }

  /// Rows of the first axis, or all; the library converts to the type asked for.
  private func read<Value: StoredNumber>(_ path: String, rows: Range<Int>?) throws -> [Value] {
    try withDataset(path) { dataset in
      let stored = Handle(H5Dget_type(dataset))
      guard [H5T_INTEGER, H5T_FLOAT, H5T_ENUM].contains(H5Tget_class(stored.id)), !isNull(dataset) else {
        throw HDF5Error.wrongType(file: self.path, path: path, wanted: "numeric values")
      }
      try refuseMissingSources(dataset, path)
      let shape = HDF5File.shape(of: dataset)
      if let rows, !shape.isEmpty { try check(rows, of: shape, path) }
      let chosen = rows.map { shape.isEmpty ? shape : [$0.count] + shape.dropFirst() } ?? shape
      let total = try size(of: chosen, path, each: MemoryLayout<Value>.stride)
      guard total > 0 else { return [] }
      var values = [Value](repeating: 0, count: total)
      let space = Handle(H5Dget_space(dataset))
      let memory = rows == nil || shape.isEmpty ? Handle(h5All) : HDF5File.select(rows!, of: shape, space.id)
      guard H5Dread(dataset, Value.stored, memory.id, space.id, h5Default, &values) >= 0 else {
        throw failure(path, of: dataset)
      }
      return values
    }
  }

  /// The entries of an array of `shape`. A damaged header must not ask for more than the machine has.
  func size(of shape: [Int], _ path: String, each bytes: Int = 1) throws -> Int {
    let total = try shape.reduce(1) { total, size in
      let (product, overflow) = total.multipliedReportingOverflow(by: size)
      guard !overflow, product <= 1 << 40 else { throw HDF5Error.damaged(file: self.path, path: path) }
      return product
    }
    guard total * bytes <= HDF5File.memory else {
      throw HDF5Error.tooLarge(file: self.path, path: path, bytes: total * bytes)
    }
    return total
  }

  /// What the machine has, in bytes.
  private static let memory = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
}
