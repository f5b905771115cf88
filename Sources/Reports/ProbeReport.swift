import Evaluation
import Foundation
import Media

/// How far linear regressions on features are off, as a page with a chart for each run and target.
package struct ProbeReport {
  private let results: [ProbeResult]

  package init(_ results: [ProbeResult]) { self.results = results }

  /// One self-contained page.
  package var html: String {
    HTMLPage.text(
      title: "Linear probes",
      body: """
        <header><h1>Linear probes</h1><p class="lead">How far linear regressions on the features of each stage are off on held-out
        demonstrations.</p></header>
        \(results.map { "<section><h2>\(HTMLPage.escaped($0.run))</h2>\($0.charts)</section>" }.joined(separator: "\n"))
        """)
  }
}

extension ProbeResult {
  /// An error in the unit of its target.
  package func text(of cell: Cell, _ target: Target) -> String {
    String(format: target.unit.isEmpty ? "%.4f" : "%.2f", cell.error)
  }

  /// What a column of a table is called.
  package func head(_ target: Target, _ phase: Phase) -> String {
    (phases.count > 1 ? "\(target.name) \(phase.name)" : target.name) + (target.unit.isEmpty ? "" : ", \(target.unit)")
  }

  /// What its numbers are.
  package var note: String {
    let frames = phases.map { "\($0.training) and \($0.heldOut)\(phases.count > 1 ? " \($0.name)" : "")" }
    return """
      Root mean square distance on frames of \(heldOut) held-out demonstrations, regressed on frames of \(training) others (\
      \(frames.joined(separator: ", "))); \
      \(graspBy.map { "grasp by \($0)" } ?? "no word of a grasp").
      """
  }

  /// A chart for each position, and a table.
  var charts: String {
    let positions = targets.filter { !$0.unit.isEmpty }.map { target in
      "<h3>\(HTMLPage.escaped(target.name)), \(target.unit)</h3>\(chart(target))"
    }
    return """
      <style>\(ProbeResult.style)</style>\(positions.joined(separator: "\n"))
      <h3>All numbers</h3>\(table.html())<p class="note">\(HTMLPage.escaped(note)) R² is the explained fraction of the squared distance
      from the mean of the training frames.</p>
      """
  }

  private static let style = """
    svg.probe, .legend { --c2: #8a55c7; } @media (prefers-color-scheme: dark) { svg.probe, .legend { --c2: #b791f0; } }
    svg.probe { max-width: 40rem; } svg.probe text { font-size: 11px; } svg.probe .baseline { opacity: .5; }
    .legend { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; font-size: .9rem; margin-bottom: .6rem; }
    .swatch { display: inline-block; width: .7em; height: .7em; border-radius: .15em; margin-right: .35em; }
    @media (max-width: 30rem) { svg.probe text { font-size: 15px; } }
    """

  /// Bars by stage, one for each phase.
  private func chart(_ target: Target) -> String {
    let errors = rows.flatMap { row in phases.compactMap { row[target, $0]?.error } }
    guard let most = errors.max(), most > 0 else { return "<p class=\"note\">Nothing was found.</p>" }
    // Some four lines at round numbers, and room for the longest bar's number.
    let magnitude = pow(10, floor(log10(most / 4)))
    let tick = [1, 2, 5, 10].map { $0 * magnitude }.first { most / $0 <= 5 }!
    let (width, bar, head) = (430.0, 14.0, 19.0)
    let step = head + Double(phases.count) * (bar + 2) + 6
    let height = Double(rows.count) * step + 24
    func x(_ error: Double) -> Double { width * error / most }
    var shapes = ""
    for place in 0...Int(most / tick) {
      let at = x(Double(place) * tick)
      shapes += """
        <line class="grid" x1="\(at)" y1="0" x2="\(at)" y2="\(height - 20)"/><text class="dim" x="\(at)" y="\(height - 4)" \
        text-anchor="\(place == 0 ? "start" : "middle")">\(String(format: "%g", Double(place) * tick))</text>
        """
    }
    for (place, row) in rows.enumerated() {
      let top = Double(place) * step
      shapes += "<text x=\"0\" y=\"\(top + head - 4)\">\(HTMLPage.shortened(row.stage, limit: 40))"
      shapes += "\(row.width == 0 ? "" : "<tspan class=\"dim\"> \(row.width)</tspan>")</text>"
      for (number, phase) in phases.enumerated() {
        guard let cell = row[target, phase] else { continue }
        let y = top + head + Double(number) * (bar + 2)
        shapes += """
          <rect x="0" y="\(y)" width="\(max(1, x(cell.error)))" height="\(bar)" rx="2" fill="var(--c\(number))"\
          \(row.isBaseline ? " class=\"baseline\"" : "")><title>\(HTMLPage.escaped("\(row.stage), \(phase.name)"))</title></rect>\
          <text x="\(x(cell.error) + 5)" y="\(y + bar - 3)">\(text(of: cell, target))</text>
          """
      }
    }
    let legend = phases.enumerated().map { number, phase in
      "<span><span class=\"swatch\" style=\"background: var(--c\(number))\"></span>\(phase.name)</span>"
    }
    return """
      <div class="legend">\(phases.count > 1 ? legend.joined() : "")</div>
      <svg class="probe" viewBox="0 0 480 \(height)" role="img" \
      aria-label="Errors of \(HTMLPage.escaped(target.name)) by stage">\(shapes)</svg>
      """
  }

  private var table: ReportTable {
    let heads = columns.map { target, phase in
      (ReportTable.Cell(head(target, phase)), "n")
    }
    let lines = rows.map { row in
      [ReportTable.Cell(row.stage), row.width == 0 ? .init("") : .number(row.width)]
        + columns.map { target, phase in
          guard let cell = row[target, phase] else { return .init("–") }
          let error = text(of: cell, target)
          guard row.width > 0 else { return .init(error) }
          return .init(error, html: "\(error) <small>R² \(String(format: "%.2f", cell.explained))</small>")
        }
    }
    return ReportTable([(.init("stage"), ""), (.init("width"), "n")] + heads, lines.map { ($0, "") })
  }
}
