/// What is wrong with an HDF5 file.
package enum HDF5Error: Error, Equatable, CustomStringConvertible {
  case notFound(String)
  /// The system's reason why a file cannot be opened.
  case notOpened(String, reason: String)
  case notHDF5(String, hint: String)
  case beingWritten(String)
  /// Marked as being written, and nobody writes it.
  case leftOpen(String)
  case missing(file: String, path: String, available: [String])
  /// A link whose target is not there.
  case dangling(file: String, path: String, target: String)
  case group(file: String, path: String, members: [String])
  case wrongType(file: String, path: String, wanted: String)
  case wrongShape(file: String, path: String, expected: String, found: [Int])
  case missingAttribute(file: String, path: String, name: String)
  case missingFilter(file: String, path: String, filter: String)
  /// Written by a later library than this one.
  case newerFormat(file: String, path: String, library: String)
  case tooLarge(file: String, path: String, bytes: Int)
  /// The library's own reason.
  case unreadable(file: String, path: String, reason: String)
  case image(file: String, path: String, reason: String)
  case notCopied(file: String, path: String, reason: String)

  package var description: String {
    switch self {
    case .notFound(let file): "\(file): no such file"
    case .notOpened(let file, let reason): "\(file): cannot be opened: \(reason)"
    case .notHDF5(let file, let hint): "\(file): not an HDF5 file: \(hint)"
    case .beingWritten(let file): "\(file): another program is writing it; try again when it has finished"
    case .leftOpen(let file):
      "\(file): the program that wrote it was killed before it closed the file, or writes it on another machine; "
        + "if nothing writes it any more, `h5clear -s \(file)` (package hdf5-tools) makes it readable up to its last flush"
    case .missing(let file, let path, let available):
      "\(file): no '\(path)'; there is: \(HDF5Error.list(available))"
    case .dangling(let file, let path, let target): "\(file): '\(path)' is a link to \(target)"
    case .group(let file, let path, let members):
      "\(file): '\(path)' is a group, not an array; it holds: \(HDF5Error.list(members))"
    case .wrongType(let file, let path, let wanted): "\(file): '\(path)' does not hold \(wanted)"
    case .wrongShape(let file, let path, let expected, let found):
      "\(file): '\(path)' has shape \(found), expected \(expected)"
    case .missingAttribute(let file, let path, let name): "\(file): '\(path)' lacks the attribute '\(name)'"
    case .missingFilter(let file, let path, let filter):
      "\(file): '\(path)' is compressed with \(filter), which is not installed here; where it is, "
        + "`h5repack -f GZIP=4 OLD NEW` rewrites the file, or name its plug-in folder in HDF5_PLUGIN_PATH"
    case .newerFormat(let file, let path, let library):
      "\(file): \(path.isEmpty ? "it" : "'\(path)'") is in a newer format than HDF5 \(library), used here, can read; write it again "
        + "with h5py.File(..., libver=('earliest', 'v110'))"
    case .tooLarge(let file, let path, let bytes):
      "\(file): '\(path)' would take \(bytes / 1_000_000_000) GB of memory, more than this machine has"
    case .unreadable(let file, let path, let reason): "\(file): '\(path)' cannot be read: \(reason)"
    case .image(let file, let path, let reason): "\(file): '\(path)': \(reason)"
    case .notCopied(let file, let path, let reason): "\(file): '\(path)' cannot be copied: \(reason)"
    }
  }

  static func damaged(file: String, path: String, _ details: String = "") -> HDF5Error {
    .unreadable(file: file, path: path, reason: "the file is damaged or truncated" + details)
  }

  private static func list(_ names: [String]) -> String {
    names.isEmpty ? "nothing" : names.prefix(40).joined(separator: ", ") + (names.count > 40 ? ", ..." : "")
  }
}
