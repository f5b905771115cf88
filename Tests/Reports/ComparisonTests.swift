import Evaluation
import Foundation
import Imitation
import Reports
import Tensors
import Testing

@Suite struct ComparisonTests {
  /// Fagerland, Lydersen and Laake 2013, table 1: 1 against 7 of 21 pairs, exact conditional p = 0.070; and binomials by hand.
  @Test(arguments: [(1, 7, 18.0 / 256), (0, 5, 2.0 / 32), (3, 3, 1.0), (0, 0, 1.0), (2, 8, 112.0 / 1024)])
  func exactTestsAreTheBinomialOnes(_ first: Int, _ second: Int, _ p: Double) {
    #expect(abs(PairedTest.twoSided(first, second) - p) < 1e-12)
    #expect(PairedTest.twoSided(first, second) == PairedTest.twoSided(second, first))
  }

  @Test func largeCountsStayFinite() {
    #expect(PairedTest.twoSided(5000, 5000) == 1)
    let p = PairedTest.twoSided(4000, 5000)
    #expect(p > 0 && p < 1e-20)
  }

  private static let group: @Sendable (String) -> String = { task in task.hasSuffix("Drawer") ? "drawers" : "knobs" }

  /// A grid of 2 splits, 2 encoders and 2 policies with 2 training seeds, three tasks with ten scenes each.
  private func grid(simulator: String = "kitchenette") -> [Comparison.Run] {
    var runs: [Comparison.Run] = []
    var random = Random(seed: 11)
    for split in ["expert-50", "generated-300"] {
      for encoder in ["small", "gaussian-world"] {
        for policy in ["bc-transformer", "diffusion-unet"] {
          for seed in [1, 2] as [UInt64] {
            var episodes: [EpisodeResult] = []
            for task in ["OpenDrawer", "CloseDrawer", "TurnOnStove"] {
              for episode in 0..<10 {
                episodes.append(
                  EpisodeResult(
                    task: task, split: split, policy: policy, episode: episode, seed: UInt64(1000 + episode),
                    instruction: "do <it> & \"that\"", success: random.uniform() < 0.6, steps: 30))
                episodes.append(
                  EpisodeResult(
                    task: task, split: split, policy: "expert", episode: episode, seed: UInt64(1000 + episode),
                    success: true, steps: 20))
              }
            }
            let result = EvaluationResult(
              toolkit: "test", date: "today", step: 5,
              conditions: .init(simulator: simulator, options: "{}", seed: 7, pool: "evaluation"), episodes: episodes)
            runs.append(
              .init(
                path: "runs/\(runs.count)", name: "run \(runs.count)", registry: "any", split: split,
                encoder: encoder, policy: policy, trainingSeed: seed, result: result))
          }
        }
      }
    }
    return runs
  }

  @Test func otherVersionsAreTold() {
    var runs = Array(grid().prefix(2))
    runs[0].result.versions = ["mujoco": "3.1.6", "numpy": "2.0"]
    func page() -> String {
      Comparison(title: "t", runs: runs, toolkit: "", date: "", group: ComparisonTests.group).markdown
    }
    #expect(!page().contains("differ in their versions"), "one says nothing")
    runs[1].result.versions = ["mujoco": "3.3.0", "numpy": "2.0"]
    #expect(page().contains("Simulators differ in their versions, and scenes may with them: mujoco 3.1.6 and 3.3.0."))
  }

