import Foundation
import Imitation

extension DatasetSummary {
  /// A self-contained page about some files: their tables, problems and contact sheets.
  /// - Parameter sheets: an image for each summary, or nil.
  /// - Throws: `ImageError`.
  package static func page(_ summaries: [DatasetSummary], sheets: [Image?], title: String) throws -> String {
    let overview = summaries.map { summary in
      "<tr><td>\(HTMLPage.escaped(summary.task))</td><td class=n>\(summary.demos)</td><td class=n>\(summary.steps)</td>"
        + "<td class=n>\(summary.shortest) to \(summary.longest)</td><td class=n>\(summary.instructions.count)</td>"
        + "<td class=n>\(summary.problems.count)</td></tr>"
    }
    let sections = try zip(summaries, sheets).map { try $0.section(sheet: $1) }
    return HTMLPage.text(
      title: title, style: style,
      body: """
        <h1>\(HTMLPage.escaped(title))</h1>
        <table><tr><th>task</th><th class=n>demos</th><th class=n>steps</th><th class=n>a demo</th>
        <th class=n>instructions</th><th class=n>problems</th></tr>
        \(overview.joined(separator: "\n"))</table>
        \(sections.joined(separator: "\n"))
        """)
  }

  private func section(sheet: Image?) throws -> String {
    var parts = ["<section><h2>\(HTMLPage.escaped(task))</h2><p class=dim>\(HTMLPage.escaped(file))</p>"]
    if !problems.isEmpty {
      parts.append("<ul class=bad>" + problems.map { "<li>\(HTMLPage.escaped($0))</li>" }.joined() + "</ul>")
    }
    if let sheet {
      let image = Data(try sheet.jpeg(quality: 85)).base64EncodedString()
      parts.append("<img alt=\"Frames of the first demos\" src=\"data:image/jpeg;base64,\(image)\">")
    }
    parts.append(
      table(
        ["observation", "shape"], keys.map { [$0.name, $0.shape.map(String.init).joined(separator: " × ")] }))
    parts.append(
      table(
        ["action", "least", "most", ""],
        actions.map {
          [
            "\($0.index)", $0.minimum.map { String(format: "%.4f", $0) } ?? "",
            $0.maximum.map { String(format: "%.4f", $0) } ?? "",
            $0.isConstant ? "constant" : "",
          ]
        }))
    if !cameras.isEmpty {
      parts.append(
        table(
          ["camera", "frames looked at", "mean", "deviation", "of one color", "repeated"],
          cameras.map { camera in
            [
              camera.name, "\(camera.frames)", camera.mean.map { String(format: "%.0f", $0) }.joined(separator: " "),
              String(format: "%.0f", camera.deviation), "\(camera.plain)", "\(camera.repeated)",
            ]
          }))
    }
    parts.append(table(["filter key", "demos"], masks.map { [$0.name, "\($0.count)"] }))
    if !categories.isEmpty { parts.append(table(["object", "demos"], categories.map { [$0.text, "\($0.count)"] })) }
    let rows = self.table.map {
      [
        $0.name, "\($0.steps)", $0.instruction, $0.layout.map(String.init) ?? "", $0.style.map(String.init) ?? "",
        $0.category ?? "",
      ]
    }
    parts.append(
      "<details><summary>\(demos) demos</summary>"
        + table(["demo", "steps", "instruction", "layout", "style", "object"], rows) + "</details></section>")
    return parts.joined(separator: "\n")
  }

  private func table(_ head: [String], _ rows: [[String]]) -> String {
    func row(_ cells: [String], _ tag: String) -> String {
      "<tr>" + cells.map { "<\(tag)>\(HTMLPage.escaped($0))</\(tag)>" }.joined() + "</tr>"
    }
    return "<div class=wide><table>" + row(head, "th") + rows.map { row($0, "td") }.joined(separator: "\n")
      + "</table></div>"
  }

  private static let style = """
    main { max-width: 64rem; } h2 { margin: 2.5rem 0 0; } table { margin: 1rem 0; } th, td { white-space: normal; }
    .dim { color: var(--dim); margin: 0 0 .8rem; overflow-wrap: anywhere; } .bad { color: var(--bad); }
    .n { text-align: right; } section img { max-width: 100%; border-radius: .3rem; }
    """
}
