import CHDF5
import Foundation

/// Whether two files hold the same.
extension HDF5File {
  /// Compares `path` and all below it with its copy in another file: names, attributes, shapes and values.
  ///
  /// - Parameter isLeftOut: whose values are not compared, by its path here; attributes are.
  /// - Returns: the path of the first difference; nil when there is none.
  /// - Throws: `HDF5Error`.
  package func difference(
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
    let count = try withObject(path) { H5Aget_num_attrs($0) }
    var isSame = true
    try other.withObject(name) { object in
      guard H5Aget_num_attrs(object) == count else { return isSame = false }
      try withAttributes(of: path) { mine, _ in
        let name = String(asking: { H5Aget_name(mine, $1, $0) })
        guard isSame, H5Aexists(object, name) > 0 else { return isSame = false }
        let theirs = Handle(H5Aopen(object, name, h5Default))
        guard theirs.id >= 0 else { throw failure(path) }
        let type = Handle(H5Aget_type(mine))
        let space = Handle(H5Aget_space(mine))
        let other = Handle(H5Aget_space(theirs.id))
        guard H5Sextent_equal(space.id, other.id) > 0 else { return isSame = false }
        let count = Int(max(0, H5Sget_simple_extent_npoints(space.id)))
        isSame = try HDF5File.compared(type.id, space.id, count: count, failure: { failure(path) }) {
          H5Aread(mine, type.id, $0) >= 0 && H5Aread(theirs.id, type.id, $1) >= 0
        }
      }
    }
    return isSame
  }

  /// A part of the rows at a time.
  private func sameValues(_ path: String, _ other: HDF5File, _ name: String) throws -> Bool {
    try withDataset(path) { mine in
      try other.withDataset(name) { theirs in
        let type = Handle(H5Dget_type(mine))
        let space = Handle(H5Dget_space(mine))
        let other = Handle(H5Dget_space(theirs))
        guard H5Sextent_equal(space.id, other.id) > 0 else { return false }
        func isSame(_ memory: hid_t, _ mySpace: hid_t, _ theirSpace: hid_t, count: Int) throws -> Bool {
          try HDF5File.compared(type.id, memory, count: count, failure: { failure(path, of: mine) }) {
            H5Dread(mine, type.id, memory, mySpace, h5Default, $0) >= 0
              && H5Dread(theirs, type.id, memory, theirSpace, h5Default, $1) >= 0
          }
        }
        let shape = HDF5File.shape(of: mine)
        guard let rows = shape.first else {
          let count = Int(max(0, H5Sget_simple_extent_npoints(space.id)))
          return try isSame(space.id, h5All, h5All, count: count)
        }
        let size = H5Tget_size(type.id)
        let row = try self.size(of: Array(shape.dropFirst()), path, each: size)
        guard row > 0 else { return true }
        return try (0..<rows).blocks(of: (1 << 26) / (row * size)).allSatisfy { block in
          let memory = HDF5File.select(block, of: shape, space.id, other.id)
          return try isSame(memory.id, space.id, other.id, count: block.count * row)
        }
      }
    }
  }

  /// Reads values twice and compares them.
  private static func compared(
    _ type: hid_t, _ space: hid_t, count: Int, failure: () -> HDF5Error,
    read: (UnsafeMutableRawPointer, UnsafeMutableRawPointer) -> Bool
  ) throws -> Bool {
    guard count > 0 else { return true }
    let size = H5Tget_size(type)
    let buffers = (calloc(count, size)!, calloc(count, size)!)
    defer {
      free(buffers.0)
      free(buffers.1)
    }
    guard read(buffers.0, buffers.1) else { throw failure() }
    guard H5Tdetect_class(type, H5T_VLEN) > 0 || H5Tdetect_class(type, H5T_STRING) > 0 else {
      return memcmp(buffers.0, buffers.1, count * size) == 0
    }
    defer {
      H5Dvlen_reclaim(type, space, h5Default, buffers.0)
      H5Dvlen_reclaim(type, space, h5Default, buffers.1)
    }
    return (0..<count).allSatisfy { same(type, buffers.0 + $0 * size, buffers.1 + $0 * size) }
  }

  /// One value, lists and texts of any length followed.
  private static func same(_ type: hid_t, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer) -> Bool {
    switch H5Tget_class(type) {
    case H5T_VLEN:
      let (mine, theirs) = (a.loadUnaligned(as: hvl_t.self), b.loadUnaligned(as: hvl_t.self))
      guard mine.len == theirs.len else { return false }
      guard mine.len > 0, let first = mine.p, let second = theirs.p else { return mine.len == 0 }
      return sameEach(of: type, count: mine.len, first, second)
    case H5T_STRING where H5Tis_variable_str(type) > 0:
      let texts = [a, b].map { $0.loadUnaligned(as: UnsafePointer<CChar>?.self) }
      guard let mine = texts[0], let theirs = texts[1] else { return texts[0] == texts[1] }
      return strcmp(mine, theirs) == 0
    case H5T_COMPOUND:
      return (0..<UInt32(max(0, H5Tget_nmembers(type)))).allSatisfy { index in
        let member = Handle(H5Tget_member_type(type, index))
        let offset = H5Tget_member_offset(type, index)
        return same(member.id, a + offset, b + offset)
      }
    case H5T_ARRAY: return sameEach(of: type, count: nil, a, b)
    default: return memcmp(a, b, H5Tget_size(type)) == 0
    }
  }

  /// The entries of a list or of an array, `count` of them or as many as the array has.
  private static func sameEach(
    of type: hid_t, count: Int?, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer
  ) -> Bool {
    let inner = Handle(H5Tget_super(type))
    let size = H5Tget_size(inner.id)
    return (0..<(count ?? H5Tget_size(type) / max(1, size))).allSatisfy {
      same(inner.id, a + $0 * size, b + $0 * size)
    }
  }
}
