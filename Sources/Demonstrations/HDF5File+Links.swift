import CHDF5
import Foundation

/// What is in a file and what names lead to it.
extension HDF5File {
  enum Kind { case group, dataset, other }

  /// What a link leads to.
  enum Link: Equatable {
    case hard
    case soft(String)
    case external(file: String, path: String)
  }

  /// Whether there is something of this name. A link to nothing counts, and so does what cannot be read: who reads it is
  /// reported.
  package func exists(_ path: String) -> Bool {
    HDF5.locked {
      switch absence(of: path) {
      case .missing: false
      default: true
      }
    }
  }

  /// Why `path` leads nowhere; nil when it leads to an object.
  func absence(of path: String, depth: Int = 0) -> HDF5Error? {
    HDF5.locked {
      var (parent, partial) = ("/", "")
      for part in path.split(separator: "/") {
        partial += partial.isEmpty ? String(part) : "/\(part)"
        let isLinked = H5Lexists(id, partial, hid_t(H5P_DEFAULT))
        guard isLinked >= 0 else { return failure(partial) }
        guard isLinked > 0 else {
          return .missing(file: self.path, path: path, available: (try? children(parent)) ?? [])
        }
        let isThere = H5Oexists_by_name(id, partial, hid_t(H5P_DEFAULT))
        guard isThere > 0 else { return broken(partial, isThere < 0 ? HDF5.complaint() : HDF5.Complaint(), depth) }
        parent = partial
      }
      return nil
    }
  }

  /// A link whose target is not there.
  private func broken(_ path: String, _ complaint: HDF5.Complaint, _ depth: Int) -> HDF5Error {
    switch link(path) {
    case .soft(let target):
      return .dangling(file: self.path, path: path, target: "'\(target)', which is not there")
    case .external(let file, let target):
      if complaint.isAboutVersions { return .newerFormat(file: file, path: "", library: HDF5.version) }
      // As the library looks for it: beside this file, or where it says.
      let folder = (self.path as NSString).deletingLastPathComponent
      let beside = file.hasPrefix("/") ? file : (folder.isEmpty ? file : "\(folder)/\(file)")
      let found = [beside, file].first { FileManager.default.fileExists(atPath: $0) }
      guard let found else {
        return .dangling(file: self.path, path: path, target: "'\(target)' in '\(file)': no such file")
      }
      guard depth < 16 else {
        return .dangling(file: self.path, path: path, target: "'\(target)' in '\(file)': links that lead in a circle")
      }
      do {
        let other = try HDF5File(forReading: found)
        guard other.absence(of: target, depth: depth + 1) == nil else {
          return .dangling(file: self.path, path: path, target: "'\(target)' in '\(file)', which is not there")
        }
        return .dangling(file: self.path, path: path, target: "'\(target)' in '\(file)', which cannot be read")
      } catch {
        return .dangling(file: self.path, path: path, target: "'\(target)' in another file: \(error)")
      }
    case .hard, nil: return .damaged(file: self.path, path: path)
    }
  }

