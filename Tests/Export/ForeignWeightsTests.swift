import Encoders
import Export
import Foundation
import Imitation
import Layers
import Policies
import Support
import Tensors
import Testing

/// Weights of other toolkits: robomimic 0.3.0's own, and names and layouts of Diffusion Policy.
@Suite struct ForeignWeightsTests {
  func policy<P: Policy>(_ type: P.Type, _ options: String, _ foreign: ForeignWeights, actions: Int) throws -> P {
    var random = Random(seed: 1)
    var context = EncoderContext(schema: foreign.schema, vocabulary: [])
    context.parts = Catalog().adding(NoTextEncoder.self)
    let encoder = try ResNet18Encoder(
      options: .init { ($0.instruction, $0.norm) = (Choice(kind: NoTextEncoder.name), .group) },
      context: context, random: &random)
    return try P(
      options: P.Options(Setting(json: options)), encoder: encoder, actionWidth: actions,
      random: &random)
  }

  func observations(_ vectors: [String: Tensor]) -> ObservationBatch {
    let first = vectors.values.first!
    return ObservationBatch(
      images: [:], vectors: vectors, instructions: Array(repeating: "", count: first.shape[0]), time: first.shape[1])
  }

  /// Outputs, loss and every gradient of robomimic's network with robomimic's weights.
  @Test func computesWhatRobomimicComputes() throws {
    let golden = try Golden("robomimic")
    let foreign = try ForeignWeights(
      tensors: golden.tensors.filter { !$0.key.hasPrefix("expected/") }, metadata: golden.metadata)
    #expect(foreign.source == .robomimic)
    #expect(foreign.schema == ObservationSchema(images: [:], vectors: ["eef_pos": 3, "gripper_qpos": 2]))
    #expect(try foreign.actionWidth == 5)
    let policy = try policy(
      BCTransformer.self,
      "{\"context\": 4, \"horizon\": 4, \"width\": 24, \"layers\": 2, \"heads\": 4, \"modes\": 3, \"dropout\": 0, \"causal\": true, \"min_std\": 1e-4, \"mode\": \"best\", \"low_noise_std\": 0}",
      foreign, actions: 5)
    try policy.load(foreign.weights(for: policy))
    let seen = observations([
      "eef_pos": golden["expected/obs/eef_pos"], "gripper_qpos": golden["expected/obs/gripper_qpos"],
    ])
    var randoms = (0..<3).map { Random(seed: 1).split($0) }
    #expect(relativeError(policy.actions(for: seen, randoms: &randoms), golden["expected/best"]) < 1e-4)
    // robomimic itself acts by the last token: that of the present frame.
    let stock = try self.policy(
      BCTransformer.self,
      String(ForeignWeightsTests.options.dropLast())
        + ", \"mode\": \"best\", \"low_noise_std\": 0, \"pred_future_actions\": false}", foreign, actions: 5)
    try stock.load(foreign.weights(for: stock))
    #expect(stock.window.actions == -3...0)
    let present = golden["expected/best"].sliced(axis: 1, 3..<4)
    #expect(relativeError(stock.actions(for: seen, randoms: &randoms), present) < 1e-4)
    let batch = Batch(observations: seen, actions: golden["expected/actions"], mask: .ones([3, 4]))
    let (loss, gradients) = withGradients(random: Random(seed: 1)) { policy.loss(on: batch).loss }
    #expect(relativeError(loss.reshaped([1]), golden["expected/loss"]) < 1e-4)
    // Their gradients go the way their weights went.
    let theirs = try ForeignWeights(
      tensors: golden.tensors.filter { $0.key.hasPrefix("expected/gradient/") }
        .reduce(into: [:]) { $0[String($1.key.dropFirst("expected/gradient/".count))] = $1.value },
      metadata: golden.metadata
    ).weights(for: policy)
    for (name, parameter) in policy.parameters() {
      let found = try #require(gradients[parameter])
      #expect(relativeError(found, try #require(theirs[name])) < 1e-3, "\(name)")
    }
  }

