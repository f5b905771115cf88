import Demonstrations
import Imitation
import Synchronization
import Tensors

/// The demonstrations of a recipe, opened, checked and split: what `Trainer` draws batches from.
package final class TrainingData {
  /// The demonstrations, with rows of the encoder's frozen part where those are kept.
  package var reader: any EpisodeReader
  package let training: [Int]
  package let heldOut: [Int]
  package let fingerprints: [DatasetFingerprint]
  /// What the person who trains should know: splits that hold fewer demonstrations than their name says.
  package let notes: [String]
  private let recipe: Recipe
  private let recorded: RecordedSchema

  /// Opens a recipe's demonstrations.
  /// - Throws: `RegistryError`, or what the reader threw.
  package convenience init(
    _ recipe: Recipe, _ registry: DatasetRegistry, _ catalog: Catalog,
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws {
    let format = try catalog.makeReader(recipe.data.reader)
    let request = EpisodeRequest(
      try recipe.data.selections(registry), images: recipe.observations.images,
      vectors: recipe.observations.vectors,
      actions: ActionColumns(
        arrays: recipe.actions.from, learned: recipe.actions.activeDimensions, constants: recipe.actions.constants,
        rotations: recipe.actions.rotations),
      frames: recipe.observations.frames, memory: Int(recipe.data.memoryGigabytes * 1e9))
    let count = try registry.split(recipe.data.split).count
    try self.init(recipe, format.open(request, progress: progress), promised: count)
  }

  /// - Parameter promised: how many demonstrations of a task the split's name says it holds; nil when it says nothing.
  /// - Throws: `SchemaError`, `SettingError`, or what the reader threw.
  package init(_ recipe: Recipe, _ reader: any EpisodeReader, promised: Int? = nil) throws {
    self.recipe = recipe
    self.reader = reader
    try TrainingData.check(recipe, reader)
    (training, heldOut) = TrainingData.divide(reader, recipe.data, seed: recipe.seed)
    recorded = try TrainingData.schema(recipe, reader)
    let short = recipe.data.tasks.compactMap { task -> String? in
      let found = reader.episodes.count { $0.task == task }
      guard let promised, found < promised else { return nil }
      return "\(task): '\(recipe.data.split)' holds \(found) demonstrations, not \(promised)"
    }
    notes = recorded.notes + short + reader.notes
    fingerprints = try reader.fingerprints()
  }

  /// Refuses a reader whose episodes are not those that the recipe asks for.
  /// - Throws: `SettingError`.
  private static func check(_ recipe: Recipe, _ reader: any EpisodeReader) throws {
    func refuse(unless holds: Bool, _ key: String, _ reason: @autoclosure () -> String) throws {
      guard !holds else { return }
      throw SettingError.inFile(recipe.path, .invalid(path: key, line: 0, reason: reason()))
    }
    func list(_ names: some Sequence<String>) -> String { names.sorted().joined(separator: ", ") }
    let (observations, actions, layout) = (recipe.observations, recipe.actions, reader.actionLayout)
    for (key, asked, found) in [
      ("images", observations.images, reader.schema.imageKeys),
      ("vectors", observations.vectors, reader.schema.vectorKeys),
    ] {
      try refuse(
        unless: asked.sorted() == found, "observations.\(key)",
        "the recipe names \(list(asked)), the episodes hold \(list(found))")
    }
    let strangers = Set(reader.episodes.map(\.task)).subtracting(recipe.data.tasks)
    try refuse(unless: strangers.isEmpty, "data.tasks", "there are episodes of \(list(strangers)) too")
    let columns = actions.activeDimensions ?? Array(layout.template.indices)
    try refuse(
      unless: columns == layout.learned && actions.rotations == layout.rotations, "actions",
      "the episodes' actions are not chosen and turned as the recipe says")
  }

  /// Holds out what a filter key or the reader itself names, or else a fraction.
  package static func divide(
    _ reader: any EpisodeReader, _ settings: DataSettings, seed: UInt64
  ) -> (training: [Int], heldOut: [Int]) {
    guard settings.validationKey != nil || !reader.heldOut.isEmpty else {
      return divide(reader.episodes, share: settings.validation, seed: seed)
    }
    let held = reader.heldOut
    return (reader.episodes.indices.filter { !held.contains($0) }, held.sorted())
  }

  /// Holds out a share of each task's episodes, at least one if the share is above 0 and never all, chosen by the seed.
  package static func divide(_ episodes: [Episode], share: Double, seed: UInt64) -> (training: [Int], heldOut: [Int]) {
    guard share > 0 else { return (Array(episodes.indices), []) }
    var heldOut: Set<Int> = []
    for task in Set(episodes.map(\.task)) {
      let mine = episodes.indices.filter { episodes[$0].task == task }
      guard mine.count > 1 else { continue }
      var random = Random(seed: seed).split("held out").split(task)
      // At least one to learn from, too.
      let count = min(mine.count - 1, max(1, Int((Double(mine.count) * share).rounded())))
      heldOut.formUnion(random.permutation(mine.count).prefix(count).map { mine[$0] })
    }
    return (episodes.indices.filter { !heldOut.contains($0) }, heldOut.sorted())
  }

  /// What differs between these demonstrations and those of a run's beginning; nil when nothing does, as far as is known.
  package func change(since old: [DatasetFingerprint]) -> String? {
    guard !old.isEmpty, old != fingerprints else { return nil }
    guard old.map(\.task) == fingerprints.map(\.task) else { return "other tasks" }
    for (was, now) in zip(old, fingerprints) where was != now {
      if was.sha256 != now.sha256 {
        return "\(now.file) had SHA-256 \(was.sha256.prefix(12))... and has \(now.sha256.prefix(12))..."
      }
      if was.linked != now.linked { return "files that \(now.file) links to are other ones" }
      if was.key != now.key || was.episodes != now.episodes {
        return
          "\(was.episodes) demonstrations of '\(was.key)' in \(was.file) were used, now it is \(now.episodes) of '\(now.key)'"
      }
    }
    return nil
  }

  package var blueprint: PolicyBlueprint {
    PolicyBlueprint(
      encoder: EncoderContext(
        schema: reader.schema,
        vocabulary: Vocabulary.words(of: reader.episodes.map(\.instruction))),
      actions: reader.actionLayout, schema: recorded.actions, vectors: recorded.vectors, datasets: fingerprints)
  }

  /// Statistics over the training episodes only.
  package func normalizer() throws -> Normalizer {
    var normalizer = Normalizer()
    func affine(_ key: String, _ rule: Normalization) throws -> Normalizer.Affine {
      .init(rule, statistics: try reader.statistics(of: key, episodes: training))
    }
    for (key, width) in reader.schema.vectors.sorted(by: { $0.key < $1.key }) {
      normalizer.set(key, try affine(key, recipe.observations.normalization(of: key, width: width)))
    }
    let statistics = try reader.statistics(of: Normalizer.actions, episodes: training)
    var actions = Normalizer.Affine(
      recipe.actions.normalization, statistics: try jitter()?.widened(statistics) ?? statistics)
    // Rows of a rotation matrix are in -1...1 already; scaling them apart would bend rotations.
    for column in reader.actionLayout.rotationColumns { (actions.scale[column], actions.offset[column]) = (1, 0) }
    normalizer.set(Normalizer.actions, actions)
    return normalizer
  }

  /// - Throws: `TrainingError.outOfReach` when training would ask for actions that a policy cannot give.
  package func check(_ reach: ClosedRange<Float>?, _ normalizer: Normalizer) throws {
    guard let reach else { return }
    let statistics = try reader.statistics(of: Normalizer.actions, episodes: training)
    let ends = try [statistics.minimum, statistics.maximum].map { end in
      try normalizer.normalized(Tensor(end.map { Float($0) }, shape: [end.count]), key: Normalizer.actions).scalars
    }
    for (column, (low, high)) in zip(ends[0], ends[1]).enumerated()
    where low < reach.lowerBound - 1e-3 || high > reach.upperBound + 1e-3 {
      throw TrainingError.outOfReach(column: column, low: low, high: high, reach: reach)
    }
  }

  /// What to know of actions that are learned although they never change; nil when there are none.
  ///
  /// They are easy, so a mixture's deviations shrink to their floor there, and from then on they are most of the likelihood
  /// (docs/gaussian-world-model.md, what the seed decided).
  package func constantActionsNote() throws -> String? {
    guard recipe.actions.activeDimensions == nil, reader.actionLayout.rotations.isEmpty else { return nil }
    let statistics = try reader.statistics(of: Normalizer.actions, episodes: training)
    let columns = statistics.minimum.indices
    let moving = columns.filter { statistics.minimum[$0] < statistics.maximum[$0] }
    guard moving.count < columns.count, !moving.isEmpty else { return nil }
    func list(_ columns: [Int]) -> String { columns.map(String.init).joined(separator: ", ") }
    return "actions \(list(columns.filter { !moving.contains($0) })) never change in these demonstrations; "
      + "actions.active_dimensions: [\(list(moving))] leaves them out of the loss (docs/recipes.md)"
  }

  /// What to know of demonstrations that are shorter than a window without padding, of which nothing is learned; nil for none.
  package func shortNote(_ window: Window) -> String? {
    let short = training.filter { indices(of: [$0], window).isEmpty }.map { reader.episodes[$0] }
    guard let first = short.first else { return nil }
    return
      "\(short.count) of \(training.count) demonstrations are too short for a window without padding, and nothing is learned of "
      + "them: \(first.name) of \(first.task)\(short.count > 1 ? " and others" : "") (data.padding)"
  }

  /// What to know of vectors that 32-bit floats hold too coarsely for how little they change; nil for none.
  package func precisionNote() throws -> String? {
    for (key, width) in reader.schema.vectors.sorted(by: { $0.key < $1.key }) where width <= 64 {
      let statistics = try reader.statistics(of: key, episodes: training)
      for (column, variance) in statistics.variance.enumerated() {
        let deviation = variance.squareRoot()
        let size = max(abs(statistics.minimum[column]), abs(statistics.maximum[column]))
        let step = Double(Float(size).ulp)
        // Steps of smaller numbers are finer than what any sensor tells.
        guard size >= 1000, deviation > 0, deviation < 100 * step else { continue }
        return String(
          format:
            "'%@': value %d is around %.6g and changes by %.2g, of which 32-bit floats keep steps of %.2g; record it from another origin",
          key, column, statistics.maximum[column], deviation, step)
      }
    }
    return nil
  }

  /// What moves windows while training, if the recipe says so.
  /// - Throws: `SettingError` when it is not known how they move.
  private func jitter() throws -> RigidJitter? {
    try recipe.augmentation.map { augmentation in
      try SettingError.naming(recipe.path) {
        try RigidJitter(augmentation, recorded, observations: reader.schema, layout: reader.actionLayout)
      }
    }
  }

  /// Batch number `n` for `window`, moved by what the step's stream says.
  ///
  /// - Parameters:
  ///   - variants: how many variants of each frame there are to draw from.
  ///   - frozenSteps: how many batches come with kept rows of the encoder's frozen part.
  ///   - rank: which part of each batch; which windows are in a batch does not depend on the number of parts.
  /// - Throws: `TrainingError.tooFewWindows`, or `SettingError` when it is not known how windows move.
  package func batches(
    window: Window, history: Int = 0, variants: Int = 1, frozenSteps: Int = .max, rank: RankPlace? = nil
  ) throws -> (Int, Random) throws -> Batch {
    let indices = indices(of: training, window)
    let sampler = WindowSampler(
      indices, weights: weights(of: indices), batch: recipe.training.batch, seed: recipe.seed)
    guard sampler.batchesPerEpoch > 0 else {
      throw TrainingError.tooFewWindows(windows: sampler.indices.count, batch: recipe.training.batch)
    }
    let jitter = try jitter()
    // Several workers may ask at once.
    let order = Mutex<(epoch: Int, order: [Int])?>(nil)
    return { [self] number, random in
      let steps = order.withLock { sampler(number, order: &$0) }
      let rows = rank?.rows(of: steps.count) ?? 0..<steps.count
      var stream = random.split("variants")
      let drawn =
        variants > 1
        ? steps.map {
          FrameVariant(stream.below(variants), of: reader.episodes[$0.episode], seed: recipe.seed)
        } : nil
      let batch = try reader.batch(
        Array(steps[rows]), window: window, history: history, variants: drawn.map { Array($0[rows]) },
        withRows: number < frozenSteps)
      return jitter?(batch, random: rank.map { random.split("rank \($0.rank)") } ?? random) ?? batch
    }
  }

  private func indices(of episodes: [Int], _ window: Window) -> [EpisodeStep] {
    recipe.data.padding.indices(episodes.map { ($0, reader.episodes[$0].length) }, window: window)
  }

  /// The weight of each window, nil when none has one.
  private func weights(of indices: [EpisodeStep]) -> [Double]? {
    guard let weights = recipe.data.weights else { return nil }
    let tasks = indices.map { reader.episodes[$0.episode].task }
    var sizes: [String: Int] = [:]
    for task in tasks { sizes[task, default: 0] += 1 }
    return tasks.map { weights.weight(of: $0) / (weights.bySize ? Double(sizes[$0]!) : 1) }
  }

  /// Up to 256 windows spread evenly over the held-out episodes, in batches.
  package func validation(window: Window, history: Int = 0) -> (_ withRows: Bool) throws -> [Batch] {
    let all = indices(of: heldOut, window)
    let step = max(1, (all.count + 255) / 256)
    let chosen = stride(from: 0, to: all.count, by: step).map { all[$0] }
    let size = recipe.training.batch
    return { [self] withRows in
      try stride(from: 0, to: chosen.count, by: size).map {
        try reader.batch(
          Array(chosen[$0..<min(chosen.count, $0 + size)]), window: window, history: history, withRows: withRows)
      }
    }
  }
}
