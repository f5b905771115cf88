import Evaluation
import Foundation
import Media

extension Report {
  /// One self-contained page: styles, charts and images inside, nothing fetched.
  package var html: String {
    HTMLPage.text(
      title: title,
      body: """
        <header>
        <h1>\(HTMLPage.escaped(title))</h1>
        <p class="lead"><strong>\(SuccessRate.percent(result.mean(of: learned) ?? 0))</strong> mean closed-loop success of
        \(HTMLPage.escaped(learned)) over \(tasks.count) tasks, \(row(tasks.first ?? "", learned)?.episodes ?? 0) episodes each, on
        \(HTMLPage.escaped(result.simulator)) scenes of the <em>\(HTMLPage.escaped(result.pool))</em> pool.</p>
        </header>
        <section><h2>Success by task</h2>\(chart)\(table)
        <p class="note">Bars and whiskers: success rate and Wilson 95 % interval. All policies met the same scenes. An episode that
        crashed counts as failed.</p></section>
        <section><h2>Episodes</h2>\(videoList)</section>
        <section><h2>Training</h2>\(curve)</section>
        \(probe.map { "<section><h2>Linear probes of the features</h2>\($0.charts)</section>" } ?? "")
        <section><h2>How it was made</h2>\(factList)
        <h3>Recipe</h3><pre>\(HTMLPage.escaped(recipe))</pre></section>
        <section><h2>Every episode of \(HTMLPage.escaped(learned))</h2>\(episodeTable)</section>
        """)
  }

  // MARK: Tables

  private var table: String {
    let lines = result.policies.flatMap { policy -> [(cells: [ReportTable.Cell], style: String)] in
      let percent = SuccessRate.percent
      let rows = result.rows.filter { $0.policy == policy }.map { row in
        [
          policy, row.task, row.split, "\(row.successes)/\(row.episodes)", percent(row.rate),
          "\(percent(row.low)) to \(percent(row.high))", row.meanSteps.map { String(format: "%.0f", $0) } ?? "–",
          row.errors == 0 ? "" : "\(row.errors)",
        ].map { ReportTable.Cell($0) }
      }
      let mean = [policy, result.meanLabel, "", "", result.commonMean(of: policy).map(percent) ?? "", "", "", ""]
      return rows.map { ($0, "") } + [(mean.map { .init($0) }, "mean")]
    }
    let heads: KeyValuePairs = [
      "policy": "", "task": "", "split": "", "solved": "n", "rate": "n", "95 % interval": "n", "mean steps": "n",
      "crashed": "n",
    ]
    return ReportTable(heads.map { (.init($0), $1) }, lines).html()
  }

  private var episodeTable: String {
    let rows = result.episodes.filter { $0.policy == learned }.map { episode -> [ReportTable.Cell] in
      let outcome = episode.success ? "solved" : episode.error == nil ? "failed" : "crashed"
      return [
        .init(episode.task), .number(episode.episode), .number(episode.seed),
        .init(outcome, html: "<span class=\"\(episode.success ? "yes" : "no")\">\(outcome)</span>"),
        .number(episode.steps), .init(episode.instruction), .init(episode.error ?? ""),
      ]
    }
    let table = ReportTable(
      ["task": "", "episode": "n", "seed": "n", "result": "", "steps": "n", "instruction": "", "": ""], rows)
    return "<details><summary>Show all \(rows.count)</summary>\(table.html())</details>"
  }

  private var factList: String {
    let all =
      facts + [
        ("machine", result.machine.label),
        ("evaluation", "seed \(result.seed), pool \(result.pool), checkpoint of step \(result.step)"),
        ("toolkit", "ImitationKit \(result.toolkit), \(result.date)"),
      ]
    let items = all.map { "<dt>\(HTMLPage.escaped($0.0))</dt><dd>\(HTMLPage.escaped($0.1))</dd>" }
    return "<dl>\(items.joined(separator: "\n"))</dl>"
  }

  private var videoList: String {
    guard !videos.isEmpty else { return "<p class=\"note\">No images were kept.</p>" }
    return videos.map { $0.figure("<span class=\"note\">(seed \($0.episode.seed))</span>") }.joined(separator: "\n")
  }
}

extension Report.Video {
  /// It and how its episode ended.
  /// - Parameter more: HTML behind that.
  func figure(_ more: String...) -> String {
    let end = episode.success ? "solved in" : "failed after"
    return """
      <figure><figcaption><strong>\(HTMLPage.escaped(episode.task))</strong> “\(HTMLPage.escaped(episode.instruction))”: \
      <span class="\(episode.success ? "yes" : "no")">\(end) \(episode.steps) steps</span> \(more.joined())</figcaption>
      <img loading="lazy" alt="\(HTMLPage.escaped(episode.task)), from the first step to the last" \
      src="data:image/jpeg;base64,\(jpeg.base64EncodedString())"></figure>
      """
  }
}
