import Evaluation
import Foundation
import Media

extension Comparison {
  static func percent(_ value: Double) -> String { String(format: "%.0f", value * 100) }

  /// "43/50 = 86 % (74 to 93)".
  package static func text(_ cell: Cell?) -> String {
    guard let cell else { return "–" }
    var text = "\(cell.successes)/\(cell.episodes) = \(percent(cell.rate)) %"
    if let low = cell.low, let high = cell.high { text += " (\(percent(low)) to \(percent(high)))" }
    return text
  }

  /// What a line is called in tables.
  func title(_ row: Row) -> String {
    switch row.kind {
    case .task: row.name
    case .group: "mean of \(row.name)"
    case .mean: EvaluationResult.meanLabel(common: row.tasks.count, of: taskCount)
    }
  }

  func swatch(_ column: Int) -> String {
    "<span class=\"swatch\" style=\"background: var(--c\(column % 8))\"></span>"
  }

  private func label(_ column: Int, limit: Int = 14) -> ReportTable.Cell {
    .init(columns[column].label, html: swatch(column) + HTMLPage.breakable(columns[column].label, limit: limit))
  }

  /// Success, a line for each task, group and the mean.
  var successTable: ReportTable {
    // The more columns, the narrower each has to be.
    let limit = Comparison.pieceLimit(columns: columns.count + published.count)
    let others = published.map { "\($0.name), \($0.split), published" }
    let heads: [(ReportTable.Cell, String)] =
      [(.init("task"), "")] + columns.indices.map { (label($0, limit: limit), "n rate") }
      + others.map { (.init("*\($0)*", html: HTMLPage.breakable($0, limit: limit)), "n published") }
    let lines = rows.map { row -> ([ReportTable.Cell], String) in
      let bold = row.kind == .task ? "" : "**"
      let name = title(row)
      let cells = row.cells.map { cell -> ReportTable.Cell in
        guard let cell else { return .init("–") }
        let (percent, text) = (Comparison.percent, Comparison.text(cell))
        let interval = cell.low.map { " <small>\(percent($0))–\(percent(cell.high ?? 1))</small>" } ?? ""
        let solved = "<small>\(cell.successes)/\(cell.episodes)</small>"
        return .init(text, html: "\(percent(cell.rate))&nbsp;%\(interval)<br>\(solved)", value: "\(cell.rate)")
      }
      let theirs = row.published.map { rate -> ReportTable.Cell in
        guard let rate else { return .init("", html: "–") }
        return .init("*\(Comparison.percent(rate)) %*", html: "\(Comparison.percent(rate)) %", value: "\(rate)")
      }
      let first = ReportTable.Cell("\(bold)\(name)\(bold)", html: HTMLPage.breakable(name), value: row.name)
      return ([first] + cells + theirs, row.kind == .task ? "" : row.kind.rawValue)
    }
    return ReportTable(heads, lines)
  }

  /// How long the pieces of a head may be so that a table of so many columns, and one of tasks, fits the page: its width less
  /// what the tasks take, the padding of each column, and letters of up to 10 pixels.
  private static func pieceLimit(columns: Int) -> Int {
    min(14, max(5, isDense(columns) ? (1020 / columns - 10) / 9 : (1020 / max(1, columns) - 20) / 10))
  }

  static func isDense(_ columns: Int) -> Bool { columns > 8 }

  /// Differences of columns over all tasks, or task by task; nil where there are none.
  func differenceTable(byTask: Bool) -> ReportTable? {
    func number(_ p: Double) -> ReportTable.Cell { .number(p, p < 0.001 ? "< 0.001" : String(format: "%.3f", p)) }
    let lines = differences.filter { ($0.task != nil) == byTask }.map { difference -> [ReportTable.Cell] in
      let test = difference.test
      return [
        .init(difference.task ?? "all tasks", value: difference.task ?? ""), label(difference.first),
        label(difference.second), .number(test.count), .number(test.onlyFirst), .number(test.onlySecond),
        .number(test.difference, String(format: "%+.1f", test.difference * 100)),
        number(test.p), difference.bySeed.map { number($0.p) } ?? .init("–"),
      ]
    }
    guard !lines.isEmpty else { return nil }
    return ReportTable(
      [
        "tasks": "", "first": "label", "second": "label", "pairs": "n", "only first": "n", "only second": "n",
        "difference": "n", "p over scenes": "n", "p over seeds": "n",
      ], lines)
  }

  /// What world models predict beside what policies that look through them solve, a line for each column that has one, over
  /// as many steps as all of them were measured; nil without any.
  var predictionTable: ReportTable? {
    func number(_ value: Double, _ digits: Int) -> ReportTable.Cell { .init(String(format: "%.\(digits)f", value)) }
    guard let steps = columns.compactMap(\.prediction?.psnrByStep.count).min() else { return nil }
    let shown = [1, steps].unique
    let heads = [("column", "label"), ("world model", "label")] + shown.map { ("PSNR after \($0)", "n") }
    // The last one is a sentence of numbers, which may be broken.
    let more = [("PSNR", "n"), ("SSIM", "n"), ("clips", "n"), ("success", "n rate")]
    let lines = columns.enumerated().compactMap { place, column -> ([ReportTable.Cell], String)? in
      guard let prediction = column.prediction else { return nil }
      let all = prediction.psnrByStep.prefix(steps)
      let ssim = prediction.psnrByStep.count == steps ? number(prediction.ssim, 3) : .init("–")
      return (
        [label(place), .init(prediction.world)] + shown.map { number(all[$0 - 1], 2) } + [
          number(all.reduce(0, +) / Double(steps), 2), ssim, .init("\(prediction.clips)"),
          .init(Comparison.text(rows.last?.cells[place])),
        ], ""
      )
    }
    return ReportTable((heads + more).map { (.init($0), $1) }, lines)
  }

  /// The means of training seeds; nil where each column has one.
  var seedTable: ReportTable? {
    guard columns.contains(where: { $0.seeds.count > 1 }) else { return nil }
    let lines = columns.enumerated().map { index, column -> ([ReportTable.Cell], String) in
      let seeds = column.seeds.map { (number: $0.seed, mean: Comparison.percent($0.mean)) }
      let means = ReportTable.Cell(
        seeds.map { "\($0.number): \($0.mean) %" }.joined(separator: ", "),
        html: seeds.map { "\($0.mean)&nbsp;%&nbsp;<small>(\($0.number))</small>" }.joined(separator: ", "))
      return ([label(index), means, .init(column.seedDeviation.map { String(format: "%.1f", $0 * 100) } ?? "–")], "")
    }
    let heads: [(ReportTable.Cell, String)] = [
      (.init("column"), "label"), (.init("mean by training seed", html: "mean over tasks (seed)"), ""),
      (.init("deviation", html: "standard deviation"), "n"),
    ]
    return ReportTable(heads, lines)
  }
}
