import Files
import Foundation
import Synchronization
import Tensors

/// The adapters that come with the toolkit: Python files in this program, written to the cache folder where a Python of the
/// user's runs them.
package enum AdapterFiles {
  package static let files: [(name: String, bytes: [UInt8])] = [
    "wire.py", "drawing.py", "experts.py", "worlds.py", "template.py", "serve_metaworld.py", "serve_robosuite.py",
    "serve_libero.py", "serve_robocasa.py", "serve_gymnasium.py", "replay.py", "robot_template.py",
  ].map { ($0, EmbeddedFile.bytes($0)) }

  /// What `pip install` needs for an adapter, from its line `INSTALL = "..."`.
  static func install(of name: String) -> String? {
    let bytes = files.first { $0.name == name }?.bytes ?? []
    let line = bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
      .first { $0.hasPrefix("INSTALL = \"") }
    return line.map { String($0.split(separator: "\"")[1]) }
  }

  private static let writing = Mutex(())

  /// The path of one of them, with all others next to it.
  /// - Throws: `WriteError`.
  package static func path(of name: String) throws -> String {
    var digest = StableHash()
    for (name, bytes) in files {
      digest.add(name.utf8)
      digest.add(bytes)
    }
    let folder = "\(CacheFolder.path)/adapters/\(String(digest.value, radix: 16))"
    try writing.withLock { _ in
      for (name, bytes) in files where FileManager.default.contents(atPath: "\(folder)/\(name)") != Data(bytes) {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try AtomicFile.write(Data(bytes), to: "\(folder)/\(name)")
      }
    }
    return "\(folder)/\(name)"
  }
}
