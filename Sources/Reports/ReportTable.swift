import Media

/// A table that stands in Markdown and on a page.
struct ReportTable {
  struct Cell {
    /// In Markdown.
    var text: String
    /// On a page.
    var html: String
    /// What a page sorts it by.
    var value: String?

    init(_ text: String, html: String? = nil, value: String? = nil) {
      (self.text, self.html, self.value) = (text, html ?? HTMLPage.breakable(text), value)
    }

    static func number(_ value: some CustomStringConvertible, _ text: String? = nil) -> Cell {
      Cell(text ?? "\(value)", value: "\(value)")
    }
  }

  /// With the classes of their columns' cells on a page: "n" for numbers.
  var heads: [(cell: Cell, style: String)]
  /// With the classes of lines.
  var rows: [(cells: [Cell], style: String)]

  init(_ heads: [(cell: Cell, style: String)], _ rows: [(cells: [Cell], style: String)]) {
    (self.heads, self.rows) = (heads, rows)
  }

  init(_ heads: KeyValuePairs<String, String>, _ rows: [[Cell]]) {
    self.init(heads.map { (Cell($0), $1) }, rows.map { ($0, "") })
  }

  /// Lines of Markdown.
  func markdown(from first: Int = 0) -> [String] {
    func line(_ cells: [Cell]) -> String { "| \(cells.dropFirst(first).map(\.text).joined(separator: " | ")) |" }
    let rule = "|" + heads.dropFirst(first).map { _ in "---|" }.joined()
    return [line(heads.map(\.cell)), rule] + rows.map { line($0.cells) }
  }

  /// - Parameter style: the table's classes; with "sortable" its heads are buttons.
  func html(_ style: String = "") -> String {
    let isSortable = style.hasPrefix("sortable")
    let head = heads.map { cell, style in
      "<th class=\"\(style)\">\(isSortable ? "<button>\(cell.html)</button>" : cell.html)</th>"
    }
    let lines = rows.map { cells, style in
      let cells = zip(heads, cells).map { head, cell in
        "<td class=\"\(head.style)\"\(cell.value.map { " data-value=\"\(HTMLPage.escaped($0))\"" } ?? "")>\(cell.html)</td>"
      }
      return "<tr class=\"\(style)\">\(cells.joined())</tr>"
    }
    return """
      <div class="wide"><table\(style.isEmpty ? "" : " class=\"\(style)\"")><thead><tr>\(head.joined())</tr></thead>
      <tbody>\(lines.joined(separator: "\n"))</tbody></table></div>
      """
  }
}
