import Demonstrations
import Files
import Foundation
import Imitation
import Tensors
import Testing

/// Episodes in memory: camera `c` of 1x2 pixels, vector `v` of two numbers, three actions, all telling episode and row.
private func numbered(lengths: [Int]) throws -> MemoryEpisodes {
  var source = MemoryEpisodes(
    schema: ObservationSchema(images: ["c": .init(height: 1, width: 2)], vectors: ["v": 2]), actionWidth: 3)
  for (episode, length) in lengths.enumerated() {
    let observations = (0..<length).map { row in
      Observation(
        images: ["c": Image(width: 2, height: 1, pixels: Array(repeating: UInt8(episode * 50 + row), count: 6))],
        vectors: ["v": [Float(episode), Float(row)]], instruction: "do \(episode)")
    }
    let actions = (0..<length).map { [Float($0), Float(-$0), Float(episode)] }
    try source.append(task: "t", observations, actions: actions)
  }
  return source
}

@Suite struct WindowTests {
  /// robomimic's rule, written down apart: take rows t-(frame_stack-1) ..< t+seq_length, repeat the first row before the start
  /// and the last row after the end, mask what was repeated; observations are the first frame_stack rows, actions the rest.
  func robomimic(length: Int, t: Int, stack: Int, sequence: Int) -> (rows: [Int], mask: [Int]) {
    let begin = t - (stack - 1)
    let end = t + sequence
    let padBefore = max(0, -begin)
    let padAfter = max(0, end - length)
    let inside = Array(max(0, begin)..<min(length, end))
    return (
      Array(repeating: inside[0], count: padBefore) + inside + Array(repeating: inside.last!, count: padAfter),
      Array(repeating: 0, count: padBefore) + Array(repeating: 1, count: inside.count)
        + Array(repeating: 0, count: padAfter)
    )
  }