  /// How the last part of `path` is linked; nil when it is not known.
  func link(_ path: String) -> Link? {
    HDF5.locked {
      var info = H5L_info_t()
      guard H5Lget_info(id, path, &info, hid_t(H5P_DEFAULT)) >= 0 else { return nil }
      guard info.type == H5L_TYPE_SOFT || info.type == H5L_TYPE_EXTERNAL else {
        return info.type == H5L_TYPE_HARD ? .hard : nil
      }
      var bytes = [CChar](repeating: 0, count: info.u.val_size + 1)
      guard H5Lget_val(id, path, &bytes, bytes.count, hid_t(H5P_DEFAULT)) >= 0 else { return nil }
      func text(_ part: ArraySlice<CChar>) -> String {
        String(decoding: part.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      }
      if info.type == H5L_TYPE_SOFT { return .soft(text(bytes[...])) }
      // Flags, the file's name, 0, the object's name, 0.
      let file = text(bytes.dropFirst())
      return .external(file: file, path: text(bytes.dropFirst(1 + file.utf8.count + 1)))
    }
  }

  /// What `path` leads to, links followed; nil when nowhere.
  func kind(of path: String) -> Kind? {
    HDF5.locked {
      let object = H5Oopen(id, path, hid_t(H5P_DEFAULT))
      guard object >= 0 else { return nil }
      defer { H5Oclose(object) }
      switch H5Iget_type(object) {
      case H5I_GROUP: return .group
      case H5I_DATASET: return .dataset
      default: return .other
      }
    }
  }

  /// The names in a group, sorted; empty when there is no such group.
  /// - Throws: `HDF5Error` when there is one that cannot be read.
  package func children(_ path: String) throws -> [String] {
    try HDF5.locked {
      let group = H5Gopen2(id, path, hid_t(H5P_DEFAULT))
      guard group >= 0 else {
        let failure = failure(path)
        switch absence(of: path) {
        case .missing: return []
        case let other?: throw other
        case nil:
          if kind(of: path) == .group { throw failure }
          return []
        }
      }
      defer { H5Gclose(group) }
      var info = H5G_info_t()
      guard H5Gget_info(group, &info) >= 0 else { throw failure(path) }
      return try (0..<info.nlinks).map { index in
        let length = H5Lget_name_by_idx(
          group, ".", H5_INDEX_NAME, H5_ITER_INC, index, nil, 0, hid_t(H5P_DEFAULT))
        guard length > 0 else { throw failure(path) }
        var name = [CChar](repeating: 0, count: length + 1)
        H5Lget_name_by_idx(
          group, ".", H5_INDEX_NAME, H5_ITER_INC, index, &name, length + 1, hid_t(H5P_DEFAULT))
        return String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
      }
    }
  }

  /// The datasets in a group, those below its own groups left out; links that lead nowhere are among them, so that who reads
  /// one is reported.
  package func arrays(_ path: String) throws -> [String] {
    try children(path).filter { name in
      switch kind(of: "\(path)/\(name)") {
      case .dataset, nil: true
      case .group, .other: false
      }
    }
  }

  /// The files beside this one that the values of a dataset come from: behind external links, virtual datasets and raw files.
  ///
  /// - Parameter besideItsOwn: leave out the file that the dataset itself is in, behind an external link.
  package func linkedFiles(_ path: String, besideItsOwn: Bool = false) throws -> [String] {
    try withDataset(path) { dataset in
      var found: Set<String> = []
      let owner = H5Iget_file_id(dataset)
      defer { H5Fclose(owner) }
      let length = H5Fget_name(owner, nil, 0)
      var bytes = [CChar](repeating: 0, count: max(0, length) + 1)
      H5Fget_name(owner, &bytes, bytes.count)
      let file = String(decoding: bytes.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      if file != self.path, !besideItsOwn { found.insert(file) }
      for source in HDF5File.sources(of: dataset, in: file) where source.file != file {
        found.insert(source.file)
        // What it is put together from may be put together itself.
        if let name = source.dataset, let other = try? HDF5File(forReading: source.file) {
          found.formUnion((try? other.linkedFiles(name)) ?? [])
        }
      }
      return found.sorted()
    }
  }

  /// Where the values of a dataset come from that holds none itself: the sources of a virtual one, raw files.
  ///
  /// - Parameter file: the one that the dataset is in.
  private static func sources(of dataset: hid_t, in file: String) -> [(file: String, dataset: String?)] {
    let folder = (file as NSString).deletingLastPathComponent
    func resolved(_ name: [CChar]) -> String {
      let text = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      if text == "." || text.isEmpty { return file }
      // As the library looks for it: next to the file, or where it says.
      let near = text.hasPrefix("/") || folder.isEmpty ? text : "\(folder)/\(text)"
      let manager = FileManager.default
      return manager.fileExists(atPath: near) || !manager.fileExists(atPath: text) ? near : text
    }
    let list = H5Dget_create_plist(dataset)
    defer { H5Pclose(list) }
    var name = [CChar](repeating: 0, count: 4096)
    var found: [(file: String, dataset: String?)] = []
    if H5Pget_layout(list) == H5D_VIRTUAL {
      var count = 0
      H5Pget_virtual_count(list, &count)
      for index in 0..<count where H5Pget_virtual_filename(list, index, &name, name.count) >= 0 {
        let source = resolved(name)
        guard H5Pget_virtual_dsetname(list, index, &name, name.count) >= 0 else { continue }
        found.append((source, String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)))
      }
    } else if H5Pget_layout(list) == H5D_CONTIGUOUS {
      for index in 0..<max(0, H5Pget_external_count(list))
      where H5Pget_external(list, UInt32(index), name.count - 1, &name, nil, nil) >= 0 {
        found.append((resolved(name), nil))
      }
    }
    return found
  }

  /// The library takes fill values for what it does not find: nobody may read those for what was recorded.
  /// - Throws: `HDF5Error` when a source of the dataset is not there, however far away.
  func refuseMissingSources(_ dataset: hid_t, _ path: String, depth: Int = 0) throws {
    let list = H5Dget_create_plist(dataset)
    defer { H5Pclose(list) }
    guard H5Pget_layout(list) == H5D_VIRTUAL || H5Pget_external_count(list) > 0, !checkedSources.contains(path) else {
      return
    }
    let owner = H5Iget_file_id(dataset)
    defer { H5Fclose(owner) }
    var bytes = [CChar](repeating: 0, count: max(0, H5Fget_name(owner, nil, 0)) + 1)
    H5Fget_name(owner, &bytes, bytes.count)
    let file = String(decoding: bytes.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    func refusal(_ reason: String) -> HDF5Error { .unreadable(file: self.path, path: path, reason: reason) }
    for source in HDF5File.sources(of: dataset, in: file) {
      let isPattern = (source.file + (source.dataset ?? "")).contains("%")
      if isPattern {
        throw refusal(
          "the names of its parts are a pattern ('\(source.file)'), of which nobody can tell how many there are")
      }
      guard depth < 8 else { throw refusal("it is put together from itself") }
      guard FileManager.default.isReadableFile(atPath: source.file) else {
        throw refusal("values of it are in another file, '\(source.file)', which is not there or not readable")
      }
      guard let name = source.dataset else { continue }
      do {
        let other = source.file == self.path ? self : try HDF5File(forReading: source.file)
        try other.withDataset(name) { try other.refuseMissingSources($0, name, depth: depth + 1) }
      } catch {
        throw refusal("values of it are elsewhere: \(error)")
      }
    }
    checkedSources.insert(path)
  }
}