  /// The same seeds in another program are other scenes; another camera in the same one does not make them so.
  @Test func scenesOfDifferentProgramsAreNoPairs() {
    func differences(_ options: [String]) -> Int {
      let runs = zip(["small", "gaussian-world"], options).map { encoder, options in
        Comparison.Run(
          path: encoder, name: encoder, registry: "any", split: "s", encoder: encoder, policy: "p", trainingSeed: 1,
          result: EvaluationResult(
            toolkit: "test", date: "today", step: 5,
            conditions: .init(simulator: "process", options: options, seed: 7, pool: "evaluation"),
            episodes: [EpisodeResult(task: "t", split: "s", policy: "p", episode: 0, seed: 1, success: true)]))
      }
      return Comparison(title: "t", runs: runs, toolkit: "", date: "", group: { $0 }).differences.count
    }
    #expect(differences([#"{"command":["a.py"]}"#, #"{"command":["b.py"]}"#]) == 0)
    #expect(differences([#"{"command":["a.py"]}"#, #"{"command":["a.py"],"image_size":64}"#]) == 1)
    #expect(differences([#"{"id":"x"}"#, #"{"id":"y"}"#]) == 0)
    // The order of keys means nothing.
    let make = (0..<9).map { "\"k\($0)\":\($0)" }
    let orders = [make, make.reversed()].map { "{\"make\":{\($0.joined(separator: ","))}}" }
    #expect(differences(orders) == 1)
  }

  @Test func whatActedOnTrustIsTold() {
    var runs = grid()
    func page() -> String {
      Comparison(title: "g", runs: runs, toolkit: "t", date: "d", group: ComparisonTests.group).markdown
    }
    #expect(!page().contains("Taken on trust"))
    runs[3].result.trustedActions = "the rate"
    #expect(page().contains("what actions mean: runs/3."))
  }

