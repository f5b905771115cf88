import Foundation
import GaussianWorld
import Imitation
import Layers
import Support
import Tensors
import Testing

@Suite struct GaussianWorldEncoderTests {
  private let path = NSTemporaryDirectory() + "/encoder-\(UUID().uuidString).safetensors"

  private func context(vectors: [String: Int] = ["pose": 3]) -> EncoderContext {
    EncoderContext(schema: ObservationSchema(images: ["left_image": Small.size], vectors: vectors), vocabulary: [])
  }

  private func observations(time: Int, seed: UInt64 = 3) -> ObservationBatch {
    var random = Random(seed: seed)
    let pixels = (0..<2 * time * 768).map { _ in UInt8(random.below(256)) }
    return ObservationBatch(
      images: ["left_image": ImageBatch(batch: 2, time: time, size: Small.size, pixels: pixels)],
      vectors: ["pose": .normal([2, time, 3], random: &random)], instructions: ["a", "b"], time: time)
  }

  private func encoder(
    _ options: String = "", context: EncoderContext? = nil
  ) throws -> GaussianWorldEncoder {
    var random = Random(seed: 1)
    return try GaussianWorldEncoder(
      options: Small.decoded(
        GaussianWorldEncoder.Options.self, "{\"world\": \"\(path)\", \"features\": 10, \"pools\": 3\(options)}"),
      context: context ?? withCatalog(self.context()), random: &random)
  }

  private func withCatalog(_ context: EncoderContext) -> EncoderContext {
    var context = context
    context.parts = Small.catalog
    return context
  }

  private func written(_ body: () throws -> Void) throws {
    let world = try Small.world()
    Small.stir(world)
    try world.write(to: path)
    defer { try? FileManager.default.removeItem(atPath: path) }
    try body()
  }

  @Test func giveOneRowAFrameAfterTheFirst() throws {
    try written {
      let encoder = try encoder()
      #expect(encoder.history == 1 && encoder.featureCount == 13)
      let batch = observations(time: 3)
      let rows = encoder(batch).pooled
      #expect(rows.shape == [2, 2, 13])
      // The low-dimensional observations stand behind the feature, the first frame's left out.
      #expect(rows.sliced(axis: 2, 10..<13).scalars == batch.vectors["pose"]!.sliced(axis: 1, 1..<3).scalars)
    }
  }

  @Test func keptRowsAreTheSameRows() throws {
    try written {
      let encoder = try encoder()
      var batch = observations(time: 3)
      let fresh = encoder(batch).pooled.scalars
      batch.frozen = encoder.frozen(batch)
      #expect(batch.frozen!.shape == [2, 2, encoder.frozenCount!])
      #expect(encoder(batch).pooled.scalars == fresh)
      // A frame's row depends on itself and the one before it alone.
      var later = observations(time: 3)
      later.images["left_image"] = ImageBatch(
        batch: 2, time: 2, size: Small.size,
        pixels: (0..<2).flatMap { Array(later.images["left_image"]!.pixels[($0 * 3 + 1) * 768..<($0 * 3 + 3) * 768]) })
      let short = ObservationBatch(
        images: later.images, vectors: ["pose": later.vectors["pose"]!.sliced(axis: 1, 1..<3)],
        instructions: later.instructions, time: 2)
      let last = batch.frozen!.sliced(axis: 1, 1..<2).scalars
      #expect(zip(encoder.frozen(short).scalars, last).allSatisfy { abs($0 - $1) < 1e-4 })
    }
  }

