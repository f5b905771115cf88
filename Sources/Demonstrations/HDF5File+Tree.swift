import CHDF5

/// Everything below a name, to copy it or to compare it.
extension HDF5File {
  struct Node {
    var path: String
    var kind: Kind
    /// The target of a symbolic link within the file, which is kept as a link; nil for an object.
    var link: String?
    /// What tells objects with several names apart.
    var object: ObjectNumber
  }

  struct ObjectNumber: Hashable {
    var file: UInt
    var address: UInt64
  }

  /// `path` and all below it, groups before what is in them, external links followed.
  /// - Throws: `HDF5Error` for a link to nothing and for a group within itself.
  func tree(_ path: String) throws -> [Node] {
    var nodes: [Node] = []
    func visit(_ path: String, _ above: Set<ObjectNumber>) throws {
      if let target = try keptLink(path) {
        if let absence = absence(of: path) { throw absence }
        nodes.append(Node(path: path, kind: .other, link: target, object: ObjectNumber(file: 0, address: 0)))
        return
      }
      let (kind, object) = try object(path)
      guard !above.contains(object) else {
        throw HDF5Error.notCopied(file: self.path, path: path, reason: "the group holds itself")
      }
      nodes.append(Node(path: path, kind: kind, object: object))
      guard kind == .group else { return }
      for name in try children(path) {
        try visit(path == "/" ? name : "\(path)/\(name)", above.union([object]))
      }
    }
    try visit(path, [])
    return nodes
  }

  /// The target of a symbolic link that a copy of this file can keep. One that is found behind an external link means a place
  /// in that other file: what it leads to is copied.
  package func keptLink(_ path: String) throws -> String? {
    guard path != "/", case .soft(let target) = link(path) else { return nil }
    let parent = path.split(separator: "/").dropLast().joined(separator: "/")
    return try object(parent.isEmpty ? "/" : parent).1.file == object("/").1.file ? target : nil
  }

  /// The files that anything below `path` comes from besides this one.
  func allLinkedFiles(_ path: String = "/") throws -> [String] {
    try Set(tree(path).filter { $0.kind == .dataset }.flatMap { try linkedFiles($0.path) }).sorted()
  }

  private func object(_ path: String) throws -> (Kind, ObjectNumber) {
    try withObject(path) { object in
      var info = H5O_info_t()
      guard H5Oget_info2(object, &info, UInt32(H5O_INFO_BASIC)) >= 0 else { throw failure(path) }
      return (HDF5File.kind(object), ObjectNumber(file: UInt(info.fileno), address: UInt64(info.addr)))
    }
  }

  /// Copies `path` of another file and all below it.
  ///
  /// - Parameter isLeftOut: what is not copied, by its path in the other file, and nothing below it.
  /// - Throws: `HDF5Error` for whatever cannot be copied.
  func copyTree(
    _ path: String, from other: HDF5File, as newPath: String, leaving isLeftOut: (String) -> Bool = { _ in false }
  ) throws {
    var known: [ObjectNumber: String] = [:]
    var leftOut: [String] = []
    for node in try other.tree(path) {
      if leftOut.contains(where: { node.path.hasPrefix($0 + "/") }) { continue }
      if isLeftOut(node.path) {
        leftOut.append(node.path)
        continue
      }
      let name = HDF5File.moved(node.path, from: path, to: newPath)
      if let target = node.link {
        try link(name, to: target)
      } else if node.kind == .group {
        try createGroup(name, like: other, node.path)
      } else if let first = known[node.object] {
        try self.name(name, as: first)
      } else {
        try other.refuseReferences(node)
        if try node.kind == .dataset && !other.linkedFiles(node.path, besideItsOwn: true).isEmpty {
          try copyValues(node.path, from: other, as: name)
        } else {
          try copy(node.path, from: other, as: name)
        }
        known[node.object] = name
      }
    }
  }

  /// Copies a dataset whose values are elsewhere (virtual ones, raw files) with its values, in one piece.
  private func copyValues(_ path: String, from other: HDF5File, as name: String) throws {
    try other.withDataset(path) { source in
      try other.refuseMissingSources(source, path)
      let type = Handle(H5Dget_type(source))
      let space = Handle(H5Dget_space(source))
      guard H5Tdetect_class(type.id, H5T_VLEN) <= 0, H5Tis_variable_str(type.id) <= 0 else {
        throw HDF5Error.notCopied(
          file: other.path, path: path, reason: "it is put together from other files and holds lists of any length")
      }
      let shape = HDF5File.shape(of: source)
      let size = H5Tget_size(type.id)
      let row = try other.size(of: Array(shape.dropFirst()), path, each: size) * size
      let target = try createDataset(name, type.id, shape: shape)
      let whole = Handle(H5Dget_space(target.id))
      for block in (0..<(shape.first ?? 0)).blocks(of: (1 << 26) / max(1, row)) where row > 0 {
        let memory = HDF5File.select(block, of: shape, space.id, whole.id)
        var bytes = [UInt8](repeating: 0, count: block.count * row)
        guard H5Dread(source, type.id, memory.id, space.id, h5Default, &bytes) >= 0 else {
          throw other.failure(path, of: source)
        }
        try check(H5Dwrite(target.id, type.id, memory.id, whole.id, h5Default, bytes), name)
      }
    }
    try copyAttributes(of: name, from: other, path)
  }

  /// Where something below `path` goes when that goes to `newPath`.
  static func moved(_ name: String, from path: String, to newPath: String) -> String {
    if path == newPath || name == path { return name == path ? newPath : name }
    return path == "/" ? "\(newPath)/\(name)" : newPath + name.dropFirst(path.count)
  }

  private func refuseReferences(_ node: Node) throws {
    guard node.kind == .dataset else { return }
    try withDataset(node.path) { dataset in
      try refuseReferences(Handle(H5Dget_type(dataset)), node, "")
    }
    try withAttributes(of: node.path) { attribute, _ in
      try refuseReferences(Handle(H5Aget_type(attribute)), node, "an attribute of it: ")
    }
  }

  private func refuseReferences(_ type: borrowing Handle, _ node: Node, _ place: String) throws {
    guard H5Tdetect_class(type.id, H5T_REFERENCE) <= 0 else {
      throw HDF5Error.notCopied(file: path, path: node.path, reason: place + HDF5File.references)
    }
  }
}