  @Test(arguments: [(1, 1), (10, 10), (2, 15), (3, 1), (1, 8)]) func equalsRobomimic(_ stack: Int, _ sequence: Int)
    throws
  {
    let reported = try numbered(lengths: [1, 4, 23])
    let window = Window(observations: (1 - stack)...0, actions: 0...(sequence - 1))
    for (episode, length) in [1, 4, 23].enumerated() {
      for t in 0..<length {
        let batch = try reported.batch([.init(episode: episode, step: t)], window: window)
        let expected = robomimic(length: length, t: t, stack: stack, sequence: sequence)
        let seen = Array(expected.rows.prefix(stack))
        let done = Array(expected.rows.suffix(sequence))
        #expect(batch.observations.vectors["v"]!.scalars == seen.flatMap { [Float(episode), Float($0)] })
        #expect(
          batch.observations.images["c"]!.pixels
            == seen.flatMap { Array(repeating: UInt8(episode * 50 + $0), count: 6) })
        #expect(batch.actions.scalars == done.flatMap { [Float($0), Float(-$0), Float(episode)] })
        #expect(batch.mask.scalars == expected.mask.suffix(sequence).map(Float.init))
        #expect(batch.observations.instructions == ["do \(episode)"])
      }
    }
  }

  struct Setting: Decodable {
    var stack: Int
    var sequence: Int
    var start: Bool
    var end: Bool
    var key: String
    var windows: Int
    var sha256: String
  }

  /// Every array of every window over 216 settings has robomimic 0.3.0's bits: images, vectors, actions and the pad mask.
  /// `./run peers windows` made the digests.
  @Test func equalsRobomimicOverASweep() throws {
    let folder = H5pyTests.root + "/Tests/Golden"
    let settings = try JSONDecoder().decode(
      [Setting].self, from: Data(contentsOf: URL(fileURLWithPath: folder + "/windows.json")))
    #expect(settings.count == 216)
    for setting in settings {
      let source = try Demonstrations(
        .init(
          [.init(path: folder + "/windows.hdf5", task: "OpenDrawer", key: setting.key.isEmpty ? nil : setting.key)],
          images: ["robot0_eye_in_hand_image"], vectors: ["robot0_base_to_eef_pos", "robot0_gripper_qpos"],
          memory: setting.start ? 1 << 20 : 0))
      let rows = (1 - setting.stack)...(setting.sequence - 1)
      let window = Window(observations: rows, actions: rows)
      let indices = WindowPadding(start: setting.start, end: setting.end).indices(
        source.episodes.enumerated().map { ($0, $1.length) }, window: window)
      #expect(indices.count == setting.windows)
      var hash = SHA256()
      for index in indices {
        let batch = try source.batch([index], window: window)
        hash.update(batch.observations.images["robot0_eye_in_hand_image"]!.pixels)
        for tensor in [
          batch.observations.vectors["robot0_base_to_eef_pos"]!, batch.observations.vectors["robot0_gripper_qpos"]!,
          batch.actions,
        ] { tensor.scalars.withUnsafeBytes { hash.update($0) } }
        hash.update(batch.mask.scalars.map { UInt8($0) })
      }
      #expect(hash.finalize().hexadecimal == setting.sha256, "\(setting)")
    }
  }

  func indices(_ episodes: [(number: Int, length: Int)]) -> [EpisodeStep] {
    WindowPadding.both.indices(episodes, window: Window(observations: 0...0, actions: 0...0))
  }

  /// Each window as often as its weight among all says; one of weight 0 never. 12 windows, 3000 draws of each epoch's 12.
  @Test func weightsSayHowOften() {
    let all = indices([(0, 5), (2, 7)])
    let weights = [0, 1, 1, 1, 1] + Array(repeating: 2.0, count: 6) + [0]
    let sampler = WindowSampler(all, weights: weights, batch: 4, seed: 3)
    var order: (epoch: Int, order: [Int])?
    var counts: [EpisodeStep: Int] = [:]
    for number in 0..<9000 { for index in sampler(number, order: &order) { counts[index, default: 0] += 1 } }
    for (index, weight) in zip(all, weights) {
      let expected = 36_000 * weight / 16
      // Five standard deviations of a binomial.
      #expect(abs(Double(counts[index] ?? 0) - expected) <= 5 * (expected * (1 - weight / 16)).squareRoot())
    }
    var fresh: (epoch: Int, order: [Int])?
    #expect(sampler(7001, order: &fresh) == sampler(7001, order: &order))
  }

  @Test func everyStepComesOnceAnEpoch() {
    let sampler = WindowSampler(indices([(0, 5), (2, 7)]), batch: 4, seed: 3)
    var order: (epoch: Int, order: [Int])?
    #expect(sampler.batchesPerEpoch == 3)
    for epoch in 0..<3 {
      let drawn = (0..<3).flatMap { sampler(epoch * 3 + $0, order: &order) }
      #expect(Set(drawn).count == 12)
      #expect(drawn.allSatisfy { $0.episode == 0 && $0.step < 5 || $0.episode == 2 && $0.step < 7 })
    }
    // Batch 7 asked for alone is batch 7 in order: what resuming relies on.
    var fresh: (epoch: Int, order: [Int])?
    #expect(sampler(7, order: &fresh) == sampler(7, order: &order))
    #expect(sampler(0, order: &fresh) != sampler(3, order: &fresh))
  }

  @Test func statisticsAreThoseOfAllSteps() throws {
    let reported = try numbered(lengths: [2, 3])
    let statistics = try reported.statistics(of: Normalizer.actions, episodes: [0, 1])
    #expect(statistics.count == 5)
    #expect(statistics.mean == [0.8, -0.8, 0.6])  // rows 0 1 0 1 2, episodes 0 0 1 1 1
    #expect(zip(statistics.variance, [0.56, 0.56, 0.24]).allSatisfy { abs($0 - $1) < 1e-12 })
    #expect(statistics.minimum == [0, -2, 0] && statistics.maximum == [2, 0, 1])
  }

  /// Without room for them in memory, frames are read one by one, and are the same.
  @Test func memoryBudgetChangesNothing() throws {
    let path = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString).hdf5"
    defer { try? FileManager.default.removeItem(atPath: path) }
    var random = Random(seed: 1)
    try HDF5File.atomically(path) { file in
      try file.createGroup("data")
      for demo in 0..<2 {
        var episode = RecordedEpisode(actionWidth: 7, description: .init(metadata: "{}", model: ""))
        for _ in 0..<6 {
          let image = Image(width: 4, height: 4, pixels: (0..<48).map { _ in UInt8(random.below(256)) })
          episode.append(
            Observation(images: ["c": image]), action: Array(repeating: 0, count: 7), state: [0], success: false)
        }
        try file.write(episode, as: "data/demo_\(demo)")
      }
    }
    let rich = try Demonstrations(.init([.init(path: path)], images: ["c"], vectors: [], memory: 1 << 20))
    let poor = try Demonstrations(.init([.init(path: path)], images: ["c"], vectors: [], memory: 0))
    let rows = [0, 0, 3, 5, 5, 1]
    for episode in 0..<2 {
      #expect(try rich.images("c", episode: episode, rows: rows) == poor.images("c", episode: episode, rows: rows))
    }
  }
}
