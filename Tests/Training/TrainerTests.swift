import Foundation
import Imitation
import Layers
import Tensors
import Testing
import Training

/// A clock that moves only when something takes time.
private final class Clock {
  var time = ContinuousClock.now
  func pass(_ seconds: Int) { time += .seconds(seconds) }
}

/// Sees one number and says what it was told to lose; each loss takes a second.
private struct Plain: Policy {
  struct Options: Codable, Sendable {}
  static let name = "plain"

  struct Sight: ObservationEncoder {
    struct Options: Codable, Sendable {}
    static let name = "plain"
    let layout = FeatureLayout([(.vector, "x", 1)])

    init() {}
    init(options: Options, context: EncoderContext, random: inout Random) throws {}
    func callAsFunction(_ observations: ObservationBatch) -> Features { Features(pooled: observations.vectors["x"]!) }
  }

  let weight = Parameter(Tensor([0.5], shape: [1]))
  let encoder: any ObservationEncoder = Sight()
  var window: Window { Window(observations: 0...0, actions: 0...0) }
  var clock: Clock?

  init(clock: Clock?) { self.clock = clock }
  init(options: Options, encoder: any ObservationEncoder, actionWidth: Int, random: inout Random) throws {
    self.init(clock: nil)
  }

  func loss(on batch: Batch) -> PolicyLoss {
    clock?.pass(1)
    let (near, far) = ((weight.value - 1).square().mean(), (weight.value - 3).square().mean())
    return PolicyLoss(near + far, metrics: ["near": near, "far": far, "odd": Tensor([.infinity], shape: [1])])
  }

  func actions(for observations: ObservationBatch, randoms: inout [Random]) -> Tensor { .zeros([1, 1, 1]) }
}

@Suite struct TrainerTests {
  static let recipe = """
    name: plain
    data: {registry: none, split: all, tasks: [T]}
    observations: {vectors: [x]}
    encoder: {kind: plain}
    policy: {kind: plain}
    training: {steps: 6, batch: 3, learning_rate: 0.1, log_every: 2, validate_every: 1, checkpoint_every: 1, average_power: 0.75}
    evaluation: {simulator: {kind: none}}

    """

  static var batch: Batch {
    Batch(
      observations: ObservationBatch(
        images: [:], vectors: ["x": .zeros([3, 1, 1])], instructions: ["", "", ""], time: 1),
      actions: .zeros([3, 1, 1]), mask: .zeros([3, 1]))
  }

  private func inFolder(_ body: (RunFolder) throws -> Void) throws {
    let path = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try FileManager.default.createDirectory(atPath: path + "/checkpoints", withIntermediateDirectories: true)
    try body(RunFolder(path))
  }

  /// The rows of the log, and whether the event file beside it has a tag.
  private func check(_ folder: RunFolder, parts of: [TrainingMetrics]) throws {
    let rows = MetricsLog.read(folder: folder.path)
    for row in rows where row.loss != nil {
      let parts = try #require(row.parts)
      #expect(Set(parts.keys) == ["near", "far", "odd"] && parts["odd"] == .infinity)
      // Of the batch that the loss is of.
      #expect(abs(parts["near"]! + parts["far"]! - row.loss!) < 1e-6)
    }
    #expect(rows.contains { $0.loss != nil } && rows.count == of.count)
    let name = try #require(
      try FileManager.default.contentsOfDirectory(atPath: folder.path).first { $0.hasPrefix("events.out") })
    let events = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/" + name))
    for tag in ["train/near", "train/far", "train/loss", "validation/far"] {
      #expect(events.range(of: Data(tag.utf8)) != nil, "\(tag)")
    }
  }

  /// Two steps of three windows take two seconds, whatever validation and checkpoints take.
  @Test func partsAreLoggedAndOnlyTrainingIsTimed() throws {
    try inFolder { folder in
      let clock = Clock()
      let recipe = try Recipe(text: Self.recipe, path: "plain.yaml")
      let context = EncoderContext(schema: .init(images: [:], vectors: ["x": 1]), vocabulary: [])
      var trainer = Trainer(
        recipe: recipe, folder: folder,
        blueprint: PolicyBlueprint(encoder: context, actions: .whole(width: 1), datasets: []),
        normalizer: Normalizer(keys: [
          "x": .init(scale: [1], offset: [0]), Normalizer.actions: .init(scale: [1], offset: [0]),
        ]), policy: Plain(clock: clock), batch: { _ in Self.batch },
        validation: {
          clock.pass(100)
          return [Self.batch]
        })
      trainer.now = { clock.time }
      try trainer.run(from: nil, report: { event in if case .saved = event { clock.pass(50) } })
      let rows = MetricsLog.read(folder: folder.path)
      #expect(rows.compactMap(\.samplesPerSecond) == [3, 3, 3])
      let held = rows.filter { $0.validationLoss != nil }
      #expect(held.count == 6)
      for row in held {
        let parts = try #require(row.validationParts)
        #expect(abs(parts["near"]! + parts["far"]! - row.averagedValidationLoss!) < 1e-6)
      }
      try check(folder, parts: rows)
    }
  }

  @Test func stagesDoTheSame() throws {
    try inFolder { folder in
      let clock = Clock()
      let recipe = try Recipe(text: Self.recipe, path: "plain.yaml")
      let policy = Plain(clock: clock)
      var trainer = StageTrainer(
        identity: "a\n{}", folder: folder, module: policy, settings: recipe.training, seed: 1,
        loss: { _, _ in policy.loss(on: Self.batch) },
        validation: {
          clock.pass(100)
          return policy.loss(on: Self.batch)
        })
      trainer.now = { clock.time }
      var told: [TrainingMetrics] = []
      let finished = try trainer.run(report: { told.append($0) })
      #expect(finished)
      #expect(told.compactMap(\.samplesPerSecond) == [3, 3, 3])
      for row in told where row.averagedValidationLoss != nil {
        let parts = try #require(row.validationParts)
        #expect(abs(parts["near"]! + parts["far"]! - row.averagedValidationLoss!) < 1e-6)
      }
      try check(folder, parts: told)
    }
  }

  /// A finished stage goes on for more steps and ends in the bits of one that was to have them from the start; another setting
  /// is another recipe.
  @Test func stagesGoOnForMoreSteps() throws {
    func train(_ folder: RunFolder, steps: Int, rate: Double = 0.1) throws -> StageTrainer {
      let text = Self.recipe.replacingOccurrences(of: "steps: 6", with: "steps: \(steps)")
      let settings = try Recipe(text: text, path: "plain.yaml").training
      let policy = Plain(clock: nil)
      let trainer = StageTrainer(
        identity: "data\n{\"learning_rate\":\(rate),\"steps\":\(steps)}", folder: folder, module: policy,
        settings: settings, seed: 1, loss: { _, _ in policy.loss(on: Self.batch) })
      _ = try trainer.run(report: { _ in })
      return trainer
    }
    try inFolder { whole in
      try inFolder { folder in
        _ = try train(whole, steps: 12)
        #expect(try train(folder, steps: 6).isFinished)
        #expect(try train(folder, steps: 4).isFinished)
        #expect(folder.checkpointSteps.last == 6)
        _ = try train(folder, steps: 12)
        let bytes = [whole, folder].map { FileManager.default.contents(atPath: $0.checkpoint(step: 12)) }
        #expect(bytes[0] != nil && bytes[0] == bytes[1])
        #expect(throws: CheckpointError.otherRecipe(path: folder.path)) { try train(folder, steps: 20, rate: 0.2) }
      }
    }
  }
}
