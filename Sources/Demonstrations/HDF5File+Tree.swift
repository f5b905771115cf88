import CHDF5
import Foundation

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
  func keptLink(_ path: String) throws -> String? {
    guard path != "/", case .soft(let target) = link(path) else { return nil }
    let parent = path.split(separator: "/").dropLast().joined(separator: "/")
    return try object(parent.isEmpty ? "/" : parent).1.file == object("/").1.file ? target : nil
  }

  /// The files that anything below `path` comes from besides this one.
  func allLinkedFiles(_ path: String = "/") throws -> [String] {
    try Set(tree(path).filter { $0.kind == .dataset }.flatMap { try linkedFiles($0.path) }).sorted()
  }

  private func object(_ path: String) throws -> (Kind, ObjectNumber) {
    try HDF5.locked {
      let object = H5Oopen(id, path, hid_t(H5P_DEFAULT))
      guard object >= 0 else {
        let failure = failure(path)
        throw absence(of: path) ?? failure
      }
      defer { H5Oclose(object) }
      var info = H5O_info_t()
      guard H5Oget_info2(object, &info, UInt32(H5O_INFO_BASIC)) >= 0 else { throw failure(path) }
      let number = ObjectNumber(file: UInt(info.fileno), address: UInt64(info.addr))
      switch H5Iget_type(object) {
      case H5I_GROUP: return (.group, number)
      case H5I_DATASET: return (.dataset, number)
      default: return (.other, number)
      }
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
      let (type, space) = (H5Dget_type(source), H5Dget_space(source))
      defer {
        H5Tclose(type)
        H5Sclose(space)
      }
      guard H5Tdetect_class(type, H5T_VLEN) <= 0, H5Tis_variable_str(type) <= 0 else {
        throw HDF5Error.notCopied(
          file: other.path, path: path, reason: "it is put together from other files and holds lists of any length")
      }
      let shape = HDF5File.shape(of: source)
      let row = try other.size(of: Array(shape.dropFirst()), path, each: H5Tget_size(type))
      let properties = H5Pcreate(h5_dataset_creation())
      defer { H5Pclose(properties) }
      H5Pset_obj_track_times(properties, false)
      let whole = H5Screate_simple(Int32(shape.count), shape.map { hsize_t($0) }, nil)
      defer { H5Sclose(whole) }
      let target = H5Dcreate2(id, name, type, whole, hid_t(H5P_DEFAULT), properties, hid_t(H5P_DEFAULT))
      guard target >= 0 else { throw HDF5Error.notWritten(file: self.path, reason: "HDF5 refused '\(name)'") }
      defer { H5Dclose(target) }
      let block = max(1, (1 << 26) / max(1, row * H5Tget_size(type)))
      for start in stride(from: 0, to: shape.first ?? 0, by: block) where row > 0 {
        let counts = ([min(block, shape[0] - start)] + shape.dropFirst()).map { hsize_t($0) }
        let starts = [hsize_t(start)] + shape.dropFirst().map { _ in hsize_t(0) }
        let memory = H5Screate_simple(Int32(counts.count), counts, nil)
        defer { H5Sclose(memory) }
        var bytes = [UInt8](repeating: 0, count: Int(counts[0]) * row * H5Tget_size(type))
        H5Sselect_hyperslab(space, H5S_SELECT_SET, starts, nil, counts, nil)
        H5Sselect_hyperslab(whole, H5S_SELECT_SET, starts, nil, counts, nil)
        guard H5Dread(source, type, memory, space, hid_t(H5P_DEFAULT), &bytes) >= 0 else {
          throw other.failure(path, of: source)
        }
        guard H5Dwrite(target, type, memory, whole, hid_t(H5P_DEFAULT), bytes) >= 0 else {
          throw HDF5Error.notWritten(file: self.path, reason: "HDF5 refused '\(name)'")
        }
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
      let type = H5Dget_type(dataset)
      defer { H5Tclose(type) }
      guard H5Tdetect_class(type, H5T_REFERENCE) <= 0 else {
        throw HDF5Error.notCopied(file: self.path, path: node.path, reason: HDF5File.references)
      }
      for index in 0..<max(0, H5Aget_num_attrs(dataset)) {
        let attribute = H5Aopen_by_idx(
          dataset, ".", H5_INDEX_NAME, H5_ITER_INC, hsize_t(index), hid_t(H5P_DEFAULT), hid_t(H5P_DEFAULT))
        defer { H5Aclose(attribute) }
        let type = H5Aget_type(attribute)
        defer { H5Tclose(type) }
        guard H5Tdetect_class(type, H5T_REFERENCE) <= 0 else {
          throw HDF5Error.notCopied(
            file: self.path, path: node.path, reason: "an attribute of it: " + HDF5File.references)
        }
      }
    }
  }
}
