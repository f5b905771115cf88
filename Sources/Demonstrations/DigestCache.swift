import Files
import Foundation
import Layers

/// SHA-256 of files, kept by which bytes they are, so that a hundred gigabytes are not read at every start.
package struct DigestCache {
  private struct Entry: Codable {
    var identity: FileIdentity
    var sha256: String
  }

  private let folder: String

  package init(folder: String = CacheFolder.path + "/digests") {
    self.folder = folder
  }

  /// Size and SHA-256 of a file; of a folder, of what its files have, by name.
  /// - Throws: `HDF5Error` when it cannot be read.
  package func digest(_ path: String) throws -> (bytes: Int, sha256: String) {
    if let files = try HDF5File.names(in: path) {
      let each = try files.sorted().map { try ($0, digest("\(path)/\($0)")) }
      let text = each.map { "\($0.1.sha256)  \($0.0)\n" }.joined()
      return (each.reduce(0) { $0 + $1.1.bytes }, SHA256.hash(Data(text.utf8)).hexadecimal)
    }
    guard let identity = FileIdentity(path) else { throw HDF5Error.notFound(path) }
    let entry =
      "\(folder)/\(SHA256.hash(Data("\(identity.device) \(identity.inode)".utf8)).hexadecimal.prefix(32)).json"
    if let known = FileManager.default.contents(atPath: entry).flatMap({
      try? JSONDecoder().decode(Entry.self, from: $0)
    }),
      known.identity == identity
    {
      return (identity.bytes, known.sha256)
    }
    let (bytes, sha) = try DigestCache.read(path)
    // A file that changed while it was read, or a moment ago, may change again within one tick of its clock.
    let age = Int(Date().timeIntervalSince1970 * 1e9) - max(identity.modified, identity.changed)
    if FileIdentity(path) == identity, age > 2_000_000_000, bytes >= 1 << 20 {
      // Without a cache folder it is read again the next time.
      try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try? AtomicFile.write(JSONEncoder().encode(Entry(identity: identity, sha256: sha)), to: entry)
    }
    return (bytes, sha)
  }

  /// In pieces.
  private static func read(_ path: String) throws -> (bytes: Int, sha256: String) {
    guard let file = FileHandle(forReadingAtPath: path) else { throw HDF5Error.notFound(path) }
    defer { try? file.close() }
    var hash = SHA256()
    var bytes = 0
    while let piece = try file.read(upToCount: 1 << 22), !piece.isEmpty {
      hash.update(piece)
      bytes += piece.count
    }
    return (bytes, hash.finalize().hexadecimal)
  }
}
