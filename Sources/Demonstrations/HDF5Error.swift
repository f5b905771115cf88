/// What is wrong with an HDF5 file.
package enum HDF5Error: Error, Equatable, CustomStringConvertible {
  case notFound(String)
  case notHDF5(String, hint: String)
  case beingWritten(String)
  case missing(file: String, path: String, available: [String])
  case wrongType(file: String, path: String, wanted: String)
  case wrongShape(file: String, path: String, expected: String, found: [Int])
  case missingAttribute(file: String, path: String, name: String)
  case damaged(file: String, path: String)
  case picture(file: String, path: String, reason: String)
  case notWritten(file: String, reason: String)

  package var description: String {
    switch self {
    case .notFound(let file): "\(file): no such file"
    case .notHDF5(let file, let hint): "\(file): not an HDF5 file: \(hint)"
    case .beingWritten(let file): "\(file): another program is writing it; try again when it has finished"
    case .missing(let file, let path, let available):
      "\(file): no '\(path)'; there is: \(available.isEmpty ? "nothing" : available.prefix(40).joined(separator: ", "))"
    case .wrongType(let file, let path, let wanted): "\(file): '\(path)' does not hold \(wanted)"
    case .wrongShape(let file, let path, let expected, let found):
      "\(file): '\(path)' has shape \(found), expected \(expected)"
    case .missingAttribute(let file, let path, let name): "\(file): '\(path)' lacks the attribute '\(name)'"
    case .damaged(let file, let path): "\(file): '\(path)' cannot be read: the file is damaged or truncated"
    case .picture(let file, let path, let reason): "\(file): '\(path)': \(reason)"
    case .notWritten(let file, let reason): "\(file): not written: \(reason)"
    }
  }
}
