import Foundation

/// Which bytes a path leads to, known without opening them: two of equal identity hold the same.
public struct FileIdentity: Codable, Sendable, Hashable {
  /// Where the bytes are.
  public var device, inode: UInt64
  /// How many they are.
  public var bytes: Int
  /// When the bytes, and when the entry, last changed, in nanoseconds since 1970.
  public var modified, changed: Int

  /// Nil when there is no such file.
  public init?(_ path: String) {
    var facts = stat()
    guard stat(path, &facts) == 0 else { return nil }
    device = UInt64(facts.st_dev)
    inode = UInt64(facts.st_ino)
    bytes = Int(facts.st_size)
    modified = Int(facts.st_mtim.tv_sec) * 1_000_000_000 + Int(facts.st_mtim.tv_nsec)
    changed = Int(facts.st_ctim.tv_sec) * 1_000_000_000 + Int(facts.st_ctim.tv_nsec)
  }

  /// Whether two paths lead to one file, by links or not.
  public static func areOneFile(_ a: String, _ b: String) -> Bool {
    guard let first = FileIdentity(a), let second = FileIdentity(b) else { return false }
    return first.device == second.device && first.inode == second.inode
  }

  /// One line, for names and comparisons.
  public var text: String { "\(device) \(inode) \(bytes) \(modified) \(changed)" }
}
