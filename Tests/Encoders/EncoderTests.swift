import Encoders
import Foundation
import Imitation
import Layers
import Support
import Tensors
import Testing

@Suite struct EncoderTests {
  static let context = with(
    EncoderContext(
      schema: ObservationSchema(
        images: [
          "robot0_agentview_left_image": .init(height: 40, width: 40),
          "robot0_eye_in_hand_image": .init(height: 40, width: 40),
        ], vectors: ["robot0_base_to_eef_pos": 3, "robot0_gripper_qpos": 2]),
      vocabulary: ["close", "drawer", "left", "open", "right", "the"]))

  /// With what makes an encoder's parts.
  static func with(_ context: EncoderContext) -> EncoderContext {
    var context = context
    context.parts = Catalog().adding(WordEncoder.self).adding(TableEncoder.self).adding(NoTextEncoder.self)
    return context
  }

  func batch(_ count: Int, time: Int, instructions: [String]? = nil, seed: UInt64 = 1) -> ObservationBatch {
    var random = Random(seed: seed)
    let images = Self.context.schema.images.mapValues { size in
      ImageBatch(
        batch: count, time: time, size: size,
        pixels: (0..<count * time * size.height * size.width * 3).map { _ in UInt8(random.below(256)) })
    }
    return ObservationBatch(
      images: images,
      vectors: Self.context.schema.vectors.mapValues { .normal([count, time, $0], random: &random) },
      instructions: instructions ?? (0..<count).map { $0 % 2 == 0 ? "open the left drawer" : "close the right drawer" },
      time: time)
  }

  func encoder<E: ObservationEncoder>(
    _ type: E.Type, _ json: String = "{\"crop\": 36}", seed: UInt64 = 1, tokens: Bool = false
  ) throws -> E {
    var random = Random(seed: seed)
    var context = Self.context
    context.wantsTokens = tokens
    return try E(
      options: E.Options(Setting(json: json)), context: context, random: &random)
  }

