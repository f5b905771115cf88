import Foundation
import ImitationKit

extension Catalog {
  /// A simulator for a verb that needs it. One in a process that does not start ends the verb with where to look further.
  /// - Throws: as `makeSimulator`; `CommandFailure` for one that does not start.
  func startSimulator(_ choice: Choice, drawing: Bool = true) throws -> any Environment {
    do {
      return try makeSimulator(choice, drawing: drawing)
    } catch let error as ProcessEnvironmentError where error.isOfStart {
      guard processEnvironment(choice.kind)?.needs != nil else { throw error }
      let python = choice.options["python"].flatMap { try? String($0, path: "python") } ?? ProcessOptions().python
      throw CommandFailure("\(error); `imitate doctor --python \(python.quotedForShell)` says more")
    }
  }

  /// The kind of environments in processes that has this name.
  func processEnvironment(_ kind: String) -> ProcessEnvironment.Type? {
    plugins(.simulator).first { $0.name == kind } as? ProcessEnvironment.Type
  }
}

extension String {
  /// A word that a shell takes as it is.
  var quotedForShell: String {
    !isEmpty && allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "_-./:=,+@".contains($0)) }
      ? self : "'" + replacingOccurrences(of: "'", with: "'\\''") + "'"
  }
}
