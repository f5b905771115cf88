import Foundation

/// A file that could not be written; nothing is left behind, and what was there before still is.
public enum WriteError: Error, Equatable, CustomStringConvertible {
  /// Why the system did not write.
  case failed(path: String, reason: String)

  /// For the reason that the last call gave.
  package init(_ path: String) { self = .failed(path: path, reason: String(cString: strerror(errno))) }

  public var description: String {
    switch self {
    case .failed(let path, let reason): "\(path): not written: \(reason)"
    }
  }
}

/// Writes files whole or not at all: to a temporary name beside them, synced, renamed, and the folder synced.
public enum AtomicFile {
  /// Where a file is while it is written. Two processes may be at it at once, one of them about to be killed: each has a
  /// name of its own.
  package static func temporary(_ path: String) -> String { "\(path).\(getpid()).partial" }

  /// - Throws: `WriteError`.
  public static func write(to path: String, _ body: (Int32) throws -> Void) throws {
    let temporary = temporary(path)
    let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard file >= 0 else { throw WriteError(path) }
    do {
      do {
        defer { close(file) }
        try body(file)
        guard fsync(file) == 0 else { throw WriteError(path) }
      }
      guard rename(temporary, path) == 0 else { throw WriteError(path) }
    } catch {
      unlink(temporary)
      throw error
    }
    let parent = path.parentFolder
    let folder = open(parent.isEmpty ? "." : parent, O_RDONLY)
    if folder >= 0 {
      fsync(folder)
      close(folder)
    }
  }

  /// - Throws: `WriteError`.
  public static func write(_ data: Data, to path: String) throws {
    try write(to: path) { file in
      try data.withUnsafeBytes { try append($0, to: file, path: path) }
    }
  }

  /// Writes all of `bytes`, however many calls that takes.
  public static func append(_ bytes: UnsafeRawBufferPointer, to file: Int32, path: String) throws {
    var done = 0
    while done < bytes.count {
      let count = Foundation.write(file, bytes.baseAddress! + done, bytes.count - done)
      if count < 0 {
        if errno == EINTR { continue }
        throw WriteError(path)
      }
      done += count
    }
  }
}
