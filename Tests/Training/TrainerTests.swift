import Files
import Foundation
import Imitation
import Layers
import Synchronization
import Tensors
import Testing
import Training

/// A clock that moves only when something takes time.
private final class Clock {
  var time = ContinuousClock.now
  func pass(_ seconds: Int) { time += .seconds(seconds) }
}

/// `a` and `b`, each to be brought near a number: the loss is `(a - 1)^2 + (b - 3 - noise)^2`, the noise drawn by step.
private struct TwoParameters: Objective {
  struct Pair: Module {
    let a = Parameter(Tensor([0.5], shape: [1]))
    let b = Parameter(Tensor([0.5], shape: [1]))
  }

  let pair = Pair()
  var clock: Clock?
  /// From this step on the loss is none.
  var breaksAt = Int.max
  /// The steps whose batches were asked for.
  let asked = Asked()
  final class Asked: Sendable { let steps = Mutex<[Int]>([]) }

  var module: any Module { pair }

  func parameterGroups(weightDecay: Float) -> [AdamW.Group] {
    pair.parameters().map { .init([$0], weightDecay: $0.name == "a" ? weightDecay : 0) }
  }

  func batch(_ step: Int, random: Random) throws -> (step: Int, noise: Float) {
    asked.steps.withLock { $0.append(step) }
    var random = random
    return (step, 0.1 * Float(random.normal()))
  }

  func loss(on batch: (step: Int, noise: Float)) -> PolicyLoss {
    clock?.pass(1)
    let near = (pair.a.value - 1).square().mean()
    let far = (pair.b.value - 3 - batch.noise).square().mean() * (batch.step >= breaksAt ? Float.nan : 1)
    return PolicyLoss(near + far, metrics: ["near": near, "far": far, "odd": Tensor([.infinity], shape: [1])])
  }

  func validate() -> ValidationLoss? {
    clock?.pass(99)
    return ValidationLoss(loss(on: (0, 0)))
  }
}

@Suite struct TrainerTests {
  static func settings(_ steps: Int, _ more: String = "average_power: 0.75") throws -> TrainingSettings {
    try Recipe(
      text: """
        name: plain
        data: {registry: none, split: all, tasks: [T]}
        observations: {vectors: [x]}
        encoder: {kind: plain}
        policy: {kind: plain}
        training: {steps: \(steps), batch: 3, learning_rate: 0.1, log_every: 2, validate_every: 1, checkpoint_every: 1, \(more)}
        evaluation: {simulator: {kind: none}}

        """, path: "plain.yaml"
    ).training
  }

  private func trainer(
    _ objective: TwoParameters, _ steps: Int, _ more: String = "average_power: 0.75"
  ) throws -> Trainer<TwoParameters> {
    Trainer(
      objective, settings: try Self.settings(steps, more), random: Random(seed: 1),
      header: TensorArchive(format: "two-parameters", metadata: ["of": "a test"], groups: ["extra": ["x": .ones([2])]]))
  }

  private func inFolder(_ body: (RunFolder) throws -> Void) throws {
    let path = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try FileManager.default.createDirectory(atPath: path + "/checkpoints", withIntermediateDirectories: true)
    try body(RunFolder(path))
  }

  private func archive(_ folder: RunFolder, _ step: Int) throws -> TensorArchive {
    try TensorArchive(
      path: folder.checkpoint(step: step), format: "two-parameters", prefixes: TrainingState.groups + ["extra"])
  }

