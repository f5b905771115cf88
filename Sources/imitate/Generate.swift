import ArgumentParser
import Demonstrations
import Evaluation
import Foundation
import Imitation
import Layers
import Training

/// `imitate generate`: many demonstrations from a few, in new scenes.
struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Generate demonstrations from recorded ones, in MimicGen's manner, on all cores.",
    discussion: """
      Subtasks of source demonstrations are moved along with what they are about, joined, and played in new scenes with noise on \
      the actions; what succeeds is kept. States come first, in a file of their own beside the demonstrations; pictures are \
      drawn from them after that, so that they can be drawn again at another size. An interrupted generation goes on where it \
      stopped and ends in the same bytes.
      """)

  @Argument(help: "The recipe whose tasks and simulator to generate for.") var recipe: String
  @OptionGroup var choice: TaskChoice
  @Option(name: .customLong("set"), help: "Change a value of the recipe: path.to.key=value.") var changes: [String] = []
  @Option(help: "The split to generate from.") var source = "expert-10"
  @Option(help: "How the source of a subtask is chosen: nearest or random.")
  var selection = DemonstrationGenerator.Settings.Selection.nearest
  @Option(help: "Standard deviation of the noise on actions, of their full scale.") var noise: Float = 0.05
  @Option(help: "Demonstrations a task; as many as the split says when left out.") var episodes: Int?
  @Option(help: "Worker processes; one a core when left out.") var workers: Int?
  @Flag(help: "Draw no pictures: write the states only.") var statesOnly = false
  @Flag(help: "Draw the pictures again from the states, for example at another size.") var drawAgain = false
  @Flag(help: "Replace files that hold another number of demonstrations, or that were generated otherwise.")
  var replace = false
  @Option(help: "text or json.") var format: OutputFormat = .text
  @OptionGroup var place: DatasetPlace

  func validate() throws {
    guard noise >= 0, noise <= 1 else { throw ValidationError("--noise must be from 0 to 1") }
  }

  func run() throws {
    let recipe = try choice.recipe(recipe, changes: changes, place: place)
    let known = try Session.catalog.tasks(of: recipe.evaluation.simulator)
    let registry = try place.registry(recipe.data.registry)
    let split = try registry.split(recipe.data.split)
    guard split.source != (try registry.split(source).source) else {
      throw CommandFailure(
        "'\(recipe.data.split)' would be generated from itself ('\(source)'); name the split to write with --split generated-300"
      )
    }
    guard let count = episodes ?? split.count, count > 0 else {
      throw CommandFailure("the split '\(recipe.data.split)' does not say how many demonstrations; use --episodes")
    }
    for task in recipe.data.tasks where !known.contains(where: { $0.name == task }) {
      throw CommandFailure(
        "\(recipe.evaluation.simulator.kind) has no task '\(task)'; its tasks: \(known.map(\.name).joined(separator: ", "))"
      )
    }
    let interruption = Interruption()
    let written = try recipe.writtenForWorkers()
    defer { try? FileManager.default.removeItem(atPath: written) }
    let pool = WorkerPool.imitate(recipe: written, run: nil, workers: workers)
    let root = place.root(of: registry, recipe: recipe.data.root)
    var yields: [GenerationYield] = []
    for task in recipe.data.tasks {
      let path = try registry.path(task: task, split: recipe.data.split, root: root)
      let job = GenerationJob(
        task: task, count: count, horizon: try registry.entry(task).horizon, path: path, recipe: recipe, pool: pool,
        interruption: interruption)
      // Pictures can be drawn again without what the states came from.
      let known = try drawAgain ? job.known() : nil
      yields.append(
        try known
          ?? job.generate(
            from: registry.path(task: task, split: source, root: root), key: registry.split(source).key,
            settings: settings, replacing: replace))
      if !statesOnly { try job.draw(again: drawAgain) }
    }
    print(format == .json ? try OutputFormat.json(yields) : GenerationYield.summary(yields))
  }

  private var settings: DemonstrationGenerator.Settings {
    var settings = DemonstrationGenerator.Settings()
    (settings.selection, settings.noise) = (selection, noise)
    return settings
  }
}

extension DemonstrationGenerator.Settings.Selection: ExpressibleByArgument {}

/// How many attempts became demonstrations, and what decided which; written into the file.
struct GenerationYield: Codable {
  var task: String
  var demonstrations: Int
  var attempts: Int
  var seed: UInt64
  /// Of the source's file: its SHA-256, and the demonstrations that were used.
  var sourceDigest: String
  var sources: [String]
  var settings: DemonstrationGenerator.Settings

  enum CodingKeys: String, CodingKey {
    case task, demonstrations, attempts, seed, sources, settings
    case sourceDigest = "source_sha256"
  }

  /// Whether another generation would give the same demonstrations, as many as both have.
  func isLike(_ other: GenerationYield) -> Bool {
    seed == other.seed && sourceDigest == other.sourceDigest && sources == other.sources && settings == other.settings
  }

  static func summary(_ yields: [GenerationYield]) -> String {
    func percent(_ value: Double) -> String { String(format: "%.0f %%", value * 100) }
    let rows = yields.map { yield in
      let rate = SuccessRate(successes: yield.demonstrations, episodes: yield.attempts)
      return [
        yield.task, "\(yield.sources.count)", "\(yield.demonstrations)/\(yield.attempts)", percent(rate.rate),
        "\(percent(rate.interval.lowerBound)) to \(percent(rate.interval.upperBound))",
      ]
    }
    let mean = yields.reduce(0) { $0 + Double($1.demonstrations) / Double($1.attempts) } / Double(max(1, yields.count))
    return table(
      ["task", "sources", "kept", "yield", "95 % interval"], rows + [["mean", "", "", percent(mean), ""]])
  }
}

