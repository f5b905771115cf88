import Demonstrations
import Foundation
import Imitation
import Layers
import Media
import Tensors
import Testing
import Training

/// Its frozen rows are the first pixel of a frame and of the frame before, times what is drawn for the window's variant.
private struct Times: FrozenEncoder {
  struct Options: PluginOptions {}
  static let name = "times"
  static let help = "for tests"
  let layout = FeatureLayout([])
  var frozenVariants = 1
  var frozenLimit = 1 << 20
  var frozenCount: Int? { 2 }
  var frozenIdentity: String { "times" }
  var frozenKeys: (images: [String], vectors: [String]) { (["x_image"], []) }
  var history: Int { 1 }

  init() {}
  init(options: Options, context: EncoderContext, random: inout Random) throws {}

  func callAsFunction(_ observations: ObservationBatch) -> Features { Features(pooled: .zeros([1, 1, 0])) }

  func frozen(_ observations: ObservationBatch) -> Tensor {
    let (images, time) = (observations.images["x_image"]!, observations.time)
    let rows = (0..<observations.count).flatMap { window in
      (1..<time).flatMap { moment -> [Float] in
        var factor: Float = 1
        if let variant = observations.variants?[window], variant.number > 0 {
          var random = variant.random
          factor = Float(random.below(7) + 2)
        }
        return [0, 1].map { factor * Float(images.pixels[(window * time + moment - $0) * 3]) }
      }
    }
    return Tensor(rows, shape: [observations.count, time - 1, 2])
  }
}

/// Kept rows of frames and their variants.
@Suite struct FeatureCacheTests {
  private func episodes() throws -> MemoryEpisodes {
    var episodes = MemoryEpisodes(
      schema: ObservationSchema(images: ["x_image": .init(height: 1, width: 1)], vectors: ["x": 1]), actionWidth: 1)
    for episode in 0..<3 {
      let rows = (0..<20 + episode).map {
        Observation(
          images: ["x_image": Image(width: 1, height: 1, red: UInt8($0 * 3 + episode), green: 0, blue: 0)],
          vectors: ["x": [Float($0)]])
      }
      try episodes.append(task: "T", rows, actions: rows.map { _ in [0] })
    }
    return episodes
  }

  private func inFolder(_ body: (String) throws -> Void) throws {
    let path = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try body(path)
  }

  @Test func keepsEveryVariant() throws {
    try inFolder { folder in
      let episodes = try episodes()
      var encoder = Times()
      func open(seed: UInt64 = 5) throws -> FeatureCache? {
        try FeatureCache.open(encoder, episodes, fingerprints: [], seed: seed, folder: folder)
      }
      func files() throws -> Set<String> { Set(try FileManager.default.contentsOfDirectory(atPath: folder)) }
      _ = try #require(try open())
      let single = try files()
      encoder.frozenVariants = 3
      let cache = try #require(try open())
      let all = try files()
      #expect(all.count == 2)
      let bytes = try [single.first!, all.subtracting(single).first!].map {
        try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\($0)"))
      }
      // The frames themselves come first, and are what is kept without variants.
      #expect(bytes[0].count == 63 * 2 * 2 && bytes[1].count == 3 * bytes[0].count)
      #expect(bytes[1].prefix(bytes[0].count) == bytes[0])
      // Kept rows are those computed at once, beyond the ends of episodes, too.
      let steps = [(0, 0), (1, 7), (2, 21), (0, 19), (2, 3)].map { EpisodeStep(episode: $0.0, step: $0.1) }
      let variants = zip(steps, [1, 2, 1, 0, 2]).map {
        FrameVariant($1, of: episodes.episodes[$0.episode], seed: 5)
      }
      let window = Window(observations: -2...0, actions: 0...0)
      let kept = try cache.batch(steps, window: window, history: 1, variants: variants).observations
      var live = try episodes.batch(steps, window: window, history: 1, variants: variants).observations
      #expect(live.frozen == nil && kept.frozen?.scalars == encoder.frozen(live).scalars)
      live.variants = nil
      #expect(kept.frozen?.scalars != encoder.frozen(live).scalars)
      #expect(
        try cache.batch(steps, window: window, history: 1).observations.frozen?.scalars == encoder.frozen(live).scalars)
      #expect(try cache.batch(steps, window: window, history: 1, withRows: false).observations.frozen == nil)
      // Read again as they are; another seed has other rows, and all variants have to fit.
      _ = try open()
      #expect(try files() == all)
      _ = try open(seed: 6)
      #expect(try files().count == 3)
      encoder.frozenLimit = bytes[1].count - 1
      #expect(try open() == nil)
    }
  }

  /// Which variant a window has is a function of seed and step, and does not change which windows there are.
  @Test func drawsVariantsByStep() throws {
    try inFolder { folder in
      let recipe = try Recipe(
        text: """
          name: plain
          data: {registry: none, split: all, tasks: [T], validation: 0.25}
          observations: {images: [x_image], vectors: [x]}
          encoder: {kind: plain}
          policy: {kind: plain}
          training: {steps: 2, batch: 8}
          evaluation: {simulator: {kind: none}}

          """, path: "plain.yaml")
      let data = try TrainingData(recipe, episodes())
      var encoder = Times()
      encoder.frozenVariants = 3
      data.reader = try #require(
        try FeatureCache.open(encoder, data.reader, fingerprints: [], seed: recipe.seed, folder: folder))
      let window = Window(observations: -2...0, actions: 0...0)
      func batches(_ variants: Int) throws -> (Int, Random) throws -> Batch {
        try data.batches(window: window, history: 1, variants: variants, frozenSteps: 5)
      }
      let (plain, drawn, again) = (try batches(1), try batches(3), try batches(3))
      var numbers: [[Int]] = []
      for step in [0, 1, 2, 3, 4, 5, 6, 2] {
        let stream = Random(seed: 3).split(step)
        let (one, batch) = (try plain(step, stream).observations, try drawn(step, stream).observations)
        #expect(one.variants == nil && one.vectors["x"]!.scalars == batch.vectors["x"]!.scalars)
        numbers.append(try #require(batch.variants?.map(\.number)))
        #expect(try again(step, stream).observations.variants?.map(\.number) == numbers.last)
        // From the step on in which what was frozen learns, there are no rows.
        #expect((batch.frozen == nil) == (step >= 5))
        if let rows = batch.frozen { #expect(rows.scalars == encoder.frozen(batch).scalars) }
      }
      #expect(Set(numbers.joined()) == [0, 1, 2] && Set(numbers).count > 5 && numbers[2] == numbers[7])
      for held in try data.validation(window: window, history: 1)(true) {
        #expect(
          held.observations.variants == nil
            && held.observations.frozen?.scalars == encoder.frozen(held.observations).scalars)
      }
      #expect(try data.validation(window: window, history: 1)(false).allSatisfy { $0.observations.frozen == nil })
    }
  }
}