  /// Our own parameters under Diffusion Policy's names and in its layouts, features in another order: they come back.
  @Test(arguments: ["unet", "transformer", "transformer-layers"]) func findsDiffusionPolicysPlaces(_ kind: String)
    throws
  {
    let metadata = ["observations": "[{\"key\": \"b\", \"shape\": [2]}, {\"key\": \"a\", \"shape\": [3]}]"]
    let place = ["model.head.bias": Tensor.zeros([4])]
    let schema = try ForeignWeights(tensors: place, metadata: metadata)
    #expect(schema.source == .diffusionPolicy)
    #expect(schema.schema.vectorKeys == ["a", "b"])
    let ours: any Policy =
      kind == "unet"
      ? try policy(DiffusionUnet.self, "{\"widths\": [8, 16], \"step_width\": 8, \"horizon\": 4}", schema, actions: 4)
      : try policy(
        DiffusionTransformer.self,
        "{\"width\": 16, \"layers\": 2, \"heads\": 2, \"horizon\": 4, \"condition_layers\": \(kind == "transformer" ? 0 : 1)}",
        schema, actions: 4)
    for (k, (_, parameter)) in ours.parameters().enumerated() { parameter.value = wave(parameter.value.shape, k) }
    var theirs: [String: Tensor] = [:]
    for (name, parameter) in ours.parameters() {
      let found = try #require(ForeignNames.diffusionPolicy(name), "\(name)")
      var value = parameter.value
      // Their feature row is b (2), a (3): ours in the order 3, 4, 0, 1, 2.
      let row = [3, 4, 0, 1, 2]
      if name == "network.observationEmbedding.weight" { value = value.gathered(row) }
      if name.hasSuffix(".film.weight") {
        value = value.gathered(Array(0..<8) + row.map { 8 + $0 } + row.map { 13 + $0 })
      }
      switch value.rank {
      case 2 where name.hasSuffix(".weight"): value = value.transposed(0, 1)
      case 3 where name.hasSuffix(".weight"): value = value.permuted(name.contains(".grow.") ? [1, 2, 0] : [2, 1, 0])
      default: break
      }
      if found.third != nil {
        theirs[found.path] = theirs[found.path].map { .concatenated([$0, value], axis: 0) } ?? value
      } else {
        #expect(theirs[found.path] == nil, "\(found.path) twice")
        theirs[found.path] = value
      }
    }
    for key in ["a", "b", "action"] {
      let width = key == "a" ? 3 : key == "b" ? 2 : 4
      theirs["normalizer.params_dict.\(key).scale"] = .filled([width], with: 4)
      theirs["normalizer.params_dict.\(key).offset"] = .filled([width], with: -1)
    }
    theirs["mask_generator._dummy_variable"] = .zeros([0])
    let foreign = try ForeignWeights(tensors: theirs, metadata: metadata)
    #expect(try foreign.actionWidth == 4)
    let back = try foreign.weights(for: ours)
    for (name, parameter) in ours.parameters() { #expect(back[name]?.scalars == parameter.value.scalars, "\(name)") }
    // x * 4 - 1 there is (x - 0.25) / 0.25 here.
    let normalizer = try foreign.normalizer(actionWidth: 4)
    #expect(normalizer.keys["actions"] == .init(scale: [0.25, 0.25, 0.25, 0.25], offset: [0.25, 0.25, 0.25, 0.25]))

    // What is missing, of another size, or left over is reported by name.
    let name = kind == "unet" ? "model.final_conv.1.weight" : "model.head.weight"
    var broken = theirs
    broken[name] = nil
    #expect(throws: ForeignWeightsError.self) {
      try ForeignWeights(tensors: broken, metadata: metadata).weights(for: ours)
    }
    broken[name] = .zeros([4, 3])
    #expect(throws: ForeignWeightsError.self) {
      try ForeignWeights(tensors: broken, metadata: metadata).weights(for: ours)
    }
    broken = theirs
    broken["model.more.weight"] = .zeros([4])
    #expect(throws: ForeignWeightsError.unused(["model.more.weight"])) {
      try ForeignWeights(tensors: broken, metadata: metadata).weights(for: ours)
    }
    broken = theirs
    broken["normalizer.params_dict.a.scale"] = .zeros([3])
    #expect(throws: ForeignWeightsError.self) {
      try ForeignWeights(tensors: broken, metadata: metadata).normalizer(actionWidth: 4)
    }
  }

  @Test(arguments: [[:], ["observations": "[]]"], ["observations": "[{\"key\": \"a\", \"shape\": [-1]}]"]])
  func refusesWhatDoesNotTellItsObservations(_ metadata: [String: String]) {
    #expect(throws: ForeignWeightsError.self) {
      try ForeignWeights(tensors: ["model.head.bias": .zeros([4])], metadata: metadata)
    }
    #expect(throws: ForeignWeightsError.unknownSource) {
      try ForeignWeights(tensors: ["layers.0": .zeros([4])], metadata: metadata)
    }
  }

  private static let options =
    "{\"context\": 4, \"horizon\": 4, \"width\": 24, \"layers\": 2, \"heads\": 4, \"modes\": 3, \"causal\": true}"

  /// robomimic's own weights, with `more` beside them.
  private func robomimic(_ more: [String: Tensor] = [:], rename: (String) -> String = { $0 }) throws -> ForeignWeights {
    let golden = try Golden("robomimic")
    let theirs = golden.tensors.filter { !$0.key.hasPrefix("expected/") }
    return try ForeignWeights(
      tensors: Dictionary(uniqueKeysWithValues: theirs.map { (rename($0.key), $0.value) })
        .merging(more) { _, new in new }, metadata: golden.metadata)
  }

  private func statistics(_ key: String, offset: [Float], scale: [Float]) -> [String: Tensor] {
    [
      "obs_normalization.\(key).offset": Tensor(offset, shape: [offset.count]),
      "obs_normalization.\(key).scale": Tensor(scale, shape: [scale.count]),
    ]
  }

  /// What `torch.compile`, `DataParallel` and robomimic 0.5 put into names changes nothing.
  @Test(arguments: [
    ("policy.", "nets.policy."), ("policy.", "policy._orig_mod."), ("policy.", "_orig_mod.policy."),
    ("policy.", "module.policy."), ("policy.nets.", "nets.policy.module._orig_mod.nets."),
    (".attention.nets.", ".attention._orig_mod.nets."),
  ])
  func wrappersPrefixesAreTakenOff(_ ours: String, _ theirs: String) throws {
    let plain = try robomimic()
    let wrapped = try robomimic(rename: { $0.replacingOccurrences(of: ours, with: theirs) })
    let policy = try policy(BCTransformer.self, ForeignWeightsTests.options, plain, actions: 5)
    let expected = try plain.weights(for: policy)
    let found = try wrapped.weights(for: policy)
    #expect(found.mapValues(\.scalars) == expected.mapValues(\.scalars))
    #expect(throws: ForeignWeightsError.twice("policy.nets.embed_ln.bias")) {
      try self.robomimic(["module.policy.nets.embed_ln.bias": .zeros([24])])
    }
  }

  /// (x - offset) / scale, as robomimic's `normalize_dict` has it.
  @Test func robomimicsObservationStatisticsComeAlong() throws {
    let both = statistics("eef_pos", offset: [1, 2, 3], scale: [0.5, 2, 4])
      .merging(statistics("gripper_qpos", offset: [0, -1], scale: [1, 8])) { first, _ in first }
    let foreign = try robomimic(both)
    let normalizer = try foreign.normalizer(actionWidth: 5)
    #expect(normalizer.keys["eef_pos"] == .init(scale: [0.5, 2, 4], offset: [1, 2, 3]))
    let rows = try normalizer.normalized(Tensor([1.5, 6, -1], shape: [1, 3]), key: "eef_pos")
    #expect(rows.scalars == [1, 2, -1])
    #expect(normalizer.keys["gripper_qpos"] == .init(scale: [1, 8], offset: [0, -1]))
    #expect(normalizer.keys["actions"] == .init(scale: [1, 1, 1, 1, 1], offset: [0, 0, 0, 0, 0]))
    let policy = try policy(BCTransformer.self, ForeignWeightsTests.options, foreign, actions: 5)
    _ = try foreign.weights(for: policy)
    #expect(try robomimic().normalizer(actionWidth: 5).keys["eef_pos"] == .init(scale: [1, 1, 1], offset: [0, 0, 0]))
  }

  @Test(
    arguments: [
      ("eef_pos", [1, 2], [1, 1], "3 expected"), ("eef_pos", [1, 2, 3], [1, 0, 1], "a scale of 0"),
      ("eef_pos", [1, 2, .nan], [1, 1, 1], "no numbers"),
      ("eef_pos", [1, 2, 3, 4], [1, 1, 1], "3 scales and 4 offsets"),
      ("eef_pos", [1, 2, 3], [1, 1, 1], "nothing about 'gripper_qpos'"),
    ] as [(String, [Float], [Float], String)])
  func statisticsThatDoNotFitAreRefused(_ key: String, _ offset: [Float], _ scale: [Float], _ words: String) throws {
    let foreign = try robomimic(statistics(key, offset: offset, scale: scale))
    let error = #expect(throws: ForeignWeightsError.self) { try foreign.normalizer(actionWidth: 5) }
    #expect(error?.description.contains(words) ?? false, "\(error?.description ?? "")")
  }

  @Test func imagesAreNotNormalizedByPixel() throws {
    func foreign(_ offset: Float, _ scale: Float) throws -> ForeignWeights {
      let key = "[{\"key\": \"front\", \"shape\": [3, 2, 2]}]"
      return try ForeignWeights(
        tensors: ["policy.nets.transformer.nets.output_ln.bias": .zeros([4])].merging(
          statistics("front", offset: Array(repeating: offset, count: 12), scale: Array(repeating: scale, count: 12))
        ) { first, _ in first }, metadata: ["observations": key])
    }
    _ = try foreign(0, 1).normalizer(actionWidth: 5)
    for (offset, scale) in [(0.5, 1), (0, 0.25)] as [(Float, Float)] {
      let error = #expect(throws: ForeignWeightsError.self) { try foreign(offset, scale).normalizer(actionWidth: 5) }
      #expect(error?.description.contains("'front'") ?? false)
    }
  }

  /// Only what is known to follow from something else is passed over.
  @Test(arguments: [
    ("policy.nets.backbone.weight", [3]), ("policy.nets.pool.bias", [3]), ("obs_normalization.other.scale", [3]),
    ("obs_normalization.eef_pos.std", [3]), ("normalizer.params_dict.eef_pos.scale", [3]), ("policy.nets.mask", [3]),
    ("policy._dummy_variable", [3]), ("policy.nets.temperature", [1]), ("policy.nets.decoder.pos_x", [3]),
    ("policy.nets.encoder.nets.obs.obs_nets.front.backbone.nets.0.weight", [3]),
  ])
  func nothingIsDroppedWithoutAWord(_ name: String, _ shape: [Int]) throws {
    let foreign = try robomimic([name: .ones(shape)])
    let policy = try policy(BCTransformer.self, ForeignWeightsTests.options, foreign, actions: 5)
    #expect(throws: ForeignWeightsError.unused([name])) {
      try foreign.weights(for: policy)
    }
  }

  /// A trunk under its second name is passed over when it is the same, and only then.
  @Test func copiesAreCompared() throws {
    let root = "policy.nets.encoder.nets.obs.obs_nets.front"
    let (copy, original) = ("\(root).backbone.nets.0.weight", "\(root).nets.0.nets.0.weight")
    for (value, isSame) in [(Float(1), true), (2, false)] {
      let foreign = try robomimic([copy: .filled([3], with: value), original: .ones([3])])
      let policy = try policy(BCTransformer.self, ForeignWeightsTests.options, foreign, actions: 5)
      // The trunk itself has no place in a policy that sees no images.
      #expect(throws: ForeignWeightsError.unused(isSame ? [original] : [copy, original])) {
        try foreign.weights(for: policy)
      }
    }
  }

  @Test func causalAttentionShows() throws {
    #expect(try robomimic().isCausal == true)
    let open = try robomimic(
      [0, 1].reduce(into: [:]) {
        $0["policy.nets.transformer.nets.transformer.\($1).nets.attention.mask"] = .ones([1, 1, 4, 4])
      })
    #expect(open.isCausal == false)
  }
}
