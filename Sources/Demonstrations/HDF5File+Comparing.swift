import CHDF5
import Foundation

/// Whether two files hold the same.
extension HDF5File {
  /// Compares `path` and all below it with its copy in another file: names, attributes, shapes and values.
  ///
  /// - Parameter isLeftOut: whose values are not compared, by its path here; attributes are.
  /// - Returns: the path of the first difference; nil when there is none.
  /// - Throws: `HDF5Error`.
  func difference(
    _ path: String, from other: HDF5File, _ otherPath: String, leaving isLeftOut: (String) -> Bool = { _ in false }
  ) throws -> String? {
    let nodes = try tree(path)
    let names = Set(nodes.map { HDF5File.moved($0.path, from: path, to: otherPath) })
    let theirs = try other.tree(otherPath).map(\.path)
    if let extra = theirs.first(where: { !names.contains($0) }) { return extra }
    let known = Set(theirs)
    for node in nodes {
      let name = HDF5File.moved(node.path, from: path, to: otherPath)
      guard known.contains(name) else { return node.path }
      if node.link != nil {
        guard link(node.path) == other.link(name) else { return node.path }
        continue
      }
      guard try sameAttributes(node.path, other, name) else { return node.path }
      if node.kind == .dataset, !isLeftOut(node.path), try !sameValues(node.path, other, name) { return node.path }
    }
    return nil
  }

  private func sameAttributes(_ path: String, _ other: HDF5File, _ name: String) throws -> Bool {
    try HDF5.locked {
      let objects = (H5Oopen(id, path, hid_t(H5P_DEFAULT)), H5Oopen(other.id, name, hid_t(H5P_DEFAULT)))
      defer {
        H5Oclose(objects.0)
        H5Oclose(objects.1)
      }
      guard H5Aget_num_attrs(objects.0) == H5Aget_num_attrs(objects.1) else { return false }
      for index in 0..<max(0, H5Aget_num_attrs(objects.0)) {
        let mine = H5Aopen_by_idx(
          objects.0, ".", H5_INDEX_NAME, H5_ITER_INC, hsize_t(index), hid_t(H5P_DEFAULT), hid_t(H5P_DEFAULT))
        guard mine >= 0 else { throw failure(path) }
        defer { H5Aclose(mine) }
        var text = [CChar](repeating: 0, count: Int(H5Aget_name(mine, 0, nil)) + 1)
        H5Aget_name(mine, text.count, &text)
        guard H5Aexists(objects.1, text) > 0 else { return false }
        let theirs = H5Aopen(objects.1, text, hid_t(H5P_DEFAULT))
        guard theirs >= 0 else { throw failure(path) }
        defer { H5Aclose(theirs) }
        let (type, spaces) = (H5Aget_type(mine), (H5Aget_space(mine), H5Aget_space(theirs)))
        defer {
          H5Tclose(type)
          H5Sclose(spaces.0)
          H5Sclose(spaces.1)
        }
        guard H5Sextent_equal(spaces.0, spaces.1) > 0 else { return false }
        let count = Int(max(0, H5Sget_simple_extent_npoints(spaces.0)))
        let isSame = try HDF5File.compared(type, spaces.0, count: count, failure: { failure(path) }) {
          (H5Aread(mine, type, $0) >= 0, H5Aread(theirs, type, $1) >= 0)
        }
        guard isSame else { return false }
      }
      return true
    }
  }

