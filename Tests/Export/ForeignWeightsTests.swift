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
    let encoder = try ResNet18Encoder(
      options: JSONDecoder().decode(
        ResNet18Encoder.Options.self, from: Data("{\"instruction\": {\"kind\": \"none\"}, \"norm\": \"group\"}".utf8)),
      context: EncoderContext(schema: foreign.schema, vocabulary: []), random: &random)
    return try P(
      options: JSONDecoder().decode(P.Options.self, from: Data(options.utf8)), encoder: encoder, actionWidth: actions,
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
      "{\"context\": 4, \"horizon\": 4, \"width\": 24, \"layers\": 2, \"heads\": 4, \"modes\": 3, \"dropout\": 0, \"causal\": true, \"minimum_deviation\": 1e-4, \"mode\": \"best\", \"acting_deviation\": 0}",
      foreign, actions: 5)
    try policy.load(foreign.weights(for: policy.parameters(), imageFeatures: 0))
    let seen = observations([
      "eef_pos": golden["expected/obs/eef_pos"], "gripper_qpos": golden["expected/obs/gripper_qpos"],
    ])
    var random = Random(seed: 1)
    #expect(relativeError(policy.actions(for: seen, random: &random), golden["expected/best"]) < 1e-4)
    let batch = Batch(observations: seen, actions: golden["expected/actions"], mask: .ones([3, 4]))
    let (loss, gradients) = withGradients(random: random) { policy.loss(on: batch).loss }
    #expect(relativeError(loss.reshaped([1]), golden["expected/loss"]) < 1e-4)
    // Their gradients go the way their weights went.
    let theirs = try ForeignWeights(
      tensors: golden.tensors.filter { $0.key.hasPrefix("expected/gradient/") }
        .reduce(into: [:]) { $0[String($1.key.dropFirst("expected/gradient/".count))] = $1.value },
      metadata: golden.metadata
    ).weights(for: policy.parameters(), imageFeatures: 0)
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
    let back = try foreign.weights(for: ours.parameters(), imageFeatures: 0)
    for (name, parameter) in ours.parameters() { #expect(back[name]?.scalars == parameter.value.scalars, "\(name)") }
    // x * 4 - 1 there is (x - 0.25) / 0.25 here.
    let normalizer = try foreign.normalizer(actionWidth: 4)
    #expect(normalizer.keys["actions"] == .init(scale: [0.25, 0.25, 0.25, 0.25], offset: [0.25, 0.25, 0.25, 0.25]))

    // What is missing, of another size, or left over is told by name.
    let name = kind == "unet" ? "model.final_conv.1.weight" : "model.head.weight"
    var broken = theirs
    broken[name] = nil
    #expect(throws: ForeignWeightsError.self) {
      try ForeignWeights(tensors: broken, metadata: metadata).weights(for: ours.parameters(), imageFeatures: 0)
    }
    broken[name] = .zeros([4, 3])
    #expect(throws: ForeignWeightsError.self) {
      try ForeignWeights(tensors: broken, metadata: metadata).weights(for: ours.parameters(), imageFeatures: 0)
    }
    broken = theirs
    broken["model.more.weight"] = .zeros([4])
    #expect(throws: ForeignWeightsError.unused(["model.more.weight"])) {
      try ForeignWeights(tensors: broken, metadata: metadata).weights(for: ours.parameters(), imageFeatures: 0)
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
}
