import Foundation
import ImitationKit

/// The generated demonstrations of one task.
struct GenerationJob {
  let task: String
  /// Where the demonstrations with images belong.
  let path: String
  let plan: CollectionPlan

  /// The same without images.
  var states: String { (path as NSString).deletingPathExtension + ".states.hdf5" }

  private static func origin(_ path: String) throws -> String {
    try HDF5File(forReading: path).text(of: "data", "generation")
  }

  private static func decoded(_ origin: String) throws -> GenerationYield {
    try JSONDecoder().decode(GenerationYield.self, from: Data(origin.utf8))
  }

  /// How the states that are there came about; nil without any.
  /// - Throws: `CommandFailure` when they have no split of this size.
  func known() throws -> GenerationYield? {
    guard FileManager.default.fileExists(atPath: states) else { return nil }
    let yield = try GenerationJob.decoded(GenerationJob.origin(states))
    let file = try DemonstrationFile(path: states)
    try plan.requireSplit(of: file)
    return yield
  }

  /// As `known`, when nobody may be able to say what the source was.
  /// - Throws: `CommandFailure` when they came about otherwise than is asked for.
  func known(by settings: DemonstrationGenerator.Settings) throws -> GenerationYield? {
    guard let yield = try known() else { return nil }
    let horizon = try plan.horizon(task)
    guard yield.isLike(seed: plan.seed, settings: settings, horizon: horizon) else {
      let settings = yield.settings
      throw CommandFailure(
        "\(states): generated otherwise (seed \(yield.seed), horizon \(yield.horizon ?? horizon), --noise \(settings.noise), "
          + "--selection \(settings.selection.rawValue)); ask for the same to draw it again, or --replace generates again"
      )
    }
    return yield
  }

  /// The source's demonstrations that can be cut into subtasks.
  private func sources(_ source: String, key: String?) throws -> [String] {
    let file = try DemonstrationFile(path: source)
    guard let demos = try key.map({ try file.mask($0) }) ?? file.demos else {
      throw CommandFailure("\(source): no filter key '\(key!)', only: \(file.maskNames.joined(separator: ", "))")
    }
    let subtasks = try plan.simulator().generative().subtasks(of: task)
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
      tell("note: \(demos.count - usable.count) of \(demos.count) sources are of no use: \(complaint)")
    }
    return usable
  }

  func generate(
    from source: String, key: String?, settings: DemonstrationGenerator.Settings, replacing: Bool
  ) throws -> GenerationYield {
    let digest = try DigestCache().digest(source).sha256
    let horizon = try plan.horizon(task)
    var yield = GenerationYield(
      task: task, demonstrations: plan.count, attempts: 0, seed: plan.seed, sourceDigest: digest,
      sources: try sources(source, key: key), settings: settings, horizon: horizon)
    // What is there as it is asked for stays, whatever may be replaced.
    if let old = replacing ? try? known() : try known() {
      if old.isLike(yield) { return old }
      guard replacing else {
        throw CommandFailure(
          "\(states): generated from other demonstrations, or with another seed, horizon or settings; --replace generates again"
        )
      }
    }
    try FileManager.default.createDirectory(
      atPath: path.parentFolder, withIntermediateDirectories: true)
    var earlier = yield
    earlier.horizon = nil
    let store = try EpisodeStore(
      folder: states + ".parts", identity: "generate\n\(OutputFormat.json(yield))",
      earlier: "generate\n\(OutputFormat.json(earlier))", replacing: replacing)
    let collected = try plan.collect("generate \(task)", count: plan.count, in: store) { failed, kept in
      failed >= 200 && kept < failed / 20
        ? "\(task): only \(kept) of \(kept + failed) attempts succeeded; giving up" : nil
    } request: { attempt in
      .generate(
        .init(
          task: task, number: attempt,
          seed: EpisodeResult.seed(plan.seed, task: "generate/\(task)", episode: attempt), horizon: horizon,
          store: store.folder),
        source: source, demos: yield.sources, settings: settings)
    }
    yield.attempts = plan.count + collected.failed
    let simulator = try plan.simulator()
    try store.assemble(
      collected.kept, to: states, environmentArguments: simulator.arguments(task: task),
      schema: simulator.spec.recorded, seed: plan.seed, origin: OutputFormat.json(yield))
    collected.bar.finish(note: "\(states), \(collected.failed) attempts failed")
    return yield
  }

  /// Draws what the recipe's cameras see, of as many demonstrations as the states have.
  ///
  /// - Parameters:
  ///   - again: draw them whatever is there.
  ///   - replacing: draw them when what is there is of other states or cameras.
  /// - Throws: `CommandFailure` when that is so and neither was asked for.
  func draw(again: Bool, replacing: Bool) throws {
    let simulator = try plan.simulator()
    let arguments = try simulator.arguments(task: task)
    let origin = try GenerationJob.origin(states)
    if FileManager.default.fileExists(atPath: path), !again {
      // Of these states or of others that were here before; by these cameras or by others.
      let isSame =
        (try? GenerationJob.origin(path)) == origin
        && (try? HDF5File(forReading: path).text(of: "data", "env_args")) == arguments
      if isSame { return }
      guard replacing else {
        throw CommandFailure(
          "\(path): its images are of other states, of other cameras or drawn otherwise; --draw-again draws them again"
        )
      }
    }
    let count = try DemonstrationFile(path: states).demos.count
    let store = try EpisodeStore(
      folder: path + ".parts", identity: "draw\n\(origin)\n\(arguments)",
      replacing: again || replacing)
    let collected = try plan.collect("draw \(task)", count: count, in: store) {
      .draw(task: task, demo: "demo_\($0)", number: $0, states: states, bySeed: true, store: store.folder)
    }
    try store.assemble(
      collected.kept, to: path, environmentArguments: arguments, schema: simulator.spec.recorded,
      // The filter keys of the states: they name the same demonstrations.
      seed: GenerationJob.decoded(origin).seed, origin: origin)
    collected.bar.finish(note: path)
  }
}