  /// A part of the rows at a time.
  private func sameValues(_ path: String, _ other: HDF5File, _ name: String) throws -> Bool {
    try withDataset(path) { mine in
      try other.withDataset(name) { theirs in
        let (type, spaces) = (H5Dget_type(mine), (H5Dget_space(mine), H5Dget_space(theirs)))
        defer {
          H5Tclose(type)
          H5Sclose(spaces.0)
          H5Sclose(spaces.1)
        }
        guard H5Sextent_equal(spaces.0, spaces.1) > 0 else { return false }
        let shape = HDF5File.shape(of: mine)
        guard let rows = shape.first else {
          let count = Int(max(0, H5Sget_simple_extent_npoints(spaces.0)))
          return try HDF5File.compared(type, spaces.0, count: count, failure: { failure(path, of: mine) }) {
            (
              H5Dread(mine, type, hid_t(H5S_ALL), hid_t(H5S_ALL), hid_t(H5P_DEFAULT), $0) >= 0,
              H5Dread(theirs, type, hid_t(H5S_ALL), hid_t(H5S_ALL), hid_t(H5P_DEFAULT), $1) >= 0
            )
          }
        }
        let row = try size(of: Array(shape.dropFirst()), path, each: H5Tget_size(type))
        guard row > 0 else { return true }
        let block = max(1, (1 << 26) / (row * H5Tget_size(type)))
        for start in stride(from: 0, to: rows, by: block) {
          let counts = ([min(block, rows - start)] + shape.dropFirst()).map { hsize_t($0) }
          let starts = [hsize_t(start)] + shape.dropFirst().map { _ in hsize_t(0) }
          let memory = H5Screate_simple(Int32(counts.count), counts, nil)
          defer { H5Sclose(memory) }
          H5Sselect_hyperslab(spaces.0, H5S_SELECT_SET, starts, nil, counts, nil)
          H5Sselect_hyperslab(spaces.1, H5S_SELECT_SET, starts, nil, counts, nil)
          let isSame = try HDF5File.compared(
            type, memory, count: Int(counts[0]) * row, failure: { failure(path, of: mine) }
          ) {
            (
              H5Dread(mine, type, memory, spaces.0, hid_t(H5P_DEFAULT), $0) >= 0,
              H5Dread(theirs, type, memory, spaces.1, hid_t(H5P_DEFAULT), $1) >= 0
            )
          }
          guard isSame else { return false }
        }
        return true
      }
    }
  }

  /// Reads values twice and compares them.
  private static func compared(
    _ type: hid_t, _ space: hid_t, count: Int, failure: () -> HDF5Error,
    read: (UnsafeMutableRawPointer, UnsafeMutableRawPointer) -> (Bool, Bool)
  ) throws -> Bool {
    guard count > 0 else { return true }
    let size = H5Tget_size(type)
    let buffers = (calloc(count, size)!, calloc(count, size)!)
    defer {
      free(buffers.0)
      free(buffers.1)
    }
    let done = read(buffers.0, buffers.1)
    guard done.0, done.1 else { throw failure() }
    defer {
      if H5Tdetect_class(type, H5T_VLEN) > 0 || H5Tdetect_class(type, H5T_STRING) > 0 {
        H5Dvlen_reclaim(type, space, hid_t(H5P_DEFAULT), buffers.0)
        H5Dvlen_reclaim(type, space, hid_t(H5P_DEFAULT), buffers.1)
      }
    }
    if H5Tdetect_class(type, H5T_VLEN) <= 0, H5Tdetect_class(type, H5T_STRING) <= 0 {
      return memcmp(buffers.0, buffers.1, count * size) == 0
    }
    return (0..<count).allSatisfy { same(type, buffers.0 + $0 * size, buffers.1 + $0 * size) }
  }

  /// One value, lists and texts of any length followed.
  private static func same(_ type: hid_t, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer) -> Bool {
    switch H5Tget_class(type) {
    case H5T_VLEN:
      let (mine, theirs) = (a.loadUnaligned(as: hvl_t.self), b.loadUnaligned(as: hvl_t.self))
      guard mine.len == theirs.len else { return false }
      let inner = H5Tget_super(type)
      defer { H5Tclose(inner) }
      guard mine.len > 0, let first = mine.p, let second = theirs.p else { return mine.len == 0 }
      let size = H5Tget_size(inner)
      return (0..<mine.len).allSatisfy { same(inner, first + $0 * size, second + $0 * size) }
    case H5T_STRING where H5Tis_variable_str(type) > 0:
      let (mine, theirs) = (
        a.loadUnaligned(as: UnsafePointer<CChar>?.self), b.loadUnaligned(as: UnsafePointer<CChar>?.self)
      )
      guard let mine, let theirs else { return mine == theirs }
      return strcmp(mine, theirs) == 0
    case H5T_COMPOUND:
      return (0..<UInt32(max(0, H5Tget_nmembers(type)))).allSatisfy { index in
        let (member, offset) = (H5Tget_member_type(type, index), H5Tget_member_offset(type, index))
        defer { H5Tclose(member) }
        return same(member, a + offset, b + offset)
      }
    case H5T_ARRAY:
      let inner = H5Tget_super(type)
      defer { H5Tclose(inner) }
      let size = H5Tget_size(inner)
      return (0..<H5Tget_size(type) / max(1, size)).allSatisfy { same(inner, a + $0 * size, b + $0 * size) }
    default: return memcmp(a, b, H5Tget_size(type)) == 0
    }
  }
}