  /// Every number of the JSON, computed again from the episodes in the plainest way.
  @Test func everyNumberIsThatOfTheEpisodes() throws {
    let runs = grid()
    let made = Comparison(title: "grid", runs: runs, toolkit: "t", date: "d", group: ComparisonTests.group)
    let comparison = try JSONDecoder().decode(Comparison.self, from: made.json)
    #expect(comparison.columns.count == 8 && comparison.rows.map(\.kind) == [.task, .task, .group, .task, .mean])
    func episodes(_ column: Comparison.Column, _ seed: UInt64? = nil) -> [EpisodeResult] {
      runs.filter { column.runs.contains($0.path) && (seed == nil || $0.trainingSeed == seed) }.flatMap { run in
        run.result.episodes.filter { $0.policy == column.policy }
      }
    }
    let tasks = comparison.rows.filter { $0.kind == .task }.map(\.name)
    func rate(_ some: [EpisodeResult]) -> Double { Double(some.filter(\.success).count) / Double(some.count) }
    for (index, column) in comparison.columns.enumerated() {
      let mine = episodes(column)
      #expect(mine.count == 60 && column.runs.count == 2)
      for row in comparison.rows {
        let cell = try #require(row.cells[index])
        let members = row.kind == .task ? [row.name] : row.kind == .group ? ["OpenDrawer", "CloseDrawer"] : tasks
        let some = mine.filter { members.contains($0.task) }
        #expect(cell.successes == some.filter(\.success).count && cell.episodes == some.count)
        let mean = members.map { task in rate(some.filter { $0.task == task }) }.reduce(0, +) / Double(members.count)
        #expect(abs(cell.rate - mean) < 1e-12)
        let interval = SuccessRate(successes: cell.successes, episodes: cell.episodes).interval
        #expect(cell.low == interval.lowerBound && cell.high == interval.upperBound)
      }
      let means = column.seeds.map { seed in
        tasks.map { task in rate(episodes(column, seed.seed).filter { $0.task == task }) }.reduce(0, +) / 3
      }
      for (seed, mean) in zip(column.seeds, means) { #expect(abs(seed.mean - mean) < 1e-12) }
      #expect(abs(try #require(column.seedDeviation) - abs(means[0] - means[1]) / 2.0.squareRoot()) < 1e-12)
    }
    #expect(comparison.differences.count == 28 * 4)
    for difference in comparison.differences {
      let (first, second) = (comparison.columns[difference.first], comparison.columns[difference.second])
      var counts = [0, 0, 0, 0]
      for seed in [1, 2] as [UInt64] {
        for a in episodes(first, seed) where difference.task == nil || a.task == difference.task {
          for b in episodes(second, seed) where b.task == a.task && b.seed == a.seed {
            counts[(a.success ? 0 : 2) + (b.success ? 0 : 1)] += 1
          }
        }
      }
      let test = difference.test
      #expect([test.both, test.onlyFirst, test.onlySecond, test.neither] == counts)
      #expect(test.p == PairedTest.twoSided(counts[1], counts[2]))
      #expect(abs(test.difference - Double(counts[1] - counts[2]) / Double(counts.reduce(0, +))) < 1e-12)
      // Two seeds: t has one degree of freedom, which is Cauchy's distribution.
      let bySeed = try #require(difference.bySeed)
      let apart = [1, 2].map { seed -> Double in
        func mine(_ column: Comparison.Column) -> Double {
          rate(episodes(column, UInt64(seed)).filter { difference.task == nil || $0.task == difference.task })
        }
        return mine(first) - mine(second)
      }
      #expect(bySeed.seeds == 2 && abs(bySeed.difference - (apart[0] + apart[1]) / 2) < 1e-12)
      let t = (apart[0] + apart[1]) / abs(apart[0] - apart[1])
      if t.isFinite { #expect(abs(bySeed.p - (1 - 2 / .pi * atan(abs(t)))) < 1e-9) }
    }
  }

  /// The values of every table of Student's t: 5 and 1 % beyond them.
  @Test(arguments: [
    (1, 12.7062, 0.05), (2, 4.30265, 0.05), (3, 3.18245, 0.05), (4, 2.77645, 0.05), (5, 2.57058, 0.05),
    (9, 2.26216, 0.05),
    (29, 2.04523, 0.05), (2, 9.92484, 0.01), (4, 4.60409, 0.01), (9, 3.24984, 0.01),
  ])
  func studentsT(_ freedom: Int, _ t: Double, _ p: Double) {
    #expect(abs(SeedTest.twoSided(t, freedom: freedom) - p) < 2e-6)
    #expect(SeedTest.twoSided(-t, freedom: freedom) == SeedTest.twoSided(t, freedom: freedom))
  }

  @Test func seeds() throws {
    let test = try #require(SeedTest([0.21, -0.4, 0.43]))
    #expect(test.seeds == 3 && abs(test.difference - 0.08) < 1e-12 && abs(test.deviation - 0.43) < 1e-9)
    #expect(abs(test.p - 0.777835) < 1e-6)
    #expect(SeedTest([0.2]) == nil)
    #expect(SeedTest([0, 0])?.p == 1 && SeedTest([0.1, 0.1])?.p == 0)
  }

  @Test func pagesStandAlone() throws {
    let runs = grid()
    let comparison = Comparison(
      title: "a <grid> & more", runs: runs, toolkit: "t", date: "d", missing: ["cell-9"], group: ComparisonTests.group)
    let page = comparison.html(runs: runs) { run, file in "../\(run.path)/\(file)" }
    for word in ["http://", "https://", "src=\"/", "<link", "a <grid>"] { #expect(!page.contains(word), "\(word)") }
    #expect(page.contains("a &lt;grid&gt; &amp; more") && page.contains("../runs/0/videos/bc-transformer-OpenDrawer-"))
    #expect(page.utf8.count < 5_000_000)
    #expect(comparison.markdown.contains("Not there yet: cell-9."))
    #expect(comparison.published.isEmpty && !page.contains("n published"))
  }

  /// Runs with names that nobody would give: `columns` encoders, two tasks.
  private func longNames(columns: Int, seeds: Int = 2) -> [Comparison.Run] {
    let tasks = [
      "PnPCounterToMicrowaveThenCloseDoorAndPressTheStartButtonTwice",
      "open_the_second_drawer_from_the_top_of_the_left_cabinet",
    ]
    return (0..<columns).flatMap { column in
      (1...seeds).map { seed in
        let encoder =
          "gaussian-world-with-resnet18 (model_\(column): runs/2026/some_experiment/worlds/\(column), crop: 116)"
        let policy = "diffusion-transformer"
        let episodes = tasks.flatMap { task in
          (0..<100).map {
            EpisodeResult(
              task: task, split: "generated-300", policy: policy, episode: $0, seed: UInt64($0),
              instruction: "pick the bottle from the counter and place it in the microwave",
              success: task == tasks[0] || $0 % 2 == 0, steps: 300,
              error: task == tasks[0]
                ? nil : "mujoco_py.builder.MujocoException:UnknownWarning/tmp/\(String(repeating: "x", count: 200))")
          }
        }
        return Comparison.Run(
          path: "runs/\(column)-\(seed)", name: "run \(column)", registry: "robocasa", split: "generated-300",
          encoder: encoder, policy: policy, trainingSeed: UInt64(seed),
          result: EvaluationResult(
            toolkit: "t", date: "d", step: 5,
            conditions: .init(simulator: "robocasa", options: "{}", seed: 7, pool: "evaluation"), episodes: episodes),
          prediction: .init(
            world: "runs/2026/some_experiment/worlds/kitchenette-world-\(column)", clips: 64, psnrByStep: [24.7, 22.5],
            ssim: 0.8))
      }
    }
  }

  /// The least width of each table of a page in pixels: what cannot be broken of each column, side by side, in letters of 9
  /// pixels (in DejaVu Sans, a wide one, a browser finds up to 4 % more).
  private func widths(_ page: String) -> [Double] {
    func parts(_ text: Substring, _ tag: String) -> [Substring] {
      text.components(separatedBy: "<\(tag)").dropFirst().map { $0.components(separatedBy: "</\(tag)>")[0][...] }
    }
    return parts(page[...], "table").map { table in
      var columns: [Int: Double] = [:]
      for row in parts(table, "tr") {
        let cells = row.components(separatedBy: "<td").flatMap { $0.components(separatedBy: "<th") }.dropFirst()
        for (column, cell) in cells.enumerated() {
          let keeps = cell.contains("class=\"n\"") && cell.contains("</td>")
          var text = cell.split(separator: ">", maxSplits: 1).last.map(String.init) ?? ""
          for (mark, sign) in [("<wbr>", " "), ("<br>", " "), ("&nbsp;", "_"), ("</button>", " ↕")] {
            text = text.replacingOccurrences(of: mark, with: sign)
          }
          text = text.replacingOccurrences(of: "<[^>]*>", with: "", options: .regularExpression)
            .replacingOccurrences(of: "&[a-z0-9#]*;", with: "&", options: .regularExpression)
          let pieces = keeps ? [text.count] : text.split(separator: " ").map(\.count)
          let (letter, padding) = table.hasPrefix(" class=\"sortable dense\"") ? (8.1, 10.0) : (9.0, 20.0)
          let width = Double(pieces.max() ?? 0) * letter + padding + (cell.contains("swatch") ? 18 : 0)
          columns[column] = max(columns[column] ?? 0, width)
        }
      }
      return columns.values.reduce(0, +)
    }
  }

  /// Whatever things are called, tables are no wider than the page: 76 rem, less its margins.
  @Test(arguments: [1, 2, 3, 4, 6, 8]) func tablesFitThePage(_ columns: Int) throws {
    let runs = longNames(columns: columns)
    let comparison = Comparison(title: "t", runs: runs, toolkit: "t", date: "d", group: ComparisonTests.group)
    #expect(comparison.published.count == 6)
    let page = comparison.html(runs: runs) { _, _ in nil }
    let found = widths(page)
    #expect(found.count == (columns > 1 ? 5 : 3))
    for (place, width) in found.enumerated() { #expect(width * 1.05 <= 1184, "table \(place): \(width)") }
    let report = Report(
      title: "t", result: runs[0].result, recipe: "", trainingLoss: [], validationLoss: [], facts: [], videos: [])
    for width in widths(report.html) { #expect(width * 1.05 <= 928, "\(width)") }
    for text in [page, report.html] {
      // Only short numbers may keep their line; and nothing but a table of numbers is ever wider than a phone's page.
      let style = try #require(text.components(separatedBy: "<style>").last?.components(separatedBy: "</style>").first)
      let rules = style.split(separator: "}").filter { $0.contains("nowrap") }
      #expect(rules.count == 1 && rules[0].contains("td.n, td small {"), "\(rules)")
      #expect(
        text.components(separatedBy: "<table").count
          == text.components(separatedBy: "<div class=\"wide\"><table").count)
    }
  }

  @Test func longWordsCanBeBroken() {
    #expect(HTMLPage.breakable("open the <b>") == "open the &lt;b&gt;")
    #expect(HTMLPage.breakable("bc-transformer") == "bc-transformer")
    #expect(HTMLPage.breakable("PnPCounterToMicrowave") == "PnPCounter<wbr>ToMicrowave")
    #expect(HTMLPage.breakable("PnPCounterToMicrowave", limit: 9) == "PnPCounte<wbr>rTo<wbr>Microwave")
    for text in ["a & b", String(repeating: "&", count: 40), "runs/2026/x_y-z", "", "  two  spaces "] {
      let broken = HTMLPage.breakable(text)
      #expect(broken.replacingOccurrences(of: "<wbr>", with: "") == HTMLPage.escaped(text))
      #expect(
        broken.replacingOccurrences(of: "&amp;", with: "&").replacingOccurrences(of: "<wbr>", with: " ")
          .split(separator: " ").allSatisfy { $0.count <= 14 })
    }
    #expect(HTMLPage.shortened("OpenDrawer", limit: 11) == "OpenDrawer")
    let short = HTMLPage.shortened("PnPCounterToMicrowaveThenClose<Door>", limit: 11)
    #expect(short == "PnPCo…Door&gt;<title>PnPCounterToMicrowaveThenClose&lt;Door&gt;</title>", "\(short)")
  }

  /// A run that was tried on fewer tasks narrows the means, and other scenes are no pairs.
  @Test func onlyWhatIsAlikeIsCompared() {
    var runs = Array(grid().prefix(4))
    runs[0].result.episodes.removeAll { $0.task == "TurnOnStove" }
    let fewer = Comparison(title: "t", runs: runs, toolkit: "t", date: "d", group: ComparisonTests.group)
    #expect(
      fewer.rows.last?.tasks == ["OpenDrawer", "CloseDrawer"] && fewer.markdown.contains("mean of 2 common tasks"))
    #expect(fewer.rows.last?.cells[0]?.episodes == 40 && fewer.rows.last?.cells[1]?.episodes == 40)
    runs[2].result.pool = "training"
    runs[3].result.pool = "training"
    let other = Comparison(title: "t", runs: runs, toolkit: "t", date: "d", group: ComparisonTests.group)
    #expect(other.columns.count == 2 && other.differences.isEmpty)
  }

  /// RoboCasa's numbers stand beside its own runs only; their means are the published ones.
  @Test func publishedNumbersStandBesideRoboCasaOnly() {
    let runs = grid(simulator: "robocasa")
    let comparison = Comparison(title: "t", runs: runs, toolkit: "t", date: "d", group: ComparisonTests.group)
    #expect(comparison.published.count == 6)
    for (column, mean) in zip(comparison.published, [28.8, 26.3, 35.0, 47.6]) {
      #expect(abs(column.mean * 100 - mean) < 0.051, "\(column.split)")
    }
    #expect(comparison.rows.first { $0.name == "OpenDrawer" }?.published.first == 0.42)
    // Three tasks are not the 24 that the published mean is of.
    #expect(comparison.rows.last?.published.compactMap(\.self).isEmpty == true)
  }

  @Test func tablesForPapersAndSpreadsheetsAreWhole() {
    let comparison = Comparison(title: "t_1", runs: grid(), toolkit: "t", date: "d", group: ComparisonTests.group)
    let lines = comparison.csv.split(separator: "\n")
    #expect(lines.count == 1 + 5 * 8)
    #expect(lines.allSatisfy { $0.split(separator: ",", omittingEmptySubsequences: false).count == 12 })
    let rows = comparison.latex.split(separator: "\n").filter { $0.hasSuffix("\\\\") }
    #expect(rows.count == 3 + 5 && rows.allSatisfy { $0.split(separator: "&").count == 9 })
  }

  /// What world models predict stands beside what policies on their features solve, for the columns that have one.
  @Test func worldModelsStandBesideSuccess() throws {
    var runs = grid()
    for place in runs.indices where runs[place].encoder == "gaussian-world" {
      runs[place].prediction = .init(
        world: "w<\(runs[place].split)>", clips: 64, psnrByStep: [24.789, 23.5, 22.561], ssim: 0.8071)
    }
    let comparison = Comparison(title: "grid", runs: runs, toolkit: "t", date: "d", group: ComparisonTests.group)
    let head = "| column | world model | PSNR after 1 | PSNR after 3 | PSNR | SSIM | clips | success |"
    let lines = comparison.markdown.split(separator: "\n").map(String.init)
    let table = try #require(lines.firstIndex(of: head))
    #expect(lines[table + 2..<table + 6].allSatisfy { $0.contains("| 24.79 | 22.56 | 23.62 | 0.807 | 64 | ") })
    for (offset, column) in comparison.columns.enumerated().filter({ $0.element.encoder == "gaussian-world" })
      .enumerated()
    {
      let success = Comparison.text(comparison.rows.last?.cells[column.offset])
      #expect(lines[table + 2 + offset].hasPrefix("| \(column.element.label) | w<\(column.element.split)> |"))
      #expect(lines[table + 2 + offset].hasSuffix("| \(success) |"))
    }
    #expect(comparison.html(runs: runs) { _, _ in nil }.contains("w&lt;expert-50&gt;"))
    let plain = Comparison(title: "grid", runs: grid(), toolkit: "t", date: "d", group: ComparisonTests.group)
    #expect(
      !plain.markdown.contains("world model") && !plain.html(runs: grid()) { _, _ in nil }.contains("World models"))
  }

  /// Columns are called by what tells them apart, and what they share is said once.
  @Test func labelsDoNotRepeatWhatAllShare() {
    func compared(_ runs: [Comparison.Run]) -> Comparison {
      Comparison(title: "grid", runs: runs, toolkit: "t", date: "d", group: ComparisonTests.group)
    }
    let runs = grid()
    #expect(compared(runs).columns[0].label == "expert-50 · small · bc-transformer" && compared(runs).shared.isEmpty)
    let encoders = compared(runs.filter { $0.split == "expert-50" && $0.policy == "bc-transformer" })
    #expect(encoders.columns.map(\.label) == ["small", "gaussian-world"])
    #expect(encoders.shared == ["split expert-50", "policy bc-transformer"])
    #expect(encoders.markdown.contains("- All columns: split expert-50, policy bc-transformer."))
    #expect(encoders.markdown.contains("| task | small | gaussian-world |"))
    let alone = compared(Array(runs.prefix(1)))
    #expect(alone.columns[0].label == "expert-50 · small · bc-transformer" && alone.shared.isEmpty)
  }

  @Test func resultsAreOfTheirConditions() {
    let conditions = ComparisonTests.conditions
    var result = EvaluationResult(toolkit: "test", date: "today", step: 5, conditions: conditions, episodes: [])
    #expect(result.isUnder(conditions))
    for change in [\.simulator, \.options, \.pool] as [WritableKeyPath<EvaluationConditions, String>] {
      var other = conditions
      other[keyPath: change] = "other"
      #expect(!result.isUnder(other))
    }
    var other = conditions
    other.seed = 2
    #expect(!result.isUnder(other))
    // Files of before do not tell the simulator's options.
    result.options = nil
    #expect(result.isUnder(conditions) && !result.isUnder(other))
  }

  private static let conditions = EvaluationConditions(
    simulator: "kitchen", options: "{}", seed: 1, pool: "evaluation")

  /// A line that a kill cut short is no episode, and does not spoil the next.
  @Test func journalsForgetOnlyWhatWasNotFinished() throws {
    let folder = FileManager.default.temporaryDirectory.path + "/journal-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func episode(_ number: Int) -> EpisodeResult {
      EpisodeResult(task: "t", split: "s", policy: "p", episode: number, seed: UInt64(number))
    }
    do {
      let journal = try EpisodeJournal(folder: folder, step: 3, conditions: ComparisonTests.conditions)
      for number in 0..<3 { try journal.append(episode(number)) }
    }
    let path = EpisodeJournal.path(folder)
    let whole = try #require(FileManager.default.contents(atPath: path))
    try whole.dropLast(20).write(to: URL(fileURLWithPath: path))
    #expect(
      EpisodeJournal.read(folder: folder, step: 3, conditions: ComparisonTests.conditions).map(\.episode) == [0, 1])
    try EpisodeJournal(folder: folder, step: 3, conditions: ComparisonTests.conditions).append(episode(2))
    #expect(
      EpisodeJournal.read(folder: folder, step: 3, conditions: ComparisonTests.conditions).map(\.episode) == [0, 1, 2])
    #expect(EpisodeJournal.read(folder: folder, step: 4, conditions: ComparisonTests.conditions).isEmpty)
  }

  /// What was tried first counts, unless it crashed then; other checkpoints and other conditions do not count.
  @Test func episodesCountOnce() throws {
    let folder = FileManager.default.temporaryDirectory.path + "/tried-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func episode(_ policy: String, _ number: Int, success: Bool = false, error: String? = nil) -> EpisodeResult {
      EpisodeResult(
        task: "t", split: "s", policy: policy, episode: number, seed: UInt64(number), success: success, error: error)
    }
    let journal = try EpisodeJournal(folder: folder, step: 3, conditions: ComparisonTests.conditions)
    for one in [
      episode("expert", 0), episode("p", 1, success: true), episode("p", 1), episode("p", 2, error: "no memory"),
      episode("p", 0, error: "killed"), episode("p", 0, success: true),
    ] { try journal.append(one) }
    var tried = TriedEpisodes(
      folder: folder, evaluation: folder + "/evaluation.json", step: 3, conditions: ComparisonTests.conditions)
    #expect(tried.all(learned: "p", tasks: []).map(\.policy) == ["p", "p", "p", "expert"])
    #expect(tried.all(learned: "p", tasks: []).map(\.episode) == [0, 1, 2, 0])
    #expect(tried.all(learned: "p", tasks: []).map(\.success) == [true, true, false, false])
    #expect(
      tried.isOpen(episode("p", 2).trial) && tried.isOpen(episode("p", 3).trial) && !tried.isOpen(episode("p", 1).trial)
    )
    tried.add(episode("p", 2, success: true))
    #expect(!tried.isOpen(episode("p", 2).trial) && tried[episode("p", 2).trial]?.success == true)
    var other = ComparisonTests.conditions
    other.options = "{smoothing: 2}"
    for (step, conditions) in [(4, ComparisonTests.conditions), (3, other)] {
      let others = TriedEpisodes(
        folder: folder, evaluation: folder + "/evaluation.json", step: step, conditions: conditions)
      #expect(others.all(learned: "p", tasks: []).isEmpty)
    }
  }
}
