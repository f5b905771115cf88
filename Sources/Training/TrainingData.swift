import Demonstrations
import Foundation
import Imitation
import Tensors

/// The demonstrations of a recipe, opened, checked and split: what `Trainer` draws batches from.
package final class TrainingData {
  package let demonstrations: Demonstrations
  package let training: [Int]
  package let heldOut: [Int]
  package let fingerprints: [DatasetFingerprint]
  /// What the person who trains should know: splits that hold fewer demonstrations than their name says.
  package let notes: [String]
  /// Rows of the encoder's frozen part, put into every batch; set once the encoder is known.
  package var frozen: FrozenRows?
  private let recipe: Recipe
  private let schemas: Schemas

  /// - Parameters:
  ///   - root: where the registry's files are.
  ///   - progress: how many episodes have been opened.
  /// - Throws: `RegistryError`, `HDF5Error` or `DemonstrationError`.
  package init(
    _ recipe: Recipe, registry: DatasetRegistry, root: String,
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws {
    self.recipe = recipe
    let split = try registry.split(recipe.data.split)
    let selections = try recipe.data.tasks.map {
      Demonstrations.Selection(
        path: try registry.path(task: $0, split: recipe.data.split, root: root), task: $0, key: split.key,
        heldOutKey: recipe.data.validationKey)
    }
    let demonstrations = try Demonstrations(
      selections, images: recipe.observations.images, vectors: recipe.observations.vectors,
      actions: ActionColumns(
        arrays: recipe.actions.from, learned: recipe.actions.learned, constants: recipe.actions.constants,
        rotations: recipe.actions.rotations),
      format: recipe.observations.frames, memory: Int(recipe.data.memoryGigabytes * 1e9), progress: progress)
    self.demonstrations = demonstrations
    (training, heldOut) = TrainingData.divide(demonstrations, recipe.data, seed: recipe.seed)
    schemas = try TrainingData.schemas(recipe, demonstrations)
    let short = recipe.data.tasks.compactMap { task -> String? in
      let found = demonstrations.episodes.count { $0.task == task }
      guard let count = split.count, found < count else { return nil }
      return "\(task): '\(recipe.data.split)' holds \(found) demonstrations, not \(count)"
    }
    notes = schemas.notes + short + demonstrations.notes
    fingerprints = try zip(selections, demonstrations.linkedFiles).map { selection, linked in
      let digests = DigestCache()
      let (bytes, sha) = try digests.digest(selection.path)
      return DatasetFingerprint(
        task: selection.task!, file: (selection.path as NSString).lastPathComponent, bytes: bytes, sha256: sha,
        key: split.key ?? "all", episodes: demonstrations.episodes.count { $0.task == selection.task },
        linked: try linked.map { try digests.digest($0).sha256 })
    }
  }

  /// Holds out what a filter key names, or else a share.
  package static func divide(
    _ demonstrations: Demonstrations, _ settings: DataSettings, seed: UInt64
  ) -> (training: [Int], heldOut: [Int]) {
    guard settings.validationKey != nil else {
      return divide(demonstrations.episodes, share: settings.validation, seed: seed)
    }
    let held = demonstrations.heldOut
    return (demonstrations.episodes.indices.filter { !held.contains($0) }, held.sorted())
  }

  /// Holds out a share of each task's episodes, at least one if the share is above 0, chosen by the seed.
  package static func divide(_ episodes: [Episode], share: Double, seed: UInt64) -> (training: [Int], heldOut: [Int]) {
    guard share > 0 else { return (Array(episodes.indices), []) }
    var heldOut: Set<Int> = []
    for task in Set(episodes.map(\.task)) {
      let mine = episodes.indices.filter { episodes[$0].task == task }
      guard mine.count > 1 else { continue }
      var random = Random(seed: seed).split("held out").split(task)
      let count = max(1, Int((Double(mine.count) * share).rounded()))
      heldOut.formUnion(random.permutation(mine.count).prefix(count).map { mine[$0] })
    }
    return (episodes.indices.filter { !heldOut.contains($0) }, heldOut.sorted())
  }

  /// What differs between these demonstrations and those that a run was begun with; nil when nothing does, or when nothing is
  /// known of those.
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
        schema: demonstrations.schema,
        vocabulary: Vocabulary.words(of: demonstrations.episodes.map(\.instruction))),
      actions: demonstrations.actionLayout, schema: schemas.actions, vectors: schemas.vectors, datasets: fingerprints)
  }

  /// Statistics over the training episodes only.
  package func normalizer() throws -> Normalizer {
    var normalizer = Normalizer()
    for key in demonstrations.schema.vectorKeys {
      normalizer.set(
        key,
        .init(
          recipe.observations.normalization(of: key),
          statistics: try demonstrations.statistics(of: key, episodes: training)))
    }
    var actions = Normalizer.Affine(
      recipe.actions.normalization,
      statistics: try demonstrations.statistics(of: Normalizer.actions, episodes: training))
    // Rows of a rotation matrix are in -1...1 already; scaling them apart would bend rotations.
    for column in demonstrations.actionLayout.rotationColumns {
      (actions.scale[column], actions.offset[column]) = (1, 0)
    }
    normalizer.set(Normalizer.actions, actions)
    return normalizer
  }

  /// - Throws: `TrainingError.outOfReach` when training would ask for actions that a policy cannot give.
  package func check(_ reach: ClosedRange<Float>?, _ normalizer: Normalizer) throws {
    guard let reach else { return }
    let statistics = try demonstrations.statistics(of: Normalizer.actions, episodes: training)
    let ends = try [statistics.minimum, statistics.maximum].map { end in
      try normalizer.normalized(Tensor(end.map { Float($0) }, shape: [end.count]), key: Normalizer.actions).scalars
    }
    for (column, (low, high)) in zip(ends[0], ends[1]).enumerated()
    where low < reach.lowerBound - 1e-3 || high > reach.upperBound + 1e-3 {
      throw TrainingError.outOfReach(column: column, low: low, high: high, reach: reach)
    }
  }

  /// Windows as a batch, frozen rows among them.
  ///
  /// - Parameter history: how many of the window's first observations only the encoder's frozen part looks at.
  private func batch(_ indices: [WindowSampler.Index], _ window: Window, history: Int) throws -> Batch {
    var batch = try demonstrations.batch(indices, window: window)
    let rows = window.observations
    batch.observations.frozen = frozen?.rows(indices, rows.lowerBound + history...rows.upperBound)
    return batch
  }

  /// Batch number `n` for `window`.
  /// - Throws: `TrainingError.tooFewWindows`.
  package func batches(window: Window, history: Int = 0) throws -> (Int) throws -> Batch {
    let episodes = training.map { (number: $0, length: demonstrations.episodes[$0].length) }
    let indices = recipe.data.padding.indices(episodes, window: window)
    let sampler = WindowSampler(
      indices, weights: weights(of: indices), batch: recipe.training.batch, seed: recipe.seed)
    guard sampler.batchesPerEpoch > 0 else {
      throw TrainingError.tooFewWindows(windows: sampler.indices.count, batch: recipe.training.batch)
    }
    var order: (epoch: Int, order: [Int])?
    return { [self] number in
      try batch(sampler(number, order: &order), window, history: history)
    }
  }

  /// The weight of each window, nil when none has one.
  private func weights(of indices: [WindowSampler.Index]) -> [Double]? {
    guard let weights = recipe.data.weights else { return nil }
    let tasks = indices.map { demonstrations.episodes[$0.episode].task }
    var sizes: [String: Int] = [:]
    for task in tasks { sizes[task, default: 0] += 1 }
    return tasks.map { weights.weight(of: $0) / (weights.bySize ? Double(sizes[$0]!) : 1) }
  }

  /// Up to 256 windows spread evenly over the held-out episodes, in batches.
  package func validation(window: Window, history: Int = 0) -> () throws -> [Batch] {
    let all = recipe.data.padding.indices(
      heldOut.map { ($0, demonstrations.episodes[$0].length) }, window: window)
    let step = max(1, (all.count + 255) / 256)
    let chosen = stride(from: 0, to: all.count, by: step).map { all[$0] }
    let size = recipe.training.batch
    return { [self] in
      try stride(from: 0, to: chosen.count, by: size).map {
        try batch(Array(chosen[$0..<min(chosen.count, $0 + size)]), window, history: history)
      }
    }
  }
}
