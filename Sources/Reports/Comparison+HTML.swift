import Media

extension Comparison {
  /// One self-contained page: styles, charts and images inside, nothing fetched.
  ///
  /// - Parameters:
  ///   - runs: those it was made of, for their videos.
  ///   - link: where a file of a run's folder lies, seen from the page; nil when there is none.
  package func html(runs: [Run], link: (_ run: Run, _ file: String) -> String?) -> String {
    let isDense = Comparison.isDense(columns.count + published.count)
    return HTMLPage.text(
      title: title, style: Comparison.style,
      body: """
        <header><h1>\(HTMLPage.escaped(title))</h1>\(lead)</header>
        <section><h2>Success</h2>\(successTable.html(isDense ? "sortable dense" : "sortable"))</section>
        <section><h2>By task</h2>\(chart)</section>
        \(differenceSection)
        \(section("World models", predictionTable))
        \(section("Training seeds", seedTable))
        <section><h2>Episodes</h2>\(videoList(runs, link))</section>
        <section><h2>Failures</h2>\(failureList(runs, link))</section>
        <section><h2>How to read it</h2><ul>\(notes.map { "<li>\(HTMLPage.escaped($0))</li>" }.joined(separator: "\n"))
        <li>ImitationKit \(HTMLPage.escaped(toolkit)), \(HTMLPage.escaped(date))</li></ul></section>
        """, script: Comparison.script)
  }

  private static let style = """
    :root { --c2: #8a55c7; --c3: #d08a1d; --c4: #2a9db5; --c5: #c2477f; --c6: #7a5230; --c7: #7d8a2e; }
    @media (prefers-color-scheme: dark) { :root { --c2: #b791f0; --c3: #f0b658; --c4: #6fd0e3;
    --c5: #f08bb6; --c6: #c99a6e; --c7: #b9c76a; } }
    main { max-width: 76rem; } th button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0;
    padding: 0; cursor: pointer; text-align: inherit; } th button::after { content: " ↕"; color: var(--dim); }
    th[aria-sort=ascending] button::after { content: " ↑"; } th[aria-sort=descending] button::after { content: " ↓"; }
    td.label { min-width: 9rem; } td.rate { white-space: normal; }
    .dense { font-size: .9rem; } .dense th, .dense td { padding: .35rem .3rem; } td small { color: var(--dim); } tr.group td, tr.mean td { font-weight: 600; } .published { color: var(--dim); font-style: italic; }
    .swatch { display: inline-block; width: .7em; height: .7em; border-radius: .15em; margin-right: .35em; }
    .legend { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; font-size: .9rem; margin-bottom: .6rem; }
    .videos { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1rem; } .videos figure { margin: 0; }
    @media (max-width: 30rem) { .videos { grid-template-columns: 1fr; } main { padding: 1rem .7rem 3rem; } }
    svg.chart { min-width: 32rem; } a { color: var(--c0); } .least { opacity: .75; } th:first-child, td:first-child { position: sticky; left: 0;
    background: var(--page); }
    """

  /// Sorts a table's tasks by a column.
  private static let script = """
    for (const table of document.querySelectorAll("table.sortable")) {
      const heads = [...table.tHead.rows[0].cells];
      heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") !== "descending";
        heads.forEach(other => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const body = table.tBodies[0], fixed = [...body.rows].filter(row => row.className), rows =
          [...body.rows].filter(row => !row.className);
        const value = row => { const v = row.cells[column]?.dataset.value; return v === undefined ? null : v; };
        rows.sort((a, b) => {
          const [x, y] = [value(a), value(b)];
          if (x === null || y === null) return (x === null) - (y === null);
          const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
          return down === isNaN(x) ? order : -order;
        });
        body.replaceChildren(...rows, ...fixed);
      }));
    }
    """

  private var lead: String {
    let mean = rows.last!
    guard
      let best = mean.cells.indices.filter({ mean.cells[$0] != nil }).max(by: {
        mean.cells[$0]!.rate < mean.cells[$1]!.rate
      }), let cell = mean.cells[best]
    else { return "<p class=\"lead\">Nothing evaluated yet.</p>" }
    return """
      <p class="lead"><strong>\(Comparison.percent(cell.rate)) %</strong> mean closed-loop success of the best of \(columns.count)
      columns, \(HTMLPage.escaped(([columns[best].label] + shared).joined(separator: ", "))), over \(mean.tasks.count) task\(mean.tasks.count == 1 ? "" : "s") and \(cell.episodes) episodes on
      \(HTMLPage.escaped(simulator)).</p>
      """
  }

