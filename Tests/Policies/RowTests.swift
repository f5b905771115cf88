import Foundation
import Imitation
import Layers
import Policies
import Tensors
import Testing

/// A row's actions have the same bits alone and among others, for every policy and head.
@Suite(.enabled(if: hasVectorKernels)) struct RowTests {
  private func policy<P: Policy>(_ type: P.Type, _ json: String, actions: Int) throws -> P {
    var random = Random(seed: 1)
    let policy = try P(
      options: P.Options(Setting(json: json)), encoder: PassThrough(width: 6),
      actionWidth: actions, random: &random)
    // Nothing may be zero: positions and biases start so.
    for (_, parameter) in policy.parameters() {
      parameter.value = parameter.value + .normal(parameter.value.shape, deviation: 0.05, random: &random)
    }
    return policy
  }

  private func check(_ policy: some Policy, context: Int) throws {
    var random = Random(seed: 7)
    let x = Tensor.normal([8, context, 6], random: &random)
    func actions(_ rows: [Int]) -> (values: [[Float]], randoms: [Random]) {
      var randoms = rows.map { Random(seed: 3).split($0) }
      let seen = ObservationBatch(
        images: [:], vectors: ["x": x.gathered(rows)], instructions: rows.map { "\($0)" }, time: context)
      let found = policy.actions(for: seen, randoms: &randoms)
      return (rows.indices.map { found.sliced(axis: 0, $0..<$0 + 1).scalars }, randoms)
    }
    let all = actions(Array(0..<8))
    #expect(Set(all.values).count == 8)
    #expect(all.values.allSatisfy { $0.allSatisfy(\.isFinite) })
    for row in 0..<8 {
      let alone = actions([row])
      #expect(alone.values[0] == all.values[row], "row \(row)")
      #expect(alone.randoms[0] == all.randoms[row], "row \(row) draws as much among others")
    }
    #expect(actions([5, 2, 7]).values == [all.values[5], all.values[2], all.values[7]])
  }

  @Test(arguments: [
    "\"head\": \"gmm\", \"low_noise_std\": 0.1", "\"head\": \"gmm\", \"mode\": \"best\"",
    "\"head\": \"deterministic\"", "\"horizon\": 5", "\"causal\": true, \"width\": 40",
  ]) func bcTransformer(_ json: String) throws {
    let size = json.contains("width") ? "" : "\"width\": 64, "
    try check(
      policy(
        BCTransformer.self,
        "{\"context\": 3, \(json.contains("horizon") ? "" : "\"horizon\": 3, ")\(size)\"layers\": 2, \"heads\": 4, \(json)}",
        actions: 7), context: 3)
  }

  @Test func bcTransformerWithTokens() throws {
    let policy = try BCTransformerTests().observer(4)
    var random = Random(seed: 7)
    let seen = BCTransformerTests().tokens(8, &random)
    var all = (0..<8).map { Random(seed: 3).split($0) }
    let actions = policy.actions(for: seen, randoms: &all)
    for row in 0..<8 {
      var (alone, randoms) = (seen, [Random(seed: 3).split(row)])
      alone.vectors = seen.vectors.mapValues { $0.gathered([row]) }
      alone.instructions = [""]
      #expect(policy.actions(for: alone, randoms: &randoms).scalars == actions.gathered([row]).scalars)
    }
  }

  @Test(arguments: ["ddpm", "ddim"], ["64, 128, 256", "32, 64", "24, 40", "16, 32, 32", "64, 64"])
  func diffusionUnet(_ sampler: String, _ widths: String) throws {
    for eta in sampler == "ddim" ? [0, 0.5] : [0] {
      try check(
        policy(
          DiffusionUnet.self,
          "{\"widths\": [\(widths)], \"step_width\": 16, \"horizon\": 8, \"context\": 2, \"sampler\": \"\(sampler)\", \"inference_steps\": 4, \"eta\": \(eta)}",
          actions: 7), context: 2)
    }
  }

  @Test(arguments: ["ddpm", "ddim"], [0, 1]) func diffusionTransformer(_ sampler: String, _ layers: Int) throws {
    try check(
      policy(
        DiffusionTransformer.self,
        "{\"width\": 64, \"layers\": 2, \"heads\": 4, \"condition_layers\": \(layers), \"horizon\": 10, \"context\": 2, \"sampler\": \"\(sampler)\", \"inference_steps\": 4}",
        actions: 7), context: 2)
  }
}