  /// The rows of the log are those reported, and the event file beside it has their tags.
  private func check(_ folder: RunFolder, _ reported: [TrainingMetrics]) throws {
    let rows = MetricsLog.read(folder: folder.path)
    for row in rows where row.loss != nil {
      let parts = try #require(row.parts)
      #expect(Set(parts.keys) == ["near", "far", "odd"] && parts["odd"] == .infinity)
      // Of the batch that the loss is of.
      #expect(abs(parts["near"]! + parts["far"]! - row.loss!) < 1e-6)
    }
    #expect(rows.contains { $0.loss != nil } && rows.count == reported.count)
    let name = try #require(
      try FileManager.default.contentsOfDirectory(atPath: folder.path).first { $0.hasPrefix("events.out") })
    let events = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/" + name))
    for tag in ["train/near", "train/far", "train/loss", "validation/far"] {
      #expect(events.range(of: Data(tag.utf8)) != nil, "\(tag)")
    }
  }

  /// Two steps of three rows take two seconds, whatever validation and checkpoints take.
  @Test func partsAreLoggedAndOnlyTrainingIsTimed() throws {
    try inFolder { folder in
      let clock = Clock()
      var trainer = try trainer(TwoParameters(clock: clock), 6)
      trainer.now = { clock.time }
      var reported: [TrainingMetrics] = []
      let reached = try trainer.run(
        in: folder,
        report: { event in
          switch event {
          case .saved: clock.pass(50)
          case .logged(let row): reported.append(row)
          }
        })
      #expect(reached == 6)
      #expect(reported.compactMap(\.samplesPerSecond) == [3, 3, 3])
      let held = reported.filter { $0.validationLoss != nil }
      #expect(held.count == 6)
      for row in held {
        let parts = try #require(row.validationParts)
        #expect(abs(parts["near"]! + parts["far"]! - row.averagedValidationLoss!) < 1e-6)
      }
      try check(folder, reported)
    }
  }

  /// Adam's first step moves every parameter by the learning rate against its gradient; decay is by group.
  @Test func theFirstStepIsAsPublished() throws {
    try inFolder { folder in
      try trainer(TwoParameters(), 1, "weight_decay: 0.5").run(in: folder)
      let weights = try archive(folder, 1)["weights"]
      #expect(abs(weights["a"]!.item - (0.5 * (1 - 0.1 * 0.5) + 0.1)) < 1e-6)
      #expect(abs(weights["b"]!.item - 0.6) < 1e-6)
    }
  }

  /// With power 0.75 the third update is the first that keeps something: `1 - 2^-0.75` of the average before.
  @Test func weightsAreAveragedAsPublished() throws {
    try inFolder { folder in
      try trainer(TwoParameters(), 3).run(in: folder)
      let (second, third) = (try archive(folder, 2), try archive(folder, 3))
      let (before, live) = (second["average"]["b"]!.item, third["weights"]["b"]!.item)
      #expect(before == second["weights"]["b"]!.item)
      let kept = 1 - Foundation.pow(2, -0.75)
      #expect(abs(Double(third["average"]["b"]!.item) - (kept * Double(before) + (1 - kept) * Double(live))) < 1e-6)
    }
  }

  /// A checkpoint holds the state, the step, and what it was asked to hold besides.
  @Test func checkpointsAreWhole() throws {
    try inFolder { folder in
      try trainer(TwoParameters(), 4).run(in: folder)
      #expect(folder.checkpointSteps == [3, 4])
      let archive = try archive(folder, 4)
      #expect(archive.metadata == ["format": "two-parameters", "of": "a test", "step": "4"])
      #expect(archive["extra"]["x"]?.scalars == [1, 1])
      #expect(Set(archive["weights"].keys) == ["a", "b"] && Set(archive["average"].keys).isSuperset(of: ["a", "b"]))
      #expect(throws: ArchiveError(path: folder.checkpoint(step: 4), lacks: "format 'another'")) {
        try TensorArchive(path: folder.checkpoint(step: 4), format: "another")
      }
    }
  }

  /// Stopped anywhere and gone on with, training ends in the bits of a run that never stopped.
  @Test(arguments: [1, 4, 7]) func goesOnWithTheSameBits(_ stop: Int) throws {
    try inFolder { whole in
      try inFolder { folder in
        try trainer(TwoParameters(), 9).run(in: whole)
        var steps = 0
        let reached = try trainer(TwoParameters(), 9).run(
          in: folder, shouldStop: { steps == stop }, report: { if case .saved = $0 { steps += 1 } })
        #expect(reached == stop)
        let state = try TrainingState(archive(folder, stop), path: "")
        try trainer(TwoParameters(), 9).run(in: folder, from: state)
        let bytes = [whole, folder].map { FileManager.default.contents(atPath: $0.checkpoint(step: 9)) }
        #expect(bytes[0] != nil && bytes[0] == bytes[1])
        // Steps that were done twice are in the log once.
        #expect(MetricsLog.read(folder: folder.path).compactMap { $0.loss == nil ? nil : $0.step } == [2, 4, 6, 8, 9])
      }
    }
  }

  /// A loss that is no number ends training with the weights of before, and says which tensor and which checkpoint.
  @Test func notANumberIsRefused() throws {
    try inFolder { folder in
      let objective = TwoParameters(breaksAt: 3)
      #expect(
        throws: TrainingError.notANumber(step: 4, tensor: "loss", lastCheckpoint: folder.checkpoint(step: 3))
      ) { try trainer(objective, 9).run(in: folder) }
      let good = try archive(folder, 3)["weights"].mapValues(\.scalars)
      #expect(objective.pair.snapshot().mapValues(\.scalars) == good)
    }
  }

  /// However many threads make the batches, each is made once, and the weights are the same.
  @Test func workersChangeNoBit() throws {
    func bytes(workers: Int) throws -> Data? {
      var bytes: Data?
      try inFolder { folder in
        let objective = TwoParameters()
        var trainer = try trainer(objective, 23)
        trainer.workers = workers
        try trainer.run(in: folder)
        #expect(objective.asked.steps.withLock { $0.sorted() } == Array(0..<23))
        bytes = FileManager.default.contents(atPath: folder.checkpoint(step: 23))
      }
      return bytes
    }
    let one = try bytes(workers: 1)
    #expect(one != nil)
    for workers in [2, 5] { #expect(try bytes(workers: workers) == one) }
  }

  /// Batches are asked for in order, each once, at most two ahead of the step.
  @Test func batchesAreMadeInOrder() throws {
    try inFolder { folder in
      let objective = TwoParameters()
      try trainer(objective, 7).run(in: folder)
      #expect(objective.asked.steps.withLock { $0 } == Array(0..<7))
    }
  }

  // MARK: Frozen in the first steps

  /// `b` learns from step 4 on, half as fast as `a`.
  private func late() -> TwoParameters {
    struct Only: Module { let b: Parameter }
    let objective = TwoParameters()
    Only(b: objective.pair.b).freeze(until: 4, rate: 0.5)
    return objective
  }

  @Test func learnsAfterItsFrozenSteps() throws {
    var states: [[String: [Float]]] = []
    func run(_ objective: TwoParameters) throws {
      states = []
      try inFolder { folder in
        try trainer(objective, 6).run(
          in: folder,
          report: { event in
            guard case .saved(let step, _) = event, let archive = try? archive(folder, step) else { return }
            states.append(
              ["weights", "average"].reduce(into: [:]) { all, group in
                for (name, tensor) in archive[group] { all["\(group) \(name)"] = tensor.scalars }
              })
          })
      }
    }
    try run(TwoParameters())
    let usual = states
    try run(late())
    #expect(states.count == 6 && states.map { $0["weights a"] } == usual.map { $0["weights a"] })
    for state in states[..<4] { #expect(state["weights b"] == [0.5] && state["average b"] == [0.5]) }
    // Its first step is Adam's first, and its average goes on from what it was.
    let moved = states[4]["weights b"]![0]
    #expect(abs(moved - 0.55) < 1e-6)
    let kept = Float(1 - Foundation.pow(4, -0.75))
    #expect(abs(states[4]["average b"]![0] - (kept * 0.5 + (1 - kept) * moved)) < 1e-6)
  }

  @Test(arguments: [2, 4, 7]) func lateOnesGoOnWithTheSameBits(_ stop: Int) throws {
    try inFolder { whole in
      try inFolder { folder in
        try trainer(late(), 9).run(in: whole)
        var steps = 0
        try trainer(late(), 9).run(
          in: folder, shouldStop: { steps == stop }, report: { if case .saved = $0 { steps += 1 } })
        try trainer(late(), 9).run(in: folder, from: TrainingState(archive(folder, stop), path: ""))
        let bytes = [whole, folder].map { FileManager.default.contents(atPath: $0.checkpoint(step: 9)) }
        #expect(bytes[0] != nil && bytes[0] == bytes[1])
      }
    }
  }

  // MARK: Stages

  @Test func stagesDoTheSame() throws {
    try inFolder { folder in
      var reported: [TrainingMetrics] = []
      let objective = TwoParameters()
      let finished = try Stage(folder, identity: "a\n{}").train(
        objective, Self.settings(6), seed: 1, report: { if case .logged(let row) = $0 { reported.append(row) } })
      #expect(finished)
      try check(folder, reported)
      // It is left with the averaged weights.
      let last = try TensorArchive(
        path: folder.checkpoint(step: 6), format: Stage.format, prefixes: TrainingState.groups)
      #expect(objective.pair.b.value.item == last["average"]["b"]!.item)
    }
  }

  /// A finished stage goes on for more steps and ends in the bits of one that was to have them from the start; another setting
  /// is another recipe.
  @Test func stagesGoOnForMoreSteps() throws {
    func train(_ folder: RunFolder, steps: Int, rate: Double = 0.1) throws -> Stage {
      let stage = Stage(folder, identity: "data\n{\"learning_rate\":\(rate),\"steps\":\(steps)}")
      _ = try stage.train(TwoParameters(), Self.settings(steps), seed: 1)
      return stage
    }
    try inFolder { whole in
      try inFolder { folder in
        _ = try train(whole, steps: 12)
        #expect(try train(folder, steps: 6).state()?.step == 6)
        #expect(try train(folder, steps: 4).state()?.step == 6)
        #expect(folder.checkpointSteps.last == 6)
        let stage = try train(folder, steps: 12)
        let bytes = [whole, folder].map { FileManager.default.contents(atPath: $0.checkpoint(step: 12)) }
        #expect(bytes[0] != nil && bytes[0] == bytes[1])
        #expect(try stage.stepsBefore(Self.settings(20)) == 12)
        #expect(throws: CheckpointError.otherRecipe(path: folder.path)) { try train(folder, steps: 20, rate: 0.2) }
      }
    }
  }
}