  /// The hidden tokens and where they stand; kept rows hold both.
  @Test func givesTokensWhenAskedTo() throws {
    for state in ["vae", "gaussians", "pixels"] {
      try Small.world(state).write(to: path)
      defer { try? FileManager.default.removeItem(atPath: path) }
      var context = withCatalog(context())
      context.wantsTokens = true
      let encoder = try self.encoder(context: context)
      var batch = observations(time: 3)
      let features = encoder(batch)
      let tokens = try #require(encoder.layout.tokens)
      let (places, rows) = (try #require(features.positions), try #require(features.tokens))
      #expect(rows.shape == [2, 2, rows.shape[2], tokens.width])
      #expect(places.shape == [2, 2, rows.shape[2], 3])
      #expect(tokens.dimensions == 3 && encoder.layout.columns(from: [.vector]) == [0, 1, 2])
      #expect(features.pooled.scalars == batch.vectors["pose"]!.sliced(axis: 1, 1..<3).scalars)
      let first = Set(places.sliced(axis: 0, 0..<1).sliced(axis: 1, 0..<1).scalars)
      #expect(first.count > 2, "\(state): all in one place")
      batch.frozen = encoder.frozen(batch)
      #expect(batch.frozen!.shape == [2, 2, encoder.frozenCount!])
      let kept = encoder(batch)
      #expect(kept.tokens?.scalars == rows.scalars && kept.positions?.scalars == places.scalars)
      #expect(try encoder.frozenIdentity != self.encoder().frozenIdentity, "other rows")
    }
  }

  /// Latents alone say what the present frame shows, whatever came before it.
  @Test func withoutHiddenTokensOnlyThePresentCounts() throws {
    try written {
      var context = withCatalog(context())
      context.wantsTokens = true
      let batch = observations(time: 2)
      var changed = batch
      let pixels = batch.images["left_image"]!.pixels
      // Black before, as recorded now.
      let black = [UInt8](repeating: 0, count: 768)
      let replaced = black + pixels[768..<1536] + black + pixels[2304..<3072]
      changed.images["left_image"] = ImageBatch(batch: 2, time: 2, size: Small.size, pixels: replaced)
      let both = try encoder(", \"latents\": true", context: context)
      let alone = try encoder(", \"latents\": true, \"hidden\": false", context: context)
      let hidden = try encoder(context: context).layout.tokens!.width
      #expect(alone.history == 0 && alone.layout.tokens!.width + hidden == both.layout.tokens!.width)
      let (tokens, others) = (alone(batch).tokens!, alone(changed).tokens!)
      let (now, nowChanged) = (tokens.sliced(axis: 1, 1..<2), others.sliced(axis: 1, 1..<2))
      #expect(now.scalars == nowChanged.scalars && tokens.scalars != others.scalars)
      #expect(both(batch).tokens!.scalars != both(changed).tokens!.scalars, "hidden tokens see the past")
      // The kept rows are these, and no others' rows are taken for them.
      var kept = batch
      kept.frozen = alone.frozen(batch)
      #expect(kept.frozen!.shape == [2, 2, alone.frozenCount!] && alone(kept).tokens!.scalars == tokens.scalars)
      #expect(alone.frozenIdentity != both.frozenIdentity)
      // Hidden tokens without the past are those of a scene in which nothing moved.
      let still = try encoder(", \"latents\": true, \"past\": false", context: context)
      #expect(still.history == 0 && still.layout.tokens == both.layout.tokens && still.frozenCount == both.frozenCount)
      #expect(Set([still, both, alone].map(\.frozenIdentity)).count == 3)
      #expect(
        still(batch).tokens!.sliced(axis: 1, 1..<2).scalars == still(changed).tokens!.sliced(axis: 1, 1..<2).scalars)
      var twice = batch
      let present = [Array(pixels[768..<1536]), Array(pixels[2304..<3072])]
      twice.images["left_image"] = ImageBatch(
        batch: 2, time: 2, size: Small.size, pixels: present.flatMap { $0 + $0 })
      let unmoved = both(twice).tokens!
      #expect(unmoved.shape[1] == 1 && relativeError(still(batch).tokens!.sliced(axis: 1, 1..<2), unmoved) < 1e-5)
      #expect(relativeError(both(batch).tokens!, unmoved) > 1e-3)
      #expect(throws: GaussianWorldError.noHidden("latents")) { try encoder(", \"hidden\": false") }
      #expect(throws: GaussianWorldError.noHidden("block")) {
        try encoder(", \"latents\": true, \"hidden\": false, \"block\": 1")
      }
    }
  }

  /// A row has the same bits alone and among others.
  @Test(.enabled(if: hasVectorKernels)) func rowsDoNotDependOnEachOther() throws {
    try written {
      let encoder = try encoder()
      let batch = observations(time: 2)
      let all = encoder(batch).pooled
      for row in 0..<2 {
        let alone = ObservationBatch(
          images: [
            "left_image": ImageBatch(
              batch: 1, time: 2, size: Small.size,
              pixels: Array(batch.images["left_image"]!.pixels[row * 2 * 768..<(row + 1) * 2 * 768]))
          ], vectors: ["pose": batch.vectors["pose"]!.gathered([row])], instructions: ["a"], time: 2)
        #expect(encoder(alone).pooled.scalars == all.gathered([row]).scalars)
      }
    }
  }

  @Test func onlyThePoolingLearnsUnlessAsked() throws {
    try written {
      let frozen = try encoder()
      let learned = frozen.parameters().filter { $0.parameter.isTrainable }.map(\.name)
      #expect(learned.allSatisfy { !$0.hasPrefix("world") } && !learned.isEmpty)
      let batch = observations(time: 2)
      #expect(Small.untouched(frozen) { frozen(batch).pooled.square().sum() }.isEmpty)

      let tuned = try encoder(", \"fine_tune\": true")
      #expect(tuned.frozenCount == nil)
      let (_, gradients) = withGradients(random: Random(seed: 1)) { tuned(batch).pooled.square().sum() }
      let moved = tuned.parameters().filter { gradients[$0.parameter] != nil }.map(\.name)
      #expect(
        moved.contains { $0.hasPrefix("world.dynamics") } && moved.contains { $0.hasPrefix("world.codec.encoder") })
    }
  }

  @Test func learnsAfterFrozenSteps() throws {
    try written {
      let late = try encoder(", \"fine_tune\": {\"after\": 7, \"rate\": 0.5}")
      #expect(late.frozenCount == (try encoder().frozenCount) && late.frozenSteps == 7 && !late.isThawed)
      #expect(try encoder().frozenSteps == .max)
      let (_, gradients) = withGradients(random: Random(seed: 1)) { late(observations(time: 2)).pooled.square().sum() }
      let world = late.parameters().filter { $0.name.hasPrefix("world.") }.map(\.parameter)
      #expect(world.contains { $0.firstStep == 7 && $0.rate == 0.5 } && world.allSatisfy { gradients[$0] == nil })
      for parameter in world where parameter.isEverTrained { parameter.isTrainable = true }
      #expect(late.isThawed)
      #expect(try encoder(", \"fine_tune\": {\"rate\": 0.5}").frozenCount == nil)
      #expect(throws: SettingError.self) { try encoder(", \"fine_tune\": 3") }
      #expect(throws: SettingError.self) { try encoder(", \"fine_tune\": {\"rate\": 0}") }
    }
  }

  @Test func isMadeAgainWithoutTheFile() throws {
    try written {
      let first = try encoder()
      var context = withCatalog(context())
      context.attachments = first.attachments
      try FileManager.default.removeItem(atPath: path)
      let again = try encoder(context: context)
      try again.load(first.snapshot())
      let batch = observations(time: 2)
      #expect(again(batch).pooled.scalars == first(batch).pooled.scalars)
      #expect(again.frozenIdentity == first.frozenIdentity)
      let parameter = again.parameters().first { $0.name.hasPrefix("world.dynamics") }!.parameter
      parameter.value = parameter.value + 1e-3
      #expect(again.frozenIdentity != first.frozenIdentity, "other weights, other rows")
    }
  }

  @Test func saysWhatIsMissing() throws {
    try written {
      var other = withCatalog(context())
      other.schema.images = ["right_image": Small.size]
      #expect(throws: CameraError.missing("left_image", available: ["right_image"])) {
        try encoder(context: other)
      }
      // Positions from a gripper in the base's frame mean nothing in a camera's.
      #expect(throws: GaussianWorldError.notInBase("pose")) { try encoder(", \"gripper\": \"pose\"") }
      #expect(throws: GaussianWorldError.noBlock(3, of: 2)) { try encoder(", \"block\": 3") }
      other.schema.images = ["left_image": .init(height: 32, width: 32)]
      #expect(throws: GaussianWorldError.self) { try encoder(context: other) }
      try Small.world(lift: "depth-lift").write(to: path)
      #expect(throws: CameraError.missingGeometry("left_depth", for: "gaussian-world")) { try encoder() }
      var deep = withCatalog(context(vectors: ["pose": 3, "left_depth": 256, "left_calibration": 16]))
      deep.parts = Small.catalog
      let made = try encoder(context: deep)
      #expect(made.featureCount == 13, "depths are not among them")
      var batch = observations(time: 2)
      var random = Random(seed: 1)
      batch.vectors["left_depth"] = Tensor.uniform([2, 2, 256], 1...2, random: &random)
      let numbers = CameraCalibration(fieldOfView: 50, size: Small.size).numbers
      batch.vectors["left_calibration"] = Tensor((0..<4).flatMap { _ in numbers }, shape: [2, 2, 16])
      #expect(made(batch).pooled.shape == [2, 1, 13])
    }
  }
}
