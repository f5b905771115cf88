import ArgumentParser
import Foundation
import ImitationKit
import Synchronization

/// How a verb prints a table.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
  case text
  case json

  /// A record as JSON with sorted keys, one final newline.
  static func json(_ value: some Encodable) throws -> String {
    String(decoding: try JSONEncoder.readable.encode(value), as: UTF8.self)
  }
}

/// - Throws: `ValidationError` for an option below 1.
func requirePositive(_ options: (name: String, value: Int?)...) throws {
  for option in options where option.value.map({ $0 < 1 }) ?? false {
    throw ValidationError("--\(option.name) must be 1 or more")
  }
}

/// A line for people, beside the results on standard output.
func tell(_ line: String) { tell(text: line + "\n") }

/// Something to know that is no error.
func tell(note: String) { tell("note: \(note)") }

func tell(notes: [String]) { for note in notes { tell(note: note) } }

/// The same without an end of line. Nobody is left to report to when it cannot be written.
func tell(text: String) {
  if Quiet.isOn { return }
  _ = text.withCString { write(STDERR_FILENO, $0, strlen($0)) }
}

/// Of several processes that do the same, one reports; errors are printed by all.
enum Quiet {
  private static let state = Atomic<Bool>(false)
  static var isOn: Bool { state.load(ordering: .relaxed) }
  static func begin() { state.store(true, ordering: .relaxed) }
  static func end() { state.store(false, ordering: .relaxed) }
}

/// Columns padded to their widest cell, the first to the left and numbers to the right.
func table(_ header: [String], _ rows: [[String]]) -> String {
  let all = [header] + rows
  let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
  func line(_ cells: [String]) -> String {
    cells.enumerated().map { column, cell in
      let padding = String(repeating: " ", count: widths[column] - cell.count)
      let isNumber = cell.first.map { $0.isNumber || $0 == "-" } ?? false
      return isNumber && column > 0 ? padding + cell : cell + padding
    }.joined(separator: "  ").replacing(/\ +$/, with: "")
  }
  let rule = widths.map { String(repeating: "─", count: $0) }.joined(separator: "  ")
  return ([line(header), rule] + rows.map(line)).joined(separator: "\n")
}
