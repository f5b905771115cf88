import ArgumentParser
import Foundation
import ImitationKit

/// Files that a verb writes.
enum OutputFile {
  /// Asked before any work is done.
  ///
  /// - Parameter inputs: what the verb reads, by whatever names.
  /// - Throws: `CommandFailure` when the file is there and is not to be replaced, or is one of the inputs.
  static func check(_ path: String, replace: Bool, inputs: [String]) throws {
    if let input = inputs.first(where: { FileIdentity.areOneFile(path, $0) }) {
      throw CommandFailure("\(path): is \(input) itself; name another file with --output")
    }
    var facts = stat()
    // A link to nothing is there as well.
    guard lstat(path, &facts) == 0 else { return }
    switch facts.st_mode & S_IFMT {
    case S_IFREG, S_IFLNK: break
    case S_IFDIR: throw CommandFailure("\(path): is a folder; name a file")
    default: throw CommandFailure("\(path): is no regular file; name one")
    }
    if !replace { throw CommandFailure("\(path): is there already; --replace writes it again") }
  }
}

/// What a file does not say of its frames.
struct FrameOptions: ParsableArguments {
  @Flag(help: "Frames may be [steps, 3, height, width].") var channelsFirst = false
  @Flag(help: "Frames may be floats of 0 to 1.") var unitRange = false

  var format: FrameFormat { FrameFormat(isChannelsFirst: channelsFirst, isUnitRange: unitRange) }
}
