import CHDF5
import Files
import Foundation

/// An open HDF5 file. Everything read from it is an array of the caller's own.
package final class HDF5File: @unchecked Sendable {
  package let path: String
  /// Guarded by `HDF5.locked`, as is every use of it: that makes the class safe to share.
  let id: hid_t

  /// Opens an existing file to read, shared with other readers.
  /// - Throws: `HDF5Error`.
  package init(forReading path: String) throws {
    self.path = path
    try HDF5File.checkReadable(path)
    let superblock = HDF5File.superblock(path)
    id = try HDF5.locked {
      func attempt(_ flags: UInt32, _ list: hid_t = h5Default) -> (hid_t, HDF5.Complaint) {
        let id = H5Fopen(path, flags, list)
        return (id, id < 0 ? HDF5.complaint() : HDF5.Complaint())
      }
      var (id, complaint) = attempt(h5_read_only())
      if id < 0, complaint.isAboutLocksThatCannotBeHad {
        // The files that this one links to are opened in the same way.
        let list = HDF5File.withoutLocks()
        (id, complaint) = attempt(h5_read_only(), list.id)
      }
      // One writer and many readers (SWMR): the writer keeps the file whole at every moment, and the mark stays when that
      // writer is killed.
      let isShared = superblock.map { $0.isMarkedOpen && $0.isShared } ?? false
      if id < 0, isShared { (id, complaint) = attempt(h5_read_only() | h5_swmr_read()) }
      guard id >= 0 else { throw HDF5File.reason(path, complaint) }
      if let superblock, superblock.isMarkedOpen, !superblock.isShared {
        H5Fclose(id)
        throw HDF5Error.leftOpen(path)
      }
      return id
    }
  }

  /// Creates a file, in the oldest format that holds it, so that every reader opens it.
  /// - Throws: `HDF5Error`.
  package init(creating path: String) throws {
    self.path = path
    id = try HDF5.locked {
      // Nobody else knows of a file that is being made, and not every file system has locks.
      let list = HDF5File.withoutLocks()
      let id = H5Fcreate(path, h5_truncate(), h5Default, list.id)
      guard id >= 0 else { throw WriteError(path) }
      return id
    }
  }

  private static func withoutLocks() -> Handle {
    let list = H5Pcreate(h5_file_access())
    H5Pset_file_locking(list, false, true)
    return Handle(list)
  }

  /// Guarded by `HDF5.locked`.
  private var isAbandoned = false
  /// Datasets whose sources are known to be there; guarded by `HDF5.locked`.
  var checkedSources: Set<String> = []

  deinit {
    HDF5.locked { if !isAbandoned { H5Fclose(id) } }
  }

  /// Leaves a file behind that could not be written: the library crashes when it closes one whose buffers find no room.
  package func abandon() { HDF5.locked { isAbandoned = true } }

  /// Writes what is buffered and tells whether that worked.
  /// - Throws: `HDF5Error`.
  package func flush() throws {
    try HDF5.locked {
      guard H5Fflush(id, H5F_SCOPE_LOCAL) >= 0 else {
        throw WriteError.failed(path: path, reason: String(cString: strerror(errno == 0 ? EIO : errno)))
      }
    }
  }

  /// The system's descriptor behind a file's identifier; nil when its driver has none.
  static func descriptor(of file: hid_t) -> Int32? {
    let list = Handle(H5Fget_access_plist(file))
    var handle: UnsafeMutableRawPointer?
    guard H5Fget_vfd_handle(file, list.id, &handle) >= 0, let handle else { return nil }
    return handle.load(as: Int32.self)
  }

  /// Why a call for `path` failed, from what the library says; asked right after the call.
  func failure(_ path: String) -> HDF5Error {
    let complaint = HDF5.complaint()
    if complaint.isAboutVersions { return .newerFormat(file: self.path, path: path, library: HDF5.version) }
    if let line = complaint.line(with: "is not registered"), line.contains("filter") {
      let name = line.split(separator: "'").dropFirst().first.map(String.init) ?? "a filter"
      return .missingFilter(file: self.path, path: path, filter: name)
    }
    let reason = complaint.line(with: "errno =") ?? complaint.innermost
    return .damaged(file: self.path, path: path, reason.isEmpty ? "" : " (HDF5: \(reason))")
  }

  /// Opens what `path` leads to; why it cannot be is reported by name.
  func withObject<Result>(_ path: String, _ body: (hid_t) throws -> Result) throws -> Result {
    try HDF5.locked {
      let object = Handle(H5Oopen(id, path, h5Default))
      guard object.id >= 0 else {
        let failure = failure(path)
        throw absence(of: path) ?? failure
      }
      return try body(object.id)
    }
  }

  func withDataset<Result>(_ path: String, _ body: (hid_t) throws -> Result) throws -> Result {
    try withObject(path) { object in
      switch HDF5File.kind(object) {
      case .group: throw HDF5Error.group(file: self.path, path: path, members: try children(path))
      case .other: throw HDF5Error.wrongType(file: self.path, path: path, wanted: "values")
      case .dataset: try body(object)
      }
    }
  }

  /// Why an open dataset cannot be read, from its own description where that tells more than the library.
  func failure(_ path: String, of dataset: hid_t) -> HDF5Error {
    let failure = failure(path)
    let list = Handle(H5Dget_create_plist(dataset))
    for index in 0..<max(0, H5Pget_nfilters(list.id)) {
      var (flags, count, configuration): (UInt32, Int, UInt32) = (0, 0, 0)
      var name = [CChar](repeating: 0, count: 256)
      let filter = H5Pget_filter2(list.id, UInt32(index), &flags, &count, nil, 256, &name, &configuration)
      guard filter >= 0, H5Zfilter_avail(filter) <= 0 else { continue }
      let text = String(untilZero: name)
      let known = text.isEmpty ? HDF5File.filters[filter] : text.split(separator: ";").first.map(String.init)
      return .missingFilter(
        file: self.path, path: path, filter: known.map { "\($0) (filter \(filter))" } ?? "filter \(filter)")
    }
    if H5Pget_external_count(list.id) > 0 {
      var name = [CChar](repeating: 0, count: 1024)
      H5Pget_external(list.id, 0, 1023, &name, nil, nil)
      let reason = "its values are in another file, '\(String(untilZero: name))', which cannot be read"
      return .unreadable(file: self.path, path: path, reason: reason)
    }
    return failure
  }

  /// Filters of The HDF Group's registry that files name by number alone.
  private static let filters: [H5Z_filter_t: String] = [
    4: "szip", 307: "bzip2", 32000: "lzf", 32001: "blosc", 32004: "lz4", 32008: "bitshuffle", 32013: "zfp",
    32015: "zstd", 32026: "blosc2",
  ]
}
