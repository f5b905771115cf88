import Foundation
import ImitationKit
import Reports

/// Evaluated runs on their way into one report.
struct ComparisonReport {
  let comparison: Comparison
  let runs: [Comparison.Run]

  /// A run, what its recipe does not say of what was learned, and what tells its column from others.
  private typealias Evaluated = (folder: RunFolder, recipe: Recipe, learned: [String: String], identity: String)

  /// What tells columns apart. Policies of earlier versions do not say the weights of their world model: they are taken for the
  /// only ones that others of the same recipe have.
  private static func identified(
    _ read: [(folder: RunFolder, recipe: Recipe, learned: [String: String])]
  ) throws -> [Evaluated] {
    func identity(_ recipe: Recipe, _ learned: [String: String]) throws -> String {
      try recipe.identity + learned.map { "\n\($0): \($1)" }.sorted().joined()
    }
    let weights = RunFolder.worldModel
    var known: [String: Set<String>] = [:]
    for (_, recipe, learned) in read {
      guard let digest = learned[weights] else { continue }
      known[try identity(recipe, learned.filter { $0.key != weights }), default: []].insert(digest)
    }
    return try read.map { folder, recipe, learned in
      let others = learned.filter { $0.key != weights }
      let learned = known[try identity(recipe, others), default: []].count > 1 ? learned : others
      return (folder, recipe, learned, try identity(recipe, learned))
    }
  }

  /// - Parameters:
  ///   - tasks: only these; all when nil.
  ///   - missing: what a half-finished grid lacks.
  /// - Throws: `RunError`, `EvaluationError`.
  init(
    _ folders: [RunFolder], title: String, tasks: [String]? = nil, split: String? = nil, missing: [String] = [],
    catalog: Catalog
  ) throws {
    var read: [(folder: RunFolder, recipe: Recipe, learned: [String: String])] = []
    for folder in folders {
      let recipe = try folder.toldRecipe()
      if let split, recipe.data.split != split { continue }
      // The same recipe on other demonstrations, or not yet trained to its end, is another column.
      read.append((folder, recipe, try folder.learned(recipe)))
    }
    let recipes = try ComparisonReport.identified(read)
    guard !recipes.isEmpty else { throw CommandFailure("none of the runs is of the split '\(split ?? "")'") }
    // Runs that differ by more than their seed are different columns, whatever their parts are called.
    var seen: [String: String] = [:]
    for (folder, recipe, _, identity) in recipes {
      let key = "\(identity)\n\(recipe.seed)"
      if let other = seen[key] {
        throw CommandFailure("\(folder.path): the same recipe and seed as \(other): its episodes would count twice")
      }
      seen[key] = folder.path
    }
    let labels = ComparisonReport.labels(recipes)
    runs = try recipes.map { folder, recipe, _, identity in
      var result = try folder.result(recipe)
      if let tasks { result.episodes.removeAll { !tasks.contains($0.task) } }
      return Comparison.Run(
        path: folder.path,
        name: "\(labels[identity]!) · \(recipe.policy.kind) · \(recipe.data.split), training seed \(recipe.seed)",
        registry: recipe.data.registry,
        split: recipe.data.split, encoder: labels[identity]!, policy: recipe.policy.kind, trainingSeed: recipe.seed,
        result: result, videos: Report.Video.kept(of: result, policy: recipe.policy.kind, in: folder.path + "/videos"),
        prediction: WorldEvaluation.prediction(recipe.encoder.options["world"], of: try folder.worldWeights))
    }
    var groups: [String: String] = [:]
    for (_, recipe, _, _) in recipes {
      for task in (try? catalog.tasks(of: recipe.evaluation.simulator)) ?? [] { groups[task.name] = task.group }
    }
    comparison = Comparison(
      title: title, runs: runs, toolkit: Toolkit.version, date: ISO8601DateFormatter().string(from: Date()),
      missing: missing
    ) { groups[$0] ?? "tasks" }
  }

  /// What the encoder of each recipe is called: by its kind, and where others are called so too, by the settings in which they
  /// differ, or else by the recipe's name or the run's folder.
  private static func labels(_ recipes: [Evaluated]) -> [String: String] {
    var labels: [String: String] = [:]
    var taken = Set<[String]>()
    func place(_ recipe: Recipe) -> [String] { [recipe.data.split, recipe.encoderLabel, recipe.policy.kind] }
    func leaves(_ run: Evaluated) -> [String: String] { run.recipe.leaves.merging(run.learned) { $1 } }
    for run in recipes where labels[run.identity] == nil {
      let (folder, recipe, _, identity) = run
      let kind = recipe.encoderLabel
      let alike = recipes.filter { place($0.recipe) == place(recipe) }.map(leaves)
      let own = leaves(run)
      let differing = Set(alike.flatMap(\.keys)).filter { key in alike.contains { $0[key] != own[key] } }.sorted()
      let settings = differing.map { "\($0.split(separator: ".").last!): \(own[$0] ?? "default")" }
      let tries =
        (settings.isEmpty ? [kind] : settings.count <= 3 ? ["\(kind) (\(settings.joined(separator: ", ")))"] : []) + [
          "\(kind) (\(recipe.name))", "\(kind) (\(folder.path))", "\(kind) (\(folder.path), \(taken.count))",
        ]
      labels[identity] = tries.first { taken.insert([recipe.data.split, $0, recipe.policy.kind]).inserted }
    }
    return labels
  }