  func check<E: ObservationEncoder>(_ type: E.Type) throws {
    let encoder = try encoder(type)
    #expect(encoder.featureCount == 2 * 64 + 5)
    let batch = batch(2, time: 3)
    let features = encoder(batch).pooled
    #expect(features.shape == [2, 3, encoder.featureCount])
    // Not training: the same every time. Same seed: the same weights.
    #expect(encoder(batch).pooled.scalars == features.scalars)
    #expect(try self.encoder(type)(batch).pooled.scalars == features.scalars)
    #expect(try self.encoder(type, seed: 2)(batch).pooled.scalars != features.scalars)
    // Another instruction, another answer.
    #expect(
      encoder(self.batch(2, time: 3, instructions: ["close the drawer", "open"])).pooled.scalars != features.scalars)
    // The vectors come last, cameras and keys sorted by name, as the layout says.
    #expect(encoder.layout.columns(from: [.vector]) == Array(128..<133))
    #expect(encoder.layout.columns(from: [.image]) == Array(0..<128))
    #expect(encoder(batch).tokens == nil)
    let vectors = Array(features.scalars[128..<133])
    #expect(
      vectors == Array(batch.vectors["robot0_base_to_eef_pos"]!.scalars.prefix(3))
        + Array(batch.vectors["robot0_gripper_qpos"]!.scalars.prefix(2)))
    let (_, gradients) = withGradients(random: Random(seed: 1)) {
      let features = encoder(batch).pooled
      return (features * wave(features.shape, 3, scale: 1)).sum()
    }
    for (name, parameter) in encoder.parameters() where parameter.isTrainable {
      let gradient = try #require(gradients[parameter], "\(name) has no gradient")
      // A softmax does not feel its bias.
      if !name.hasSuffix("keypoints.projection.bias") {
        #expect(gradient.scalars.contains { $0 != 0 }, "\(name) has a zero gradient")
      }
    }
    // Training crops at random.
    var seen: Set<[Float]> = []
    for seed in 0..<4 {
      _ = withGradients(random: Random(seed: UInt64(seed))) {
        let features = encoder(batch).pooled
        seen.insert(features.scalars)
        return features.sum()
      }
    }
    #expect(seen.count > 1)
    // Weights survive a file.
    let path = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString).safetensors"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let other = try self.encoder(type, seed: 2)
    try Safetensors.write(encoder.snapshot(), to: path)
    try other.load(Safetensors.read(path).tensors)
    #expect(other(batch).pooled.scalars == encoder(batch).pooled.scalars)
  }

  @Test func resNet18() throws { try check(ResNet18Encoder.self) }
  @Test func small() throws { try check(SmallEncoder.self) }

  /// Each place of both cameras' maps is a token, and the instruction; a pooled row is the instruction and the vectors.
  @Test func givesTokensWhenAskedTo() throws {
    func check(_ encoder: some ObservationEncoder, side: Int, width: Int) throws {
      let batch = batch(2, time: 3)
      let features = encoder(batch)
      let count = 2 * side * side + 1
      #expect(encoder.layout.tokens == .init(width: width, dimensions: 2))
      #expect(features.tokens?.shape == [2, 3, count, width])
      #expect(features.positions?.shape == [2, 3, count, 2])
      #expect(features.pooled.shape == [2, 3, 69])
      #expect(encoder.layout.columns(from: [.vector]) == Array(64..<69))
      #expect(encoder.layout.columns(from: [.instruction]) == Array(0..<64))
      let places = try #require(features.positions).scalars
      let last = 2 * side * side
      #expect(Array(places[0..<2]) == [-1, -1])
      #expect(Array(places[last - 2..<last]) == [1, 1])
      let (_, gradients) = withGradients(random: Random(seed: 1)) {
        let features = encoder(batch)
        return (features.tokens! * wave(features.tokens!.shape, 3, scale: 1)).sum() + features.pooled.square().sum()
      }
      for (name, parameter) in encoder.parameters() {
        #expect(gradients[parameter]?.scalars.contains { $0 != 0 } ?? false, "\(name) learns nothing")
      }
    }
    try check(encoder(SmallEncoder.self, tokens: true), side: 5, width: 64)
    try check(encoder(ResNet18Encoder.self, "{\"crop\": 36, \"features\": 20}", tokens: true), side: 2, width: 20)
  }

  /// A row has the same bits alone and among others.
  @Test(.enabled(if: hasVectorKernels), arguments: ["", ", \"instruction\": {\"kind\": \"none\"}"])
  func rowsDoNotDependOnEachOther(_ ending: String)
    throws
  {
    func check(_ encoder: some ObservationEncoder) {
      func rows(_ batch: ObservationBatch) -> [[Float]] {
        let features = encoder(batch).pooled
        return (0..<batch.count).map { features.sliced(axis: 0, $0..<$0 + 1).scalars }
      }
      let batch = batch(8, time: 2)
      let all = rows(batch)
      #expect(Set(all).count == 8)
      for row in 0..<8 {
        var alone = batch
        alone.instructions = [batch.instructions[row]]
        alone.vectors = batch.vectors.mapValues { $0.gathered([row]) }
        alone.images = batch.images.mapValues { images in
          let size = images.pixels.count / 8
          return ImageBatch(
            batch: 1, time: 2, size: images.size, pixels: Array(images.pixels[row * size..<(row + 1) * size]))
        }
        #expect(rows(alone) == [all[row]], "row \(row)")
      }
    }
    try check(encoder(SmallEncoder.self, "{\"crop\": 36\(ending)}"))
    try check(encoder(SmallEncoder.self, "{\"channels\": 16, \"features\": 20\(ending)}"))
    for norm in ["batch", "group"] {
      try check(encoder(ResNet18Encoder.self, "{\"crop\": 36, \"norm\": \"\(norm)\"\(ending)}"))
    }
  }

  /// Per camera: trunk, FiLM for 8 blocks on 64 numbers (2 x 2 x (64 + 128 + 256 + 512) outputs), keypoints, projection.
  @Test func resNet18HasTheDocumentedParameters() throws {
    let film = 65 * 2 * 2 * (64 + 128 + 256 + 512)
    let words = 7 * 64 + 64 * 64 + 64
    #expect(try encoder(ResNet18Encoder.self).parameterCount == 2 * (11_197_088 + film) + words)
  }

  @Test func tableOfEmbeddings() throws {
    let path = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString).safetensors"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try Safetensors.write(["open the left drawer": wave([768], 1), "close the right drawer": wave([768], 2)], to: path)
    let encoder = try encoder(SmallEncoder.self, "{\"instruction\": {\"kind\": \"table\", \"file\": \"\(path)\"}}")
    #expect(encoder(batch(2, time: 1)).pooled.shape == [2, 1, encoder.featureCount])
    try encoder.check(instruction: "open the left drawer")
    #expect(throws: InstructionError.notInTable("dance", file: path)) { try encoder.check(instruction: "dance") }
  }

  /// Weights keep their names, a kind may be left out, and another text encoder is one more type.
  @Test func textEncodersArePlugIns() throws {
    let words = try encoder(SmallEncoder.self, "{\"instruction\": {\"width\": 32}}")
    #expect(
      words.parameters().map(\.name).filter { $0.hasPrefix("instruction") } == [
        "instruction.words.weight", "instruction.projection.weight", "instruction.projection.bias",
      ])
    #expect(words.snapshot()["instruction.words.weight"]?.shape == [7, 32])
    let none = try encoder(SmallEncoder.self, "{\"instruction\": {\"kind\": \"none\"}}")
    #expect(!none.parameters().contains { $0.name.hasPrefix("instruction") || $0.name.contains("film") })
    struct Length: TextEncoder {
      struct Options: PluginOptions {}
      static let name = "length"
      static let help = "For tests."
      let width: Int? = 1
      let weight = Parameter(Tensor([0.5], shape: [1]))
      init(options: Options, context: EncoderContext, random: inout Random) {}
      func callAsFunction(_ instructions: [String]) -> Tensor? {
        Tensor(instructions.map { Float($0.count) }, shape: [instructions.count, 1]) * weight.value
      }
    }
    var (random, context) = (Random(seed: 1), Self.context)
    let catalog = Catalog().adding(Length.self).adding(SmallEncoder.self)
    let choice = try Choice(
      Setting(json: "{\"kind\": \"small\", \"instruction\": {\"kind\": \"length\"}}"), path: "encoder")
    context.parts = catalog
    let made = try catalog.makeEncoder(choice, context: context, random: &random)
    #expect(made.parameters().contains { $0.name == "instruction.weight" })
    let (short, long) = (batch(1, time: 1, instructions: ["ab"]), batch(1, time: 1, instructions: ["abcd"]))
    #expect(made(short).pooled.scalars != made(long).pooled.scalars)
    #expect(made(short).pooled.scalars == made(batch(1, time: 1, instructions: ["ba"])).pooled.scalars)
  }

  @Test func refusesACropLargerThanAPicture() {
    #expect(throws: EncoderError.self) { try encoder(SmallEncoder.self, "{\"crop\": 41}") }
    #expect(throws: SettingError.self) { try encoder(SmallEncoder.self, "{\"channels\": 20}") }
    #expect(
      throws: SettingError.invalid(
        path: "encoder.instruction.kind", line: 1, reason: "unknown kind 'telepathy'; known: none, table, words")
    ) {
      try encoder(SmallEncoder.self, "{\"instruction\": {\"kind\": \"telepathy\"}}")
    }
  }
}