/// The generated demonstrations of one task.
struct GenerationJob {
  let task: String
  let count: Int
  let horizon: Int
  /// Where the demonstrations with pictures belong.
  let path: String
  let recipe: Recipe
  let pool: WorkerPool
  let interruption: Interruption

  /// The same without pictures.
  var states: String { (path as NSString).deletingPathExtension + ".states.hdf5" }

  private static func origin(_ path: String) throws -> String {
    try HDF5File(reading: path).text(of: "data", "generation")
  }

  /// How the states that are there came about; nil without any.
  /// - Throws: `CommandFailure` when they have no split of this size.
  func known() throws -> GenerationYield? {
    guard FileManager.default.fileExists(atPath: states) else { return nil }
    let yield = try JSONDecoder().decode(GenerationYield.self, from: Data(GenerationJob.origin(states).utf8))
    let file = try DemonstrationFile(path: states)
    guard try file.mask("\(count)_demos") != nil else {
      throw CommandFailure(
        "\(states): has \(file.demos.count) demonstrations and no split of \(count), only: "
          + "\(file.maskNames.joined(separator: ", ")); --replace generates anew")
    }
    return yield
  }

  /// The source's demonstrations that can be cut into subtasks.
  private func sources(_ source: String, key: String?) throws -> [String] {
    let file = try DemonstrationFile(path: source)
    guard let demos = try key.map({ try file.mask($0) }) ?? file.demos else {
      throw CommandFailure("\(source): no filter key '\(key!)', only: \(file.maskNames.joined(separator: ", "))")
    }
    guard let simulator = try simulator() as? any GenerativeEnvironment else {
      throw GenerationError.notAnEnvironment(recipe.evaluation.simulator.kind)
    }
    let subtasks = try simulator.subtasks(of: task)
    var usable: [String] = []
    var complaint: (any Error)?
    for demo in demos {
      do {
        _ = try SourceDemonstration(file, demo: demo, subtasks: subtasks)
        usable.append(demo)
      } catch {
        complaint = complaint ?? error
      }
    }
    if let complaint {
      guard !usable.isEmpty else { throw complaint }
      FileHandle.standardError.write(
        Data("note: \(demos.count - usable.count) of \(demos.count) sources are of no use: \(complaint)\n".utf8))
    }
    return usable
  }

  func generate(
    from source: String, key: String?, settings: DemonstrationGenerator.Settings, replacing: Bool
  ) throws -> GenerationYield {
    let digest = try TrainingData.digest(source).sha256
    var yield = GenerationYield(
      task: task, demonstrations: count, attempts: 0, seed: recipe.seed, sourceDigest: digest,
      sources: try sources(source, key: key), settings: settings)
    if !replacing, let old = try known() {
      guard old.isLike(yield) else {
        throw CommandFailure(
          "\(states): generated from other demonstrations, or with another seed or settings; --replace generates anew")
      }
      return old
    }
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    let store = try EpisodeStore(folder: states + ".parts", identity: "generate\n\(OutputFormat.json(yield))")
    let collected = try DemonstrationCollection(
      title: "generate \(task)", count: count, store: store, pool: pool, interruption: interruption,
      request: { [yield] attempt in
        .generate(
          GenerateRequest(
            task: task, attempt: attempt,
            seed: EpisodeResult.seed(recipe.seed, task: "generate/\(task)", episode: attempt), horizon: horizon,
            store: store.folder, source: source, demos: yield.sources, settings: settings))
      },
      giveUp: { failed, kept in
        failed >= 200 && kept < failed / 20
          ? "\(task): only \(kept) of \(kept + failed) attempts succeeded; giving up" : nil
      }
    ).run()
    yield.attempts = count + collected.failed
    try store.assemble(
      collected.kept, to: states, environmentArguments: simulator().arguments(task: task), seed: recipe.seed,
      origin: OutputFormat.json(yield))
    collected.bar.update(count)
    collected.bar.finish(note: "\(states), \(collected.failed) attempts failed")
    return yield
  }

  /// Draws what the recipe's cameras see, of as many demonstrations as the states have.
  func draw(again: Bool) throws {
    let arguments = try simulator().arguments(task: task)
    let origin = try GenerationJob.origin(states)
    if FileManager.default.fileExists(atPath: path), !again {
      // Of these states or of others that were here before; by these cameras or by others.
      let isSame =
        (try? GenerationJob.origin(path)) == origin
        && (try? HDF5File(reading: path).text(of: "data", "env_args")) == arguments
      guard isSame else {
        throw CommandFailure(
          "\(path): its pictures are of other states, of other cameras or of another size; draw them again with --draw-again"
        )
      }
      return
    }
    let count = try DemonstrationFile(path: states).demos.count
    let store = try EpisodeStore(folder: path + ".parts", identity: "draw\n\(origin)\n\(arguments)")
    let collected = try DemonstrationCollection(
      title: "draw \(task)", count: count, store: store, pool: pool, interruption: interruption,
      mayFail: false,
      request: { .draw(DrawRequest(task: task, number: $0, states: states, store: store.folder)) }
    ).run()
    try store.assemble(
      collected.kept, to: path, environmentArguments: arguments, seed: recipe.seed, origin: origin)
    collected.bar.update(count)
    collected.bar.finish(note: path)
  }

  private func simulator() throws -> any Environment {
    try Session.catalog.makeSimulator(recipe.evaluation.simulator)
  }
}
