import Evaluation
import Foundation
import Reports
import Testing

@Suite struct ReportTests {
  /// A bar for each phase and stage with its number, as long as its error; what is missing is left out.
  @Test func probesAreCharted() throws {
    let (object, fingers) = (
      ProbeResult.Target(name: "object", unit: "cm", width: 3), ProbeResult.Target(name: "q", unit: "", width: 2)
    )
    func row(_ stage: String, _ errors: [Double]) -> ProbeResult.Row {
      let places = [(object, "before grasp"), (object, "after grasp"), (fingers, "before grasp")]
      return .init(
        stage: stage, width: 9, isBaseline: stage == "mean",
        cells: zip(places, errors).map {
          .init(target: $0.0.name, phase: $0.1, error: $1, explained: 0.75, penalty: 10)
        })
    }
    let result = ProbeResult(
      run: "runs/a<b", step: nil, training: 5, heldOut: 2, graspBy: "signals", targets: [object, fingers],
      phases: [
        .init(name: "before grasp", training: 11, heldOut: 4), .init(name: "after grasp", training: 7, heldOut: 3),
      ],
      rows: [row("mean", [8, 4, 0.125]), row("hidden <1>", [2])])
    let page = ProbeReport([result]).html
    #expect(page.contains("runs/a&lt;b") && page.contains("hidden &lt;1&gt;") && !page.contains("<1>"))
    #expect(page.components(separatedBy: "<svg").count == 2, "what has no unit has no chart")
    let widths = page.matches(of: /<rect x="0" y="[\d.]+" width="([\d.]+)"/).compactMap { Double($0.1) }
    #expect(widths.count == 3 && widths[1] == widths[0] / 2 && widths[2] == widths[0] / 4)
    #expect(page.components(separatedBy: "class=\"baseline\"").count == 3)
    #expect(page.contains(">8.00<") && page.contains("0.1250") && page.contains("R² 0.75") && page.contains("–"))
    #expect(page.contains("11 and 4 before grasp, 7 and 3 after grasp") && page.contains("grasp by signals"))
    for link in ["http:", "https:", "src=", "href="] { #expect(!page.contains(link), "\(link)") }
  }

  /// Means stand side by side only over tasks that both have.
  @Test func meansAreOfCommonTasks() throws {
    func episodes(_ policy: String, _ task: String, solved: Bool) -> [EpisodeResult] {
      (0..<4).map {
        EpisodeResult(task: task, split: "s", policy: policy, episode: $0, seed: UInt64($0), success: solved)
      }
    }
    func result(_ episodes: [EpisodeResult]) -> EvaluationResult {
      EvaluationResult(
        toolkit: "0", date: "today", step: 5,
        conditions: .init(simulator: "fake", options: "{}", seed: 1, pool: "evaluation"), episodes: episodes)
    }
    let mine = episodes("mine", "a", solved: false) + episodes("mine", "b", solved: true)
    let both = result(mine + episodes("expert", "b", solved: true))
    #expect(both.mean(of: "mine") == 0.5 && both.commonMean(of: "mine") == 1 && both.commonMean(of: "expert") == 1)
    let report = Report(
      title: "t", result: both, recipe: "", trainingLoss: [], validationLoss: [], facts: [], videos: [])
    #expect(report.markdown.contains("| **mean of 1 common task** | **100 %** | **100 %** |"))
    let alone = result(mine)
    #expect(alone.meanLabel == "mean" && alone.commonMean(of: "mine") == 0.5)
    #expect(result(mine + episodes("expert", "c", solved: true)).commonMean(of: "mine") == nil)
  }

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
