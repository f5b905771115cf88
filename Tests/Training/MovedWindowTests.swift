import Demonstrations
import Imitation
import Tensors
import Testing
import Training

/// Windows move while training only, by the step's own stream, and only where the recipe says so.
@Suite struct MovedWindowTests {
  private func data(_ more: String = "", actions: ActionSchema? = nil) throws -> TrainingData {
    let arm = ActionSchema(
      dimensions: Array(ActionSchema.roboCasa.dimensions[0..<7]), controlHertz: 20,
      control: ActionSchema.roboCasa.control)
    var episodes = MemoryEpisodes(
      schema: ObservationSchema(images: [:], vectors: ["robot0_base_to_eef_pos": 3]), actionWidth: 7,
      actions: actions ?? arm)
    var random = Random(seed: 1)
    for _ in 0..<8 {
      func numbers(_ count: Int) -> [Float] { (0..<count).map { _ in Float(random.uniform(-0.5...0.5)) } }
      let rows = (0..<5).map { _ in (Observation(vectors: ["robot0_base_to_eef_pos": numbers(3)]), numbers(7)) }
      try episodes.append(task: "T", rows.map(\.0), actions: rows.map(\.1))
    }
    let recipe = try Recipe(
      text: """
        name: plain
        data: {registry: none, split: all, tasks: [T], validation: 0.25}
        observations: {vectors: [robot0_base_to_eef_pos], normalization: gaussian}
        actions: {normalization: min_max}
        encoder: {kind: plain}
        policy: {kind: plain}
        training: {steps: 2, batch: 3}
        evaluation: {simulator: {kind: none}}
        \(more)
        """, path: "plain.yaml")
    return try TrainingData(recipe, episodes)
  }

  private let moving = "augmentation: {translation: 0.02, rotation: 5}"
  private let window = Window(observations: -1...0, actions: 0...2)

  private func numbers(_ batch: Batch) -> [Float] {
    batch.observations.vectors["robot0_base_to_eef_pos"]!.scalars + batch.actions.scalars
  }

  @Test func onlyTrainingMoves() throws {
    let (still, moved) = (try data(), try data(moving))
    let held = try [still, moved].map { try $0.validation(window: window)(true) }
    #expect(held[0].map(numbers) == held[1].map(numbers) && held[1].allSatisfy { $0.observations.motion == nil })
    let (plain, jittered) = (try still.batches(window: window), try moved.batches(window: window))
    for step in 0..<20 {
      let stream = Random(seed: 9).split(step)
      let (one, other) = (try plain(step, stream), try jittered(step, stream))
      #expect(try numbers(plain(step, Random(seed: 1))) == numbers(one) && one.observations.motion == nil)
      #expect(try numbers(jittered(step, stream)) == numbers(other) && numbers(one) != numbers(other))
      #expect(try numbers(jittered(step, Random(seed: 1))) != numbers(other))
      // The same windows in the same order: what does not move is equal.
      func fingers(_ batch: Batch) -> [Float] { batch.actions.sliced(axis: 2, 6..<7).scalars }
      #expect(fingers(one) == fingers(other) && one.mask.scalars == other.mask.scalars)
      for (a, b) in zip(numbers(one), numbers(other)) { #expect(abs(a - b) < 0.02 + 0.09 * 0.75) }
    }
  }

  /// Means and ranges of observations stay; those of actions hold what is moved.
  @Test func normalizationHoldsMovedActions() throws {
    let (still, data) = (try data().normalizer(), try data(moving))
    let normalizer = try data.normalizer()
    let key = "robot0_base_to_eef_pos"
    #expect(still.keys[key] == normalizer.keys[key])
    let (before, after) = (still.keys["actions"]!.scale, normalizer.keys["actions"]!.scale)
    for column in 0..<7 {
      #expect([2, 5, 6].contains(column) ? before[column] == after[column] : before[column] < after[column])
    }
    let batches = try data.batches(window: window)
    for step in 0..<50 {
      let actions = try normalizer.normalized(batches(step, Random(seed: 3).split(step))).actions.scalars
      #expect(actions.allSatisfy { abs($0) <= 1 })
    }
  }

  @Test func whatIsNotKnownIsRefusedInOneLine() throws {
    let data = try data(moving, actions: .unknown(width: 7))
    for body in [{ _ = try data.normalizer() }, { _ = try data.batches(window: window) }] as [() throws -> Void] {
      do {
        try body()
        Issue.record("not refused")
      } catch {
        #expect("\(error)".hasPrefix("plain.yaml, 'augmentation': actions move only if") && !"\(error)".contains("\n"))
      }
    }
  }
}