  /// Writes report.html, .md, .csv, .json and .tex.
  /// - Returns: their paths.
  func write(to folder: String) throws -> [String] {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let from = URL(fileURLWithPath: folder).standardizedFileURL.pathComponents
    let html = comparison.html(runs: runs) { run, file in
      guard FileManager.default.fileExists(atPath: "\(run.path)/\(file)") else { return nil }
      // The way from the page to the run, so that both can be moved together.
      let to = URL(fileURLWithPath: run.path).standardizedFileURL.pathComponents
      let shared = zip(from, to).prefix { $0 == $1 }.count
      return (from.dropFirst(shared).map { _ in ".." } + to.dropFirst(shared) + [file]).joined(separator: "/")
    }
    let parts: [(String, Data)] = [
      ("html", Data(html.utf8)), ("md", Data(comparison.markdown.utf8)), ("csv", Data(comparison.csv.utf8)),
      ("json", try comparison.json), ("tex", Data(comparison.latex.utf8)),
    ]
    return try parts.map { ending, data in
      try AtomicFile.write(data, to: "\(folder)/report.\(ending)")
      return "\(folder)/report.\(ending)"
    }
  }
}

extension RunFolder {
  /// Under which name columns differ by the weights of their world models.
  fileprivate static let worldModel = "world model"

  /// The weights of the world model that its newest policy was made of; nil without one, and where it does not say.
  fileprivate var worldWeights: String? {
    get throws {
      guard let step = checkpointSteps.last else { return nil }
      return try Checkpoint.blueprint(in: checkpoint(step: step))?.encoder.attachments[EncoderContext.worldWeights]
    }
  }

  /// What the recipe does not say of what was learned: the demonstrations' digest, and how long it was trained.
  fileprivate func learned(_ recipe: Recipe) throws -> [String: String] {
    guard let step = checkpointSteps.last else { return [:] }
    var found: [String: String] = [:]
    let datasets = try Checkpoint.datasets(in: checkpoint(step: step))
    if let world = try worldWeights { found[RunFolder.worldModel] = String(world.prefix(8)) }
    if !datasets.isEmpty {
      var hash = StableHash()
      for dataset in datasets {
        let parts = [dataset.task, dataset.sha256, dataset.key] + (dataset.linked ?? [])
        hash.add((parts.joined(separator: "\n") + "\n").utf8)
      }
      found["demonstrations"] = String(String(hash.value, radix: 16).prefix(8))
    }
    if step < recipe.training.steps {
      tell(note: "\(path): trained for \(step) of \(recipe.training.steps) steps; a column of its own")
    }
    found["trained steps"] = "\(step)"
    return found
  }
}

extension Recipe {
  /// What the encoder is called in tables.
  var encoderLabel: String {
    guard !observations.images.isEmpty else { return "no images" }
    guard let joined = encoder.options["join"]?["kind"], case .text(let kind) = joined.value else {
      return encoder.kind
    }
    return "\(encoder.kind) + \(kind)"
  }

  /// Everything that decides what is trained but the seed: runs with the same are one column of a report.
  var identity: String { get throws { try anonymous.json } }

  /// Without the name and the seed.
  private var anonymous: Setting { get throws { try SettingsFile.parse(text).without("name", "seed") } }

  /// Every single setting but the name and the seed, as text, by its path.
  fileprivate var leaves: [String: String] {
    func leaves(_ setting: Setting, _ path: String) -> [(String, String)] {
      switch setting.value {
      case .map(let entries): entries.flatMap { leaves($0.setting, path.isEmpty ? $0.key : "\(path).\($0.key)") }
      case .text(let text): [(path, text)]
      case .list(let items):
        // Plain where it can be, so that a label reads well and can be wrapped.
        [(path, items.map { if case .text(let text) = $0.value { text } else { $0.json } }.joined(separator: ", "))]
      default: [(path, setting.json)]
      }
    }
    return Dictionary(leaves((try? anonymous) ?? Setting(.null, line: 1), "")) { first, _ in first }
  }
}

extension Report.Video {
  /// A success and a failure of each task, where there are any.
  static func kept(of result: EvaluationResult, policy: String, in folder: String) -> [Report.Video] {
    var videos: [Report.Video] = []
    for task in result.rows.filter({ $0.policy == policy }).map(\.task) {
      for success in [true, false] {
        let episode = result.episodes.first { $0.policy == policy && $0.task == task && $0.success == success }
        guard let episode, let jpeg = FileManager.default.contents(atPath: "\(folder)/\(VideoStrip.name(episode))")
        else { continue }
        videos.append(.init(episode: episode, jpeg: jpeg))
      }
    }
    return videos
  }
}
