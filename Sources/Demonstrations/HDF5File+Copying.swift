import CHDF5
import Foundation

extension HDF5File {
  /// How many bytes the values of an object and of all in it take on the disk; of lists of differing lengths only their
  /// places.
  func storedBytes(_ path: String) throws -> Int {
    try tree(path).reduce(0) { sum, node in
      guard node.kind == .dataset else { return sum }
      return try sum + withDataset(node.path) { Int(H5Dget_storage_size($0)) }
    }
  }

  /// Makes a group with the attributes of another file's group, and nothing in it; the root is there already.
  func createGroup(_ name: String, like other: HDF5File, _ original: String) throws {
    if name != "/" { try createGroup(name) }
    try copyAttributes(of: name, from: other, original)
  }

  /// Gives an object the attributes of another file's object.
  func copyAttributes(of name: String, from other: HDF5File, _ original: String) throws {
    try HDF5.locked {
      let (from, to) = (H5Oopen(other.id, original, hid_t(H5P_DEFAULT)), H5Oopen(id, name, hid_t(H5P_DEFAULT)))
      defer {
        H5Oclose(from)
        H5Oclose(to)
      }
      for index in 0..<max(0, H5Aget_num_attrs(from)) {
        try copyAttribute(
          H5Aopen_by_idx(
            from, ".", H5_INDEX_NAME, H5_ITER_INC, hsize_t(index), hid_t(H5P_DEFAULT), hid_t(H5P_DEFAULT)),
          to: to, from: other.path, "\(original)@\(index)")
      }
    }
  }

  private func copyAttribute(_ attribute: hid_t, to target: hid_t, from file: String, _ place: String) throws {
    let refusal = HDF5Error.damaged(file: file, path: place)
    guard attribute >= 0 else { throw refusal }
    defer { H5Aclose(attribute) }
    let (type, space) = (H5Aget_type(attribute), H5Aget_space(attribute))
    defer {
      H5Tclose(type)
      H5Sclose(space)
    }
    guard H5Tdetect_class(type, H5T_REFERENCE) <= 0 else {
      throw HDF5Error.notCopied(file: file, path: place, reason: HDF5File.references)
    }
    var name = [CChar](repeating: 0, count: Int(H5Aget_name(attribute, 0, nil)) + 1)
    let count = H5Sget_simple_extent_npoints(space)
    let size = H5Tget_size(type)
    // A damaged header must not ask for more than an attribute can hold.
    guard H5Aget_name(attribute, name.count, &name) >= 0, count >= 0, size > 0, Int(count) * size < 1 << 28 else {
      throw refusal
    }
    var values = [UInt8](repeating: 0, count: Int(count) * size)
    guard H5Aread(attribute, type, &values) >= 0 else { throw refusal }
    let copy = H5Acreate2(target, name, type, space, hid_t(H5P_DEFAULT), hid_t(H5P_DEFAULT))
    defer {
      H5Aclose(copy)
      H5Dvlen_reclaim(type, space, hid_t(H5P_DEFAULT), &values)
    }
    guard copy >= 0, H5Awrite(copy, type, values) >= 0 else {
      throw HDF5Error.notWritten(file: path, reason: "HDF5 refused an attribute")
    }
  }

  /// Rows of bytes of any length each, as variable-length lists: how frames are kept as JPEG.
  func writeLists(_ lists: [[UInt8]], to name: String) throws {
    try HDF5.locked {
      let type = H5Tvlen_create(h5_byte())
      defer { H5Tclose(type) }
      let space = H5Screate_simple(1, [hsize_t(lists.count)], nil)
      defer { H5Sclose(space) }
      let properties = H5Pcreate(h5_dataset_creation())
      defer { H5Pclose(properties) }
      H5Pset_obj_track_times(properties, false)
      let dataset = H5Dcreate2(id, name, type, space, hid_t(H5P_DEFAULT), properties, hid_t(H5P_DEFAULT))
      guard dataset >= 0 else { throw HDF5Error.notWritten(file: path, reason: "HDF5 refused '\(name)'") }
      defer { H5Dclose(dataset) }
      var everything = lists.flatMap { $0 }
      let status = everything.withUnsafeMutableBytes { bytes -> herr_t in
        var start = 0
        let entries = lists.map { list in
          defer { start += list.count }
          return hvl_t(len: list.count, p: bytes.baseAddress.map { $0 + start })
        }
        return H5Dwrite(dataset, type, hid_t(H5S_ALL), hid_t(H5S_ALL), hid_t(H5P_DEFAULT), entries)
      }
      guard status >= 0 else { throw HDF5Error.notWritten(file: path, reason: "HDF5 refused '\(name)'") }
    }
  }

  static let references = "it holds references, which point to places in the old file"

  /// Whether a dataset's rows are lists of integers, of bytes alone if so asked.
  func holdsLists(_ name: String, ofBytes: Bool = false) throws -> Bool {
    try withDataset(name) { dataset in
      let type = H5Dget_type(dataset)
      defer { H5Tclose(type) }
      guard H5Tget_class(type) == H5T_VLEN else { return false }
      let inner = H5Tget_super(type)
      defer { H5Tclose(inner) }
      return H5Tget_class(inner) == H5T_INTEGER && (!ofBytes || H5Tget_size(inner) == 1)
    }
  }

  /// Some rows of a dataset of lists of bytes.
  /// - Throws: `HDF5Error`.
  package func lists(_ name: String, rows: Range<Int>) throws -> [[UInt8]] {
    guard try holdsLists(name) else { throw HDF5Error.wrongType(file: path, path: name, wanted: "lists of bytes") }
    return try withDataset(name) { dataset in
      let shape = HDF5File.shape(of: dataset)
      guard shape.count == 1, rows.lowerBound >= 0, rows.upperBound <= shape[0] else {
        throw HDF5Error.wrongShape(
          file: self.path, path: name, expected: "at least \(rows.upperBound) rows", found: shape)
      }
      guard !rows.isEmpty else { return [] }
      let type = H5Tvlen_create(h5_byte())
      defer { H5Tclose(type) }
      let space = H5Dget_space(dataset)
      defer { H5Sclose(space) }
      let memory = H5Screate_simple(1, [hsize_t(rows.count)], nil)
      defer { H5Sclose(memory) }
      var entries = [hvl_t](repeating: hvl_t(len: 0, p: nil), count: rows.count)
      guard
        H5Sselect_hyperslab(space, H5S_SELECT_SET, [hsize_t(rows.lowerBound)], nil, [hsize_t(rows.count)], nil) >= 0,
        H5Dread(dataset, type, memory, space, hid_t(H5P_DEFAULT), &entries) >= 0
      else { throw failure(name, of: dataset) }
      defer { H5Dvlen_reclaim(type, memory, hid_t(H5P_DEFAULT), &entries) }
      return entries.map { Array(UnsafeRawBufferPointer(start: $0.p, count: $0.len)) }
    }
  }
}
