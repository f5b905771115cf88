import Foundation

/// Why a file does not open: the system is asked first, then its bytes are looked at for what people really have.
extension HDF5File {
  /// - Throws: `HDF5Error` when there is no file at `path` that could be read.
  static func checkReadable(_ path: String) throws {
    var facts = stat()
    guard stat(path, &facts) == 0 else {
      guard errno == ENOENT else { throw HDF5Error.notOpened(path, reason: String(cString: strerror(errno))) }
      if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path) {
        throw HDF5Error.notOpened(path, reason: "it is a symbolic link to \(target), which is not there")
      }
      throw HDF5Error.notFound(path)
    }
    switch facts.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR: throw HDF5Error.notOpened(path, reason: "it is a folder, not a file")
    default: throw HDF5Error.notOpened(path, reason: "it is no regular file")
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw HDF5Error.notOpened(path, reason: String(cString: strerror(errno))) }
    close(descriptor)
  }

  /// The HDF5 files in a folder, by their names; nil when `path` is none.
  static func names(in path: String) throws -> [String]? {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else { return nil }
    return try FileManager.default.contentsOfDirectory(atPath: path).filter {
      ["hdf5", "h5"].contains(($0 as NSString).pathExtension.lowercased())
    }
  }

  static func superblock(_ path: String) -> Superblock? {
    guard let file = FileHandle(forReadingAtPath: path) else { return nil }
    defer { try? file.close() }
    return superblock(file)
  }

  /// At the start, or behind a user block of 512, 1024, ... bytes.
  private static func superblock(_ file: FileHandle) -> Superblock? {
    let size = (try? file.seekToEnd()) ?? 0
    var offset: UInt64 = 0
    while offset + 12 <= size {
      try? file.seek(toOffset: offset)
      if let found = Superblock([UInt8]((try? file.read(upToCount: 64)) ?? Data())) { return found }
      offset = offset == 0 ? 512 : offset * 2
    }
    return nil
  }

  /// - Parameter complaint: what the library said when it did not open the file.
  static func reason(_ path: String, _ complaint: HDF5.Complaint) -> HDF5Error {
    guard let file = FileHandle(forReadingAtPath: path) else { return .notFound(path) }
    defer { try? file.close() }
    let start = [UInt8]((try? file.read(upToCount: 1024)) ?? Data())
    let size = (try? file.seekToEnd()) ?? 0
    if start.isEmpty { return .notHDF5(path, hint: "it is empty") }
    if let superblock = superblock(file) {
      if let end = superblock.end, end > size, end != .max {
        return .notHDF5(path, hint: "it is truncated: \(size) of \(end) bytes; download it again")
      }
      // Without the mark of later formats: what was not flushed is zeros.
      if superblock.version < 3, let end = superblock.end, end < size {
        return .notHDF5(path, hint: "the program that wrote it was killed before it closed the file; record it again")
      }
      if complaint.isAboutVersions || superblock.version > 3 {
        return .newerFormat(file: path, path: "", library: HDF5.version)
      }
      if complaint.line(with: "unable to lock file") != nil { return .beingWritten(path) }
      if superblock.isMarkedOpen { return isLocked(path) ? .beingWritten(path) : .leftOpen(path) }
      return .notHDF5(path, hint: "its structure is damaged (\(complaint.innermost))")
    }
    return .notHDF5(path, hint: kind(of: start) ?? "it starts with other bytes")
  }

  /// What else a file is that people take for HDF5.
  private static func kind(of start: [UInt8]) -> String? {
    let text = String(decoding: start, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines).lowercased()
    if text.hasPrefix("version https://git-lfs") {
      return "it is a Git LFS pointer; `git lfs pull` fetches the file itself"
    }
    if text.hasPrefix("<!doctype") || text.hasPrefix("<html") {
      return "it is a web page; the download link needs a browser or has expired"
    }
    let kinds: [([UInt8], String)] = [
      ([0x1f, 0x8b], "it is compressed with gzip; unpack it first (`gunzip`, or `tar xzf`)"),
      ([0x50, 0x4b, 0x03, 0x04], "it is a zip archive; unpack it first (`unzip`)"),
      ([0xfd, 0x37, 0x7a, 0x58, 0x5a], "it is compressed with xz; unpack it first (`unxz`, or `tar xJf`)"),
      ([0x28, 0xb5, 0x2f, 0xfd], "it is compressed with zstd; unpack it first (`unzstd`)"),
      ([0x42, 0x5a, 0x68], "it is compressed with bzip2; unpack it first (`bunzip2`)"),
      ([0x37, 0x7a, 0xbc, 0xaf], "it is a 7-Zip archive; unpack it first"),
      ([0x52, 0x61, 0x72, 0x21], "it is a RAR archive; unpack it first"),
      ([0x0e, 0x03, 0x13, 0x01], "it is an HDF4 file; `h4toh5` converts it"),
      (Array("CDF".utf8), "it is a classic NetCDF file; `nccopy -k nc4` converts it"),
      (Array("PAR1".utf8), "it is a Parquet file; `./run lerobot` converts LeRobot's datasets"),
      ([0x93] + Array("NUMPY".utf8), "it is a NumPy array"),
      ([0x80, 0x02], "it is a Python pickle"), ([0x80, 0x04], "it is a Python pickle"),
    ]
    if let known = kinds.first(where: { start.starts(with: $0.0) }) { return known.1 }
    if start.count > 262, start[257..<262].elementsEqual("ustar".utf8) {
      return "it is a tar archive; unpack it first (`tar xf`)"
    }
    return nil
  }

  /// Whether another process holds a lock that readers must respect. Where locks cannot be had nobody holds one.
  private static func isLocked(_ path: String) -> Bool {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    while flock(descriptor, LOCK_SH | LOCK_NB) != 0 {
      if errno != EINTR { return errno == EWOULDBLOCK }
    }
    return false
  }
}
