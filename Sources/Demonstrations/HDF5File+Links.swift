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
    if case .missing = absence(of: path) { false } else { true }
  }

  /// Why `path` leads nowhere; nil when it leads to an object.
  func absence(of path: String, depth: Int = 0) -> HDF5Error? {
    HDF5.locked {
      var (parent, partial) = ("/", "")
      for part in path.split(separator: "/") {
        partial += partial.isEmpty ? String(part) : "/\(part)"
        let isLinked = H5Lexists(id, partial, h5Default)
        guard isLinked >= 0 else { return failure(partial) }
        guard isLinked > 0 else {
          return .missing(file: self.path, path: path, available: (try? children(parent)) ?? [])
        }
        let isThere = H5Oexists_by_name(id, partial, h5Default)
        guard isThere > 0 else { return broken(partial, isThere < 0 ? HDF5.complaint() : HDF5.Complaint(), depth) }
        parent = partial
      }
      return nil
    }
  }

  /// A link whose target is not there.
  private func broken(_ path: String, _ complaint: HDF5.Complaint, _ depth: Int) -> HDF5Error {
    func dangling(_ target: String) -> HDF5Error { .dangling(file: self.path, path: path, target: target) }
    switch link(path) {
    case .soft(let target): return dangling("'\(target)', which is not there")
    case .external(let file, let target):
      if complaint.isAboutVersions { return .newerFormat(file: file, path: "", library: HDF5.version) }
      let found = HDF5File.places(of: file, in: self.path).first { FileManager.default.fileExists(atPath: $0) }
      guard let found else { return dangling("'\(target)' in '\(file)': no such file") }
      guard depth < 16 else { return dangling("'\(target)' in '\(file)': links that lead in a circle") }
      do {
        let isThere = try HDF5File(forReading: found).absence(of: target, depth: depth + 1) == nil
        return dangling("'\(target)' in '\(file)', which \(isThere ? "cannot be read" : "is not there")")
      } catch {
        return dangling("'\(target)' in another file: \(error)")
      }
    case .hard, nil: return .damaged(file: self.path, path: path)
    }
  }

  /// Where the library looks for a file that another one names: next to that one, then where the name says.
  private static func places(of name: String, in file: String) -> [String] {
    let folder = file.parentFolder
    return [name.hasPrefix("/") || folder.isEmpty ? name : "\(folder)/\(name)", name]
  }

  /// How the last part of `path` is linked; nil when it is not known.
  func link(_ path: String) -> Link? {
    HDF5.locked {
      var info = H5L_info_t()
      guard H5Lget_info(id, path, &info, h5Default) >= 0 else { return nil }
      guard info.type == H5L_TYPE_SOFT || info.type == H5L_TYPE_EXTERNAL else {
        return info.type == H5L_TYPE_HARD ? .hard : nil
      }
      var bytes = [CChar](repeating: 0, count: info.u.val_size + 1)
      guard H5Lget_val(id, path, &bytes, bytes.count, h5Default) >= 0 else { return nil }
      if info.type == H5L_TYPE_SOFT { return .soft(String(untilZero: bytes)) }
      // Flags, the file's name, 0, the object's name, 0.
      let file = String(untilZero: bytes.dropFirst())
      return .external(file: file, path: String(untilZero: bytes.dropFirst(1 + file.utf8.count + 1)))
    }
  }

  static func kind(_ object: hid_t) -> Kind {
    switch H5Iget_type(object) {
    case H5I_GROUP: .group
    case H5I_DATASET: .dataset
    default: .other
    }
  }

  /// What `path` leads to, links followed; nil when nowhere.
  func kind(of path: String) -> Kind? { try? withObject(path) { HDF5File.kind($0) } }

  /// The names in a group, sorted; empty when there is no such group.
  /// - Throws: `HDF5Error` when there is one that cannot be read.
  package func children(_ path: String) throws -> [String] {
    do {
      return try withObject(path) { group in
        guard HDF5File.kind(group) == .group else { return [] }
        var info = H5G_info_t()
        guard H5Gget_info(group, &info) >= 0 else { throw failure(path) }
        return try (0..<info.nlinks).map { index in
          let name = String { H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, index, $0, $1, h5Default) }
          guard !name.isEmpty else { throw failure(path) }
          return name
        }
      }
    } catch HDF5Error.missing {
      return []
    }
  }

  /// The datasets in a group, those below its own groups left out; links that lead nowhere are among them, so that who reads
  /// one is reported.
  package func arrays(_ path: String) throws -> [String] {
    try children(path).filter { name in
      [.dataset, nil].contains(kind(of: "\(path)/\(name)"))
    }
  }

  /// The files beside this one that the values of a dataset come from: behind external links, virtual datasets and raw files.
  ///
  /// - Parameter besideItsOwn: leave out the file that the dataset itself is in, behind an external link.
  package func linkedFiles(_ path: String, besideItsOwn: Bool = false) throws -> [String] {
    try withDataset(path) { dataset in
      var found: Set<String> = []
      let file = HDF5File.file(of: dataset)
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

  /// The file that an open dataset is in.
  private static func file(of dataset: hid_t) -> String {
    let owner = Handle(H5Iget_file_id(dataset))
    return String(asking: { H5Fget_name(owner.id, $0, $1) })
  }

  /// Where the values of a dataset come from that holds none itself: the sources of a virtual one, raw files.
  ///
  /// - Parameter file: the one that the dataset is in.
  private static func sources(of dataset: hid_t, in file: String) -> [(file: String, dataset: String?)] {
    func resolved(_ name: [CChar]) -> String {
      let text = String(untilZero: name)
      if text == "." || text.isEmpty { return file }
      let places = places(of: text, in: file)
      return places.first { FileManager.default.fileExists(atPath: $0) } ?? places[0]
    }
    let list = Handle(H5Dget_create_plist(dataset))
    var name = [CChar](repeating: 0, count: 4096)
    var found: [(file: String, dataset: String?)] = []
    if H5Pget_layout(list.id) == H5D_VIRTUAL {
      var count = 0
      H5Pget_virtual_count(list.id, &count)
      for index in 0..<count where H5Pget_virtual_filename(list.id, index, &name, name.count) >= 0 {
        let source = resolved(name)
        guard H5Pget_virtual_dsetname(list.id, index, &name, name.count) >= 0 else { continue }
        found.append((source, String(untilZero: name)))
      }
    } else if H5Pget_layout(list.id) == H5D_CONTIGUOUS {
      for index in 0..<max(0, H5Pget_external_count(list.id))
      where H5Pget_external(list.id, UInt32(index), name.count - 1, &name, nil, nil) >= 0 {
        found.append((resolved(name), nil))
      }
    }
    return found
  }

  /// The library takes fill values for what it does not find: nobody may read those for what was recorded.
  /// - Throws: `HDF5Error` when a source of the dataset is not there, however far away.
  func refuseMissingSources(_ dataset: hid_t, _ path: String, depth: Int = 0) throws {
    let list = Handle(H5Dget_create_plist(dataset))
    guard H5Pget_layout(list.id) == H5D_VIRTUAL || H5Pget_external_count(list.id) > 0, !checkedSources.contains(path)
    else { return }
    func refusal(_ reason: String) -> HDF5Error { .unreadable(file: self.path, path: path, reason: reason) }
    for source in HDF5File.sources(of: dataset, in: HDF5File.file(of: dataset)) {
      if (source.file + (source.dataset ?? "")).contains("%") {
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
