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
        <section><h2>How it was made</h2>\(factList)
        <h3>Recipe</h3><pre>\(HTMLPage.escaped(recipe))</pre></section>
        <section><h2>Every episode of \(HTMLPage.escaped(learned))</h2>\(episodeTable)</section>
        """)
  }

  // MARK: Tables

  private var table: String {
    var rows = ""
    for policy in result.policies {
      for row in result.rows where row.policy == policy {
        rows += """
          <tr><td>\(HTMLPage.breakable(row.policy))</td><td>\(HTMLPage.breakable(row.task))</td><td>\(HTMLPage.breakable(row.split))</td>\
          <td class="n">\(row.successes)/\(row.episodes)</td><td class="n">\(SuccessRate.percent(row.rate))</td>\
          <td class="n">\(SuccessRate.percent(row.low)) to \(SuccessRate.percent(row.high))</td>\
          <td class="n">\(row.meanSteps.map { String(format: "%.0f", $0) } ?? "–")</td>\
          <td class="n">\(row.errors == 0 ? "" : String(row.errors))</td></tr>

          """
      }
      rows += """
        <tr class="mean"><td>\(HTMLPage.breakable(policy))</td><td>mean</td><td></td><td></td>\
        <td class="n">\(SuccessRate.percent(result.mean(of: policy) ?? 0))</td><td></td><td></td><td></td></tr>

        """
    }
    return """
      <div class="wide"><table><thead><tr><th>policy</th><th>task</th><th>split</th><th class="n">solved</th>\
      <th class="n">rate</th><th class="n">95 % interval</th><th class="n">mean steps</th><th class="n">crashed</th></tr></thead>
      <tbody>\(rows)</tbody></table></div>
      """
  }

  private var episodeTable: String {
    let rows = result.episodes.filter { $0.policy == learned }.map { episode in
      let outcome =
        episode.success
        ? "<span class=\"yes\">solved</span>"
        : "<span class=\"no\">\(episode.error == nil ? "failed" : "crashed")</span>"
      return """
        <tr><td>\(HTMLPage.breakable(episode.task))</td><td class="n">\(episode.episode)</td><td class="n">\(episode.seed)</td>\
        <td>\(outcome)</td><td class="n">\(episode.steps)</td><td>\(HTMLPage.breakable(episode.instruction))</td>\
        <td>\(HTMLPage.breakable(episode.error ?? ""))</td></tr>
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
    let items = all.map { "<dt>\(HTMLPage.escaped($0.0))</dt><dd>\(HTMLPage.escaped($0.1))</dd>" }
    return "<dl>\(items.joined(separator: "\n"))</dl>"
  }

  private var videoList: String {
    guard !videos.isEmpty else { return "<p class=\"note\">No images were kept.</p>" }
    return videos.map { video in
      let episode = video.episode
      let outcome =
        episode.success
        ? "<span class=\"yes\">solved in \(episode.steps) steps</span>"
        : "<span class=\"no\">failed after \(episode.steps) steps</span>"
      return """
        <figure><figcaption><strong>\(HTMLPage.escaped(episode.task))</strong> “\(HTMLPage.escaped(episode.instruction))”: \(outcome) \
        <span class="note">(seed \(episode.seed))</span></figcaption>
        <img alt="\(HTMLPage.escaped(episode.task)), from the first step to the last" \
        src="data:image/jpeg;base64,\(video.jpeg.base64EncodedString())"></figure>
        """
    }.joined(separator: "\n")
  }
}
