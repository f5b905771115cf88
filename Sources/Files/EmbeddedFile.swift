import CEmbedded

/// Files that are part of the program.
package enum EmbeddedFile {
  /// - Precondition: `CEmbedded` lists a file of this name.
  package static func bytes(_ name: String) -> [UInt8] {
    var count = 0
    guard let bytes = cembedded_file(name, &count) else { preconditionFailure("CEmbedded has no \(name)") }
    return Array(UnsafeBufferPointer(start: bytes, count: count))
  }
}
