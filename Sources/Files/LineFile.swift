import Foundation

/// A file that records are added to, one a line, each on the disk before the next: what a kill cuts short is the last one at most.
package final class LineFile: Sendable {
  private let handle: FileHandle
  private let path: String

  /// Opens a file, or begins one.
  /// - Throws: `WriteError`.
  package init(path: String) throws {
    self.path = path
    let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw WriteError(path) }
    handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    // A line that a kill cut short must not swallow the next one.
    if let last = FileManager.default.contents(atPath: path)?.last, last != 0x0a { try write(Data("\n".utf8)) }
  }

  /// Adds a record as JSON. One write a line: lines of two processes do not mix.
  /// - Throws: `WriteError`.
  package func append(_ record: some Encodable) throws { try write(JSONEncoder().encode(record) + Data("\n".utf8)) }

  private func write(_ data: Data) throws {
    do {
      try handle.write(contentsOf: data)
      try handle.synchronize()
    } catch {
      throw WriteError(path)
    }
  }
}
