import ArgumentParser
import Foundation

/// A failure that is reported in one line: what, where, what to do.
struct CommandFailure: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }

  /// Errors that ArgumentParser renders itself: wrong usage, `--help`, `--version`, a plain exit code.
  static func isOurs(_ error: any Error) -> Bool {
    !(error is ValidationError || error is ExitCode || error is CleanExit)
      && !String(reflecting: type(of: error)).hasPrefix("ArgumentParser.")
  }

  /// The system's own words where it has some.
  private static func reason(_ error: any Error) -> String {
    let error = error as NSError
    return error.domain == NSPOSIXErrorDomain ? String(cString: strerror(Int32(error.code))) : "\(error)"
  }

  static func line(_ error: any Error) -> String {
    let text =
      switch error {
      case let error as CustomStringConvertible & Error where !(error is CocoaError): error.description
      case let error as CocoaError:
        [error.filePath, error.underlying.map(CommandFailure.reason) ?? error.localizedDescription].compactMap { $0 }
          .joined(separator: ": ")
      default: "\(error)"
      }
    return text.split(whereSeparator: \.isNewline).joined(separator: " ")
  }
}

extension CocoaError {
  fileprivate var filePath: String? { userInfo[NSFilePathErrorKey] as? String }
  fileprivate var underlying: (any Error)? { userInfo[NSUnderlyingErrorKey] as? any Error }
}
