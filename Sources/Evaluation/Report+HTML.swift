import Foundation

extension Report {
  /// One self-contained page: styles, charts and pictures inside, nothing fetched.
  package var html: String {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>\(Report.escaped(title))</title>
    <style>\(Report.style)</style>
    </head>
    <body>
    <main>
    <header>
    <h1>\(Report.escaped(title))</h1>
    <p class="lead"><strong>\(Report.percent(result.mean(of: learned) ?? 0))</strong> mean closed-loop success of
    \(Report.escaped(learned)) over \(tasks.count) tasks, \(row(tasks.first ?? "", learned)?.episodes ?? 0) episodes each, on
    \(Report.escaped(result.simulator)) scenes of the <em>\(Report.escaped(result.pool))</em> pool.</p>
    </header>
    <section><h2>Success by task</h2>\(chart)\(table)
    <p class="note">Bars and whiskers: success rate and Wilson 95 % interval. All policies met the same scenes. An episode that
    broke off counts as failed.</p></section>
    <section><h2>Episodes</h2>\(filmList)</section>
    <section><h2>Training</h2>\(curve)</section>
    <section><h2>How it was made</h2>\(factList)
    <h3>Recipe</h3><pre>\(Report.escaped(recipe))</pre></section>
    <section><h2>Every episode of \(Report.escaped(learned))</h2>\(episodeTable)</section>
    </main>
    </body>
    </html>

    """
  }

  package static func escaped(_ text: String) -> String {
    text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
      .replacingOccurrences(of: ">", with: "&gt;").replacingOccurrences(of: "\"", with: "&quot;")
      .replacingOccurrences(of: "'", with: "&#39;")
  }

  static let style = """
    :root { color-scheme: light dark; --ink: #1c2430; --dim: #5c6675; --line: #d9dee6; --page: #fff; --card: #f5f7fa;
      --c0: #2563c9; --c1: #2e9e6b; --c2: #b0b7c3; --bad: #c0392b; }
    @media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --dim: #9aa4b2; --line: #333b47; --page: #14181f;
      --card: #1c222b; --c0: #6ea8ff; --c1: #5fd3a0; --c2: #5b6573; --bad: #ff8a7a; } }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
    main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
    h1 { font-size: 1.6rem; margin: 0 0 .3rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .8rem; }
    h3 { font-size: 1rem; } .lead { font-size: 1.1rem; } .lead strong { font-size: 1.6rem; color: var(--c0); }
    .note, dt { color: var(--dim); font-size: .9rem; }
    .wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
    th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
    td.n, th.n { text-align: right; } tr.mean td { font-weight: 600; }
    pre { background: var(--card); padding: 1rem; overflow-x: auto; font-size: .85rem; border-radius: .5rem; }
    svg { width: 100%; height: auto; display: block; } svg text { fill: var(--ink); font-size: 13px; }
    svg .dim { fill: var(--dim); } svg .grid { stroke: var(--line); } svg .whisker { stroke: var(--ink); stroke-width: 1.5; }
    dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } dd { margin: 0; overflow-wrap: anywhere; }
    figure { margin: 0 0 1rem; background: var(--card); padding: .7rem; border-radius: .5rem; }
    figure img { width: 100%; display: block; border-radius: .3rem; } figcaption { margin-bottom: .4rem; font-size: .95rem; }
    .yes { color: var(--c1); } .no { color: var(--bad); } details summary { cursor: pointer; }
    """

  // MARK: Tables

  private var table: String {
    var rows = ""
    for policy in result.policies {
      for row in result.rows where row.policy == policy {
        rows += """
          <tr><td>\(Report.escaped(row.policy))</td><td>\(Report.escaped(row.task))</td><td>\(Report.escaped(row.split))</td>\
          <td class="n">\(row.successes)/\(row.episodes)</td><td class="n">\(Report.percent(row.rate))</td>\
          <td class="n">\(Report.percent(row.low)) to \(Report.percent(row.high))</td>\
          <td class="n">\(row.meanSteps.map { String(format: "%.0f", $0) } ?? "–")</td>\
          <td class="n">\(row.errors == 0 ? "" : String(row.errors))</td></tr>

          """
      }
      rows += """
        <tr class="mean"><td>\(Report.escaped(policy))</td><td>mean</td><td></td><td></td>\
        <td class="n">\(Report.percent(result.mean(of: policy) ?? 0))</td><td></td><td></td><td></td></tr>

        """
    }
    return """
      <div class="wide"><table><thead><tr><th>policy</th><th>task</th><th>split</th><th class="n">solved</th>\
      <th class="n">rate</th><th class="n">95 % interval</th><th class="n">mean steps</th><th class="n">broke off</th></tr></thead>
      <tbody>\(rows)</tbody></table></div>
      """
  }

  private var episodeTable: String {
    let rows = result.episodes.filter { $0.policy == learned }.map { episode in
      let outcome =
        episode.success
        ? "<span class=\"yes\">solved</span>"
        : "<span class=\"no\">\(episode.error == nil ? "failed" : "broke off")</span>"
      return """
        <tr><td>\(Report.escaped(episode.task))</td><td class="n">\(episode.episode)</td><td class="n">\(episode.seed)</td>\
        <td>\(outcome)</td><td class="n">\(episode.steps)</td><td>\(Report.escaped(episode.instruction))</td>\
        <td>\(Report.escaped(episode.error ?? ""))</td></tr>
        """
    }
    return """
      <details><summary>Show all \(rows.count)</summary><div class="wide"><table><thead><tr><th>task</th>\
      <th class="n">episode</th><th class="n">seed</th><th>result</th><th class="n">steps</th><th>instruction</th><th></th></tr></thead>
      <tbody>\(rows.joined(separator: "\n"))</tbody></table></div></details>
      """
  }

  private var factList: String {
    let all =
      facts + [
        ("machine", "\(result.machine.processor), \(result.machine.cores) cores, \(result.machine.system)"),
        ("evaluation", "seed \(result.seed), pool \(result.pool), checkpoint of step \(result.step)"),
        ("toolkit", "ImitationKit \(result.toolkit), \(result.date)"),
      ]
    let items = all.map { "<dt>\(Report.escaped($0.0))</dt><dd>\(Report.escaped($0.1))</dd>" }
    return "<dl>\(items.joined(separator: "\n"))</dl>"
  }

  private var filmList: String {
    guard !films.isEmpty else { return "<p class=\"note\">No pictures were kept.</p>" }
    return films.map { film in
      let episode = film.episode
      let outcome =
        episode.success
        ? "<span class=\"yes\">solved in \(episode.steps) steps</span>"
        : "<span class=\"no\">failed after \(episode.steps) steps</span>"
      return """
        <figure><figcaption><strong>\(Report.escaped(episode.task))</strong> “\(Report.escaped(episode.instruction))”: \(outcome) \
        <span class="note">(seed \(episode.seed))</span></figcaption>
        <img alt="\(Report.escaped(episode.task)), from the first step to the last" \
        src="data:image/jpeg;base64,\(film.jpeg.base64EncodedString())"></figure>
        """
    }.joined(separator: "\n")
  }
}
