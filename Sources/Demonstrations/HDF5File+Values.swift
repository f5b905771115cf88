import CHDF5
import Foundation

/// Values of datasets, as the types that the toolkit computes with.
extension HDF5File {
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
    let space = H5Dget_space(dataset)
    defer { H5Sclose(space) }
    return H5Sget_simple_extent_type(space) == H5S_NULL
  }

  static func shape(of dataset: hid_t) -> [Int] {
    let space = H5Dget_space(dataset)
    defer { H5Sclose(space) }
    var sizes = [hsize_t](repeating: 0, count: max(1, Int(H5Sget_simple_extent_ndims(space))))
    let rank = Int(H5Sget_simple_extent_dims(space, &sizes, nil))
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
      let type = H5Dget_type(dataset)
      defer { H5Tclose(type) }
      switch H5Tget_class(type) {
      case H5T_INTEGER:
        return H5Tget_size(type) == 1 && H5Tget_sign(type) == H5T_SGN_NONE && H5Tget_precision(type) == 8
          ? .bytes : .integers
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
    return try read(path, rows: rows, type: h5_byte(), zero: UInt8(0))
  }

  package func doubles(_ path: String, rows: Range<Int>? = nil) throws -> [Double] {
    try read(path, rows: rows, type: h5_double(), zero: 0.0)
  }

  package func floats(_ path: String, rows: Range<Int>? = nil) throws -> [Float] {
    try read(path, rows: rows, type: h5_float(), zero: Float(0))
  }

  /// Rows of the first axis, or all; the library converts to the type asked for.
  private func read<Value: BitwiseCopyable>(
    _ path: String, rows: Range<Int>?, type: hid_t, zero: Value
  ) throws -> [Value] {
    try withDataset(path) { dataset in
      let stored = H5Dget_type(dataset)
      defer { H5Tclose(stored) }
      guard [H5T_INTEGER, H5T_FLOAT, H5T_ENUM].contains(H5Tget_class(stored)), !isNull(dataset) else {
        throw HDF5Error.wrongType(file: self.path, path: path, wanted: "numeric values")
      }
      try refuseMissingSources(dataset, path)
      let shape = HDF5File.shape(of: dataset)
      if let rows, let first = shape.first, rows.lowerBound < 0 || rows.upperBound > first {
        throw HDF5Error.wrongShape(
          file: self.path, path: path, expected: "at least \(rows.upperBound) rows", found: shape)
      }
      let chosen = rows.map { shape.isEmpty ? shape : [$0.count] + shape.dropFirst() } ?? shape
      let total = try size(of: chosen, path, each: MemoryLayout<Value>.stride)
      guard total > 0 else { return [] }
      var values = [Value](repeating: zero, count: total)
      guard let rows, !shape.isEmpty else {
        guard H5Dread(dataset, type, hid_t(H5S_ALL), hid_t(H5S_ALL), hid_t(H5P_DEFAULT), &values) >= 0 else {
          throw failure(path, of: dataset)
        }
        return values
      }
      let starts = [hsize_t(rows.lowerBound)] + shape.dropFirst().map { _ in hsize_t(0) }
      let counts = chosen.map { hsize_t($0) }
      let space = H5Dget_space(dataset)
      defer { H5Sclose(space) }
      let memory = H5Screate_simple(Int32(counts.count), counts, nil)
      defer { H5Sclose(memory) }
      guard H5Sselect_hyperslab(space, H5S_SELECT_SET, starts, nil, counts, nil) >= 0,
        H5Dread(dataset, type, memory, space, hid_t(H5P_DEFAULT), &values) >= 0
      else { throw failure(path, of: dataset) }
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
