import Foundation

/// One thing that was looked at.
struct Finding: Codable {
  enum State: String, Codable {
    case ok
    /// Not there, which may be no fault.
    case absent
    /// There in versions that do not work together.
    case unfit
    /// There, and nobody has tried it.
    case untried
    case broken
  }

  var name: String
  var state: State
  /// In one line, with what to do where something is wrong.
  var text: String
  var versions: [String: String]?
  /// Whether the user has named it: then the exit status follows from it.
  var isAsked: Bool

  enum CodingKeys: String, CodingKey {
    case name, state, text, versions
    case isAsked = "asked"
  }

  init(_ name: String, _ state: State, _ text: String, versions: [String: String]? = nil, isAsked: Bool = false) {
    (self.name, self.state, self.versions, self.isAsked) = (name, state, versions, isAsked)
    self.text = text.split(whereSeparator: \.isNewline).joined(separator: " ")
  }

  static func table(_ findings: [Finding]) -> String {
    let rows = findings.map { [$0.name, $0.state.rawValue, $0.text] }
    let widths = (0..<2).map { column in rows.map { $0[column].count }.max() ?? 0 }
    // The last column may be long and begin with a number: it stays at the left.
    return rows.map { row in
      (0..<2).map { row[$0].padding(toLength: widths[$0], withPad: " ", startingAt: 0) }.joined(separator: "  ")
        + "  " + row[2]
    }.joined(separator: "\n")
  }
}
