import Files
import Foundation

extension Comparison {
  /// How the numbers came about, for below a table.
  var notes: [String] {
    var notes = [
      "Closed-loop success on \(simulator): successes of episodes, Wilson 95 % intervals. Means are means of the tasks' rates.",
      "Differences are between columns on the scenes that both met, with McNemar's exact test over scenes, two-sided, not corrected for "
        + "how many there are. It tells trained policies apart, not recipes: the same recipe trained with another seed may solve tens "
        + "of points more or fewer. p over seeds is Student's paired test of the means of training seeds; with one seed there is none.",
    ]
    if !shared.isEmpty { notes.insert("All columns: \(shared.joined(separator: ", ")).", at: 0) }
    let broken = rows.filter { $0.kind == .task }.flatMap(\.cells).reduce(0) { $0 + ($1?.errors ?? 0) }
    if broken > 0 {
      notes.append("\(broken) episodes crashed and count as failed; `imitate evaluate` tries them again.")
    }
    if rows.last.map({ $0.tasks.count < taskCount }) ?? false {
      notes.append("Not every column has every task: means are over those that all have.")
    }
    if columns.contains(where: { $0.prediction != nil }) {
      notes.append(
        "World models: images predicted from their own predictions against the recorded ones of held-out demonstrations, dB and SSIM "
          + "as `imitate world evaluate` last found them; success is the policy's mean.")
    }
    if columns.contains(where: { $0.seeds.count > 1 }) {
      notes.append(
        "Training seeds of a column are counted together, as if their episodes were independent, though policies of one seed succeed and "
          + "fail together: intervals and p over scenes are too small. The table of seeds has their means apart.")
    }
    if !published.isEmpty {
      notes.append(
        "Published: "
          + published.map { "\($0.name), \($0.split): \($0.source), \($0.note)" }.unique.joined(separator: "; "))
    }
    if simulator.contains("kitchenette") {
      notes.append("Kitchenette is the embedded simulator; its scores are not RoboCasa scores.")
    }
    if !trusted.isEmpty {
      notes.append(
        "Taken on trust, since the demonstrations do not say all of what actions mean: \(trusted.joined(separator: ", "))."
      )
    }
    if !ofOneScene.isEmpty {
      notes.append(
        "Every episode began with the same observation, whatever its seed, so that many tell little more than one: \(ofOneScene.joined(separator: ", "))."
      )
    }
    if !versions.isEmpty {
      notes.append(
        "Simulators differ in their versions, and scenes may with them: \(versions.joined(separator: ", ")).")
    }
    if !missing.isEmpty { notes.append("Not there yet: \(missing.joined(separator: ", ")).") }
    return notes
  }

  // MARK: Markdown

  package var markdown: String {
    var lines = ["# \(title)", ""] + successTable.markdown()
    if let table = differenceTable(byTask: false) { lines += [""] + table.markdown(from: 1) }
    for table in [predictionTable, seedTable].compactMap(\.self) { lines += [""] + table.markdown() }
    lines += [""] + notes.map { "- \($0)" } + ["- ImitationKit \(toolkit), \(date)"]
    return lines.joined(separator: "\n") + "\n"
  }

  // MARK: CSV

  /// A line for each task and column.
  package var csv: String {
    func quoted(_ text: String) -> String {
      text.contains(where: { ",\"\n\r".contains($0) })
        ? "\"\(text.replacingOccurrences(of: "\"", with: "\"\""))\"" : text
    }
    var lines = ["kind,task,group,split,encoder,policy,training_seeds,successes,episodes,rate,low,high"]
    for row in rows {
      for (column, cell) in zip(columns, row.cells) {
        guard let cell else { continue }
        func number(_ value: Double?) -> String { value.map { String(format: "%.6f", $0) } ?? "" }
        let fields = [
          row.kind.rawValue, row.name, row.group, column.split, column.encoder, column.policy,
          column.seeds.map { String($0.seed) }.joined(separator: " "), String(cell.successes), String(cell.episodes),
          number(cell.rate), number(cell.low), number(cell.high),
        ]
        lines.append(fields.map(quoted).joined(separator: ","))
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  // MARK: LaTeX

  /// A table for a paper (needs the package booktabs).
  package var latex: String {
    func escaped(_ text: String) -> String {
      text.reduce(into: "") { result, character in
        switch character {
        case "&", "%", "$", "#", "_", "{", "}": result += "\\\(character)"
        case "~": result += "\\textasciitilde{}"
        case "^": result += "\\textasciicircum{}"
        case "\\": result += "\\textbackslash{}"
        case "·": result += "$\\cdot$"
        default: result.append(character)
        }
      }
    }
    let count = columns.count + published.count
    var lines = [
      "% \(title); ImitationKit \(toolkit), \(date)", "\\begin{tabular}{l\(String(repeating: "r", count: count))}",
      "\\toprule",
    ]
    let heads = { (name: (Column) -> String, other: (PublishedResults) -> String) in
      self.columns.map { escaped(name($0)) } + self.published.map { "\\textit{\(escaped(other($0)))}" }
    }
    lines.append("split & " + heads(\.split, \.split).joined(separator: " & ") + " \\\\")
    lines.append("encoder & " + heads(\.encoder, { _ in "published" }).joined(separator: " & ") + " \\\\")
    lines.append("policy & " + heads(\.policy, \.name).joined(separator: " & ") + " \\\\")
    lines.append("\\midrule")
    for row in rows {
      if row.kind == .mean { lines.append("\\midrule") }
      let cells =
        row.cells.map { cell -> String in
          guard let cell else { return "--" }
          guard let low = cell.low, let high = cell.high else { return Comparison.percent(cell.rate) }
          return
            "\(Comparison.percent(cell.rate)) {\\scriptsize [\(Comparison.percent(low)), \(Comparison.percent(high))]}"
        } + row.published.map { $0.map { "\\textit{\(Comparison.percent($0))}" } ?? "--" }
      let name = escaped(title(row))
      lines.append((row.kind == .task ? name : "\\textbf{\(name)}") + " & " + cells.joined(separator: " & ") + " \\\\")
    }
    lines += ["\\bottomrule", "\\end{tabular}"]
    return lines.joined(separator: "\n") + "\n"
  }

  // MARK: JSON

  package var json: Data {
    get throws {
      try JSONEncoder.readable.encode(self) + Data("\n".utf8)
    }
  }
}
