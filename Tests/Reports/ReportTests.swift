import Evaluation
import Foundation
import Reports
import Testing

@Suite struct ReportTests {
  /// A report's numbers are those of its episodes.
  @Test func reportsWhatTheEpisodesSay() throws {
    var episodes: [EpisodeResult] = []
    for (policy, solved) in [("mine", 13), ("expert", 20)] {
      for episode in 0..<20 {
        var result = EpisodeResult(
          task: "Open<Drawer>", split: "expert-10", policy: policy, episode: episode, seed: UInt64(episode))
        result.success = episode < solved
        result.steps = 40
        episodes.append(result)
      }
    }
    let result = EvaluationResult(
      toolkit: "0", date: "today", step: 5,
      conditions: .init(simulator: "fake", options: "{}", seed: 1, pool: "evaluation"), episodes: episodes)
    let report = Report(
      title: "A & B", result: result, recipe: "name: <x>",
      trainingLoss: [(step: 1, value: 3), (step: 100, value: 1)],
      validationLoss: [], facts: [("fact", "\"quoted\"")],
      videos: [.init(episode: episodes[0], jpeg: Data([0xff, 0xd8]))])
    let page = report.html
    #expect(page.contains("13/20") && page.contains("65 %") && page.contains("20/20") && page.contains("100 %"))
    #expect(page.contains("Open&lt;Drawer&gt;") && !page.contains("Open<Drawer>"))
    #expect(page.contains("A &amp; B") && page.contains("&quot;quoted&quot;") && page.contains("name: &lt;x&gt;"))
    for link in ["http:", "https:", "src=\"/", "href="] { #expect(!page.contains(link), "\(link)") }
    #expect(report.markdown.contains("| Open<Drawer> | 13/20 = 65 % (43 % to 82 %) | 20/20 = 100 % (84 % to 100 %) |"))
    let data = try JSONEncoder().encode(result)
    let json = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
    let row = try #require((json["rows"] as? [[String: Any]])?.first)
    #expect(Set(["task", "split", "episodes", "successes", "rate", "low", "high"]).isSubset(of: row.keys))
    #expect(row["rate"] as? Double == 0.65)
  }
}