  /// A dot with its interval for every column of every line.
  private var chart: String {
    let legend = columns.enumerated().map { "<span>\(swatch($0))\(HTMLPage.escaped($1.label))</span>" }.joined()
    let (left, width, step, gap) = (200.0, 530.0, 11.0, 12.0)
    let block = Double(columns.count) * step + gap
    let height = Double(rows.count) * block + 26
    var shapes = HTMLPage.rateGrid(left: left, width: width, height: height)
    for (place, row) in rows.enumerated() {
      let top = Double(place) * block + gap / 2
      let middle = top + Double(columns.count) * step / 2 + 4
      let weight = row.kind == .task ? "" : " font-weight=\"600\""
      shapes +=
        "<text x=\"\(left - 10)\" y=\"\(middle)\" text-anchor=\"end\"\(weight)>\(HTMLPage.shortened(title(row), limit: 23))</text>"
      for (index, cell) in row.cells.enumerated() {
        guard let cell else { continue }
        let y = top + (Double(index) + 0.5) * step
        let color = "var(--c\(index % 8))"
        if let low = cell.low, let high = cell.high {
          shapes += """
            <line x1="\(left + width * low)" x2="\(left + width * high)" y1="\(y)" y2="\(y)" stroke="\(color)" stroke-width="2"/>
            """
        }
        shapes += """
          <circle cx="\(left + width * cell.rate)" cy="\(y)" r="4" fill="\(color)"><title>\(HTMLPage.escaped(columns[index].label)): \
          \(HTMLPage.escaped(Comparison.text(cell)))</title></circle>
          """
      }
      for (index, rate) in row.published.enumerated() {
        guard let rate else { continue }
        shapes += """
          <line x1="\(left + width * rate)" x2="\(left + width * rate)" y1="\(top)" y2="\(top + block - gap)" stroke="var(--dim)" \
          stroke-dasharray="2 2"><title>\(HTMLPage.escaped(published[index].name)), \(published[index].split), published</title></line>
          """
      }
    }
    return """
      <div class="legend">\(legend)</div>
      <div class="wide"><svg class="chart" viewBox="0 0 760 \(height)" role="img" aria-label="Success rates with 95 % intervals">\(shapes)</svg></div>
      """
  }

  private var differenceSection: String {
    guard let table = differenceTable(byTask: false) else { return "" }
    let details = differenceTable(byTask: true).map {
      "<details><summary>By task (\($0.rows.count))</summary>\($0.html("sortable"))</details>"
    }
    return """
      <section><h2>Differences on the same scenes</h2>\(table.html("sortable"))\(details ?? "")
      <p class="note">Percentage points, first minus second. p over scenes: McNemar's exact test, two-sided, not corrected for how many there
      are; it tells trained policies apart, not recipes, as another training seed may move one by tens of points. p over seeds: Student's paired test
      of the means of training seeds; with one seed there is none.</p></section>
      """
  }

  private func section(_ title: String, _ table: ReportTable?) -> String {
    table.map { "<section><h2>\(title)</h2>\($0.html())</section>" } ?? ""
  }

  // MARK: Episodes

  /// At most so many bytes of images: a page stays small enough to send.
  private static let videoBytes = 2_500_000

  private func videoList(_ runs: [Run], _ link: (Run, String) -> String?) -> String {
    // In turns, so that every run has its share.
    var waiting = runs.map { run in run.videos.map { (run: run, video: $0) } }
    var chosen: [(run: Run, video: Report.Video)] = []
    var bytes = 0
    while waiting.contains(where: { !$0.isEmpty }) {
      for index in waiting.indices where !waiting[index].isEmpty {
        let next = waiting[index].removeFirst()
        guard bytes + next.video.jpeg.count <= Comparison.videoBytes else { continue }
        bytes += next.video.jpeg.count
        chosen.append(next)
      }
    }
    guard !chosen.isEmpty else { return "<p class=\"note\">No images were kept.</p>" }
    let figures = chosen.map { run, strip in
      let video = link(run, "videos/\(VideoStrip.video(strip.episode))")
      return strip.figure(
        video.map { "<a href=\"\(HTMLPage.escaped($0))\">video</a>" } ?? "",
        "<br><span class=\"note\">\(HTMLPage.escaped(run.name)), scene \(strip.episode.seed)</span>")
    }
    return "<div class=\"videos\">\(figures.joined(separator: "\n"))</div>"
  }

  private func failureList(_ runs: [Run], _ link: (Run, String) -> String?) -> String {
    runs.map { run in
      let failed = run.episodes.filter { !$0.success }
      let items = failed.map { episode -> String in
        let text = "\(HTMLPage.escaped(episode.task))/\(episode.episode)"
        let cause = episode.error.map { " <small>\(HTMLPage.escaped($0))</small>" } ?? ""
        guard let file = link(run, "videos/\(VideoStrip.video(episode))") else { return "<span>\(text)\(cause)</span>" }
        return
          "<a href=\"\(HTMLPage.escaped(file))\" title=\"\(HTMLPage.escaped(episode.instruction))\">\(text)</a>\(cause)"
      }
      return """
        <details><summary>\(HTMLPage.escaped(run.name)): \(failed.count) of \(run.episodes.count)</summary>
        <p>\(items.joined(separator: ", "))</p><p class="note">To see one again: imitate evaluate \(HTMLPage.escaped(run.path)) --replay
        TASK/NUMBER</p></details>
        """
    }.joined(separator: "\n")
  }
}
