import CHDF5

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
    try withObject(name) { to in
      try other.withAttributes(of: original) { attribute, place in
        let refusal = HDF5Error.damaged(file: other.path, path: place)
        let type = Handle(H5Aget_type(attribute))
        let space = Handle(H5Aget_space(attribute))
        guard H5Tdetect_class(type.id, H5T_REFERENCE) <= 0 else {
          throw HDF5Error.notCopied(file: other.path, path: place, reason: HDF5File.references)
        }
        let (count, size) = (H5Sget_simple_extent_npoints(space.id), H5Tget_size(type.id))
        // A damaged header must not ask for more than an attribute can hold.
        guard count >= 0, size > 0, Int(count) * size < 1 << 28 else { throw refusal }
        var values = [UInt8](repeating: 0, count: Int(count) * size)
        guard H5Aread(attribute, type.id, &values) >= 0 else { throw refusal }
        defer { H5Dvlen_reclaim(type.id, space.id, h5Default, &values) }
        let name = String(asking: { H5Aget_name(attribute, $1, $0) })
        let copy = Handle(H5Acreate2(to, name, type.id, space.id, h5Default, h5Default))
        try check(copy.id, place)
        try check(H5Awrite(copy.id, type.id, values), place)
      }
    }
  }

  /// Calls `body` with each attribute of an object and what it is called in complaints.
  func withAttributes(of path: String, _ body: (hid_t, _ place: String) throws -> Void) throws {
    try withObject(path) { object in
      for index in 0..<max(0, H5Aget_num_attrs(object)) {
        let place = "\(path)@\(index)"
        let attribute = Handle(
          H5Aopen_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, hsize_t(index), h5Default, h5Default))
        guard attribute.id >= 0 else { throw HDF5Error.damaged(file: self.path, path: place) }
        try body(attribute.id, place)
      }
    }
  }

  static let references = "it holds references, which point to places in the old file"

  /// Whether a dataset's rows are lists of integers, of bytes alone if so asked.
  func holdsLists(_ name: String, ofBytes: Bool = false) throws -> Bool {
    try withDataset(name) { dataset in
      let type = Handle(H5Dget_type(dataset))
      guard H5Tget_class(type.id) == H5T_VLEN else { return false }
      let inner = Handle(H5Tget_super(type.id))
      return H5Tget_class(inner.id) == H5T_INTEGER && (!ofBytes || H5Tget_size(inner.id) == 1)
    }
  }

  /// Some rows of a dataset of lists of bytes.
  /// - Throws: `HDF5Error`.
  package func lists(_ name: String, rows: Range<Int>) throws -> [[UInt8]] {
    guard try holdsLists(name), try shape(name).count == 1 else {
      throw HDF5Error.wrongType(file: path, path: name, wanted: "lists of bytes")
    }
    return try withDataset(name) { dataset in
      let shape = HDF5File.shape(of: dataset)
      try check(rows, of: shape, name)
      guard !rows.isEmpty else { return [] }
      let type = Handle(H5Tvlen_create(h5_byte()))
      let space = Handle(H5Dget_space(dataset))
      let memory = HDF5File.select(rows, of: shape, space.id)
      var entries = [hvl_t](repeating: hvl_t(len: 0, p: nil), count: rows.count)
      guard H5Dread(dataset, type.id, memory.id, space.id, h5Default, &entries) >= 0 else {
        throw failure(name, of: dataset)
      }
      defer { H5Dvlen_reclaim(type.id, memory.id, h5Default, &entries) }
      return entries.map { Array(UnsafeRawBufferPointer(start: $0.p, count: $0.len)) }
    }
  }
}
