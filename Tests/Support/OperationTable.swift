import Foundation
import Tensors

/// One tensor operation as the tests know it: a row of the table that golden numbers and finite differences walk.
package struct GoldenOperation: Sendable, CustomStringConvertible {
  package let name: String
  package let apply: @Sendable ([Tensor]) -> Tensor

  package var description: String { name }
}

extension GoldenOperation {
  /// Every operation. The names are those of Tests/Golden/make_tensors.py, make_kernels.py and make_splatting.py, which hold inputs and
  /// expected numbers.
  package static let all: [GoldenOperation] =
    arithmetic + activations + reductions + products + shapes + norms + convolutions + ways + finishes + splats
    + harmonics

  private static func row(_ name: String, _ apply: @escaping @Sendable ([Tensor]) -> Tensor) -> GoldenOperation {
    GoldenOperation(name: name, apply: apply)
  }

  private static let arithmetic = [
    row("add") { $0[0] + $0[1] }, row("add broadcast") { $0[0] + $0[1] }, row("add row") { $0[0] + $0[1] },
    row("subtract") { $0[0] - $0[1] }, row("multiply") { $0[0] * $0[1] }, row("divide") { $0[0] / $0[1] },
    row("add number") { $0[0] + 1.5 }, row("multiply number") { 3 * $0[0] }, row("number minus") { 2 - $0[0] },
    row("number divided") { 2 / $0[0] }, row("negate") { -$0[0] }, row("maximum of two") { $0[0].maximum($0[1]) },
    row("minimum of two") { $0[0].minimum($0[1]) }, row("clamped") { $0[0].clamped(to: -0.5...0.7) },
  ]

  private static let activations = [
    row("exp") { $0[0].exp() }, row("log") { $0[0].log() }, row("sqrt") { $0[0].sqrt() },
    row("square") { $0[0].square() }, row("abs") { $0[0].abs() }, row("sin") { $0[0].sin() },
    row("cos") { $0[0].cos() }, row("reciprocal") { $0[0].reciprocal() }, row("pow") { $0[0].pow(1.7) },
    row("relu") { $0[0].relu() }, row("gelu") { $0[0].gelu() }, row("geluTanh") { $0[0].geluTanh() },
    row("silu") { $0[0].silu() }, row("mish") { $0[0].mish() }, row("softplus") { $0[0].softplus() },
    row("tanh") { $0[0].tanh() }, row("sigmoid") { $0[0].sigmoid() },
  ]

  private static let reductions = [
    row("sum") { $0[0].sum() }, row("sum axes") { $0[0].sum(axes: [0, 2]) }, row("sum first") { $0[0].sum(axes: [0]) },
    row("mean") { $0[0].mean(axes: [-1], keepingDimensions: true) }, row("variance") { $0[0].variance(axes: [1]) },
    row("maximum") { $0[0].maximum(axis: 1) }, row("logSumExp") { $0[0].logSumExp(axis: 1) },
    row("logSumExp middle") { $0[0].logSumExp(axis: 1, keepingDimensions: true) },
    row("softmax") { $0[0].softmax() }, row("softmax middle") { $0[0].softmax(axis: 1) },
    row("logSoftmax") { $0[0].logSoftmax() },
  ]

  private static let products = [
    row("matmul") { $0[0].matmul($0[1]) }, row("matmul transposed left") { $0[0].matmul($0[1], transposingSelf: true) },
    row("matmul transposed right") { $0[0].matmul($0[1], transposingOther: true) },
    row("matmul both transposed") { $0[0].matmul($0[1], transposingSelf: true, transposingOther: true) },
    row("matmul batched") { $0[0].matmul($0[1]) },
    row("matmul batched transposed") { $0[0].matmul($0[1], transposingOther: true) },
    row("matmul shared") { $0[0].matmul($0[1]) }, row("linear") { $0[0].linear($0[1], bias: $0[2]) },
    row("attention") { attention($0, mask: nil) },
    row("attention causal") {
      attention($0, mask: Tensor((0..<16).map { $0 % 4 > $0 / 4 ? -.infinity : 0 }, shape: [4, 4]))
    },
  ]

  /// The golden numbers have heads before tokens.
  private static func attention(_ inputs: [Tensor], mask: Tensor?) -> Tensor {
    let rows = inputs.map { $0.transposed(1, 2) }
    return rows[0].attention(keys: rows[1], values: rows[2], mask: mask).transposed(1, 2)
  }

  private static let shapes = [
    row("reshaped") { $0[0].reshaped([4, -1]) }, row("permuted") { $0[0].permuted([2, 0, 3, 1]) },
    row("permuted runs") { $0[0].permuted([1, 0, 2]) }, row("sliced") { $0[0].sliced(axis: 1, 1..<3) },
    row("split") { inputs in
      let parts = inputs[0].split(axis: 1, [1, 2, 1])
      // The last part is not used: its gradient is zero.
      return parts[0].broadcast(to: parts[1].shape) * parts[1] + parts[1]
    },
    row("padded") { $0[0].padded(axis: 1, before: 1, after: 2) }, row("broadcast") { $0[0].broadcast(to: [3, 4, 5]) },
    row("concatenated") { .concatenated($0, axis: 1) }, row("stacked") { .stacked($0, axis: 1) },
    row("gathered") { $0[0].gathered([2, 0, 2, 1]) }, row("gathered columns") { $0[0].gathered([1, 1, 3], axis: 1) },
    row("gathered per item") {
      $0[0].gathered(perItem: IndexTensor([2, 0, 2, 1, 2, 1, 1, 3, 0, 3], shape: [2, 5], below: 4))
    },
  ]

  private static let norms = [
    row("layerNorm") { $0[0].layerNorm(scale: $0[1], bias: $0[2]) },
    row("layerNorm plain") { $0[0].layerNorm(scale: nil, bias: nil) }, row("rmsNorm") { $0[0].rmsNorm(scale: $0[1]) },
    row("groupNorm") { $0[0].groupNorm(groups: 3, scale: $0[1], bias: $0[2]) },
    row("batchNorm") { $0[0].batchNorm(mean: $0[1], variance: $0[2], scale: $0[3], bias: $0[4]) },
    row("batchNormTraining") { $0[0].batchNormTraining(scale: $0[1], bias: $0[2]).output },
  ]

  private static let convolutions = [
    row("conv2d") { $0[0].conv2d($0[1], bias: $0[2], padding: 1) },
    row("conv2d strided") { $0[0].conv2d($0[1], bias: $0[2], stride: 2, padding: 3) },
    row("conv2d 1x1") { $0[0].conv2d($0[1], bias: $0[2]) },
    row("conv2d 1x1 strided") { $0[0].conv2d($0[1], bias: $0[2], stride: 2) },
    row("conv1d") { $0[0].conv1d($0[1], bias: $0[2], padding: 2) },
    row("conv1d strided") { $0[0].conv1d($0[1], bias: $0[2], stride: 2, padding: 1) },
    row("convTransposed1d") { $0[0].convTransposed1d($0[1], bias: $0[2], stride: 2, padding: 1) },
    row("maxPool2d") { $0[0].maxPool2d(size: 3, stride: 2, padding: 1) },
    row("averagePool2d") { $0[0].averagePool2d(size: 2, stride: 2) },
  ]

  /// The other ways to work the same out: see `ConvolutionPlan.Method`, `AttentionPlan`.
  private static let ways = [
    row("conv2d winograd") { $0[0].conv2d($0[1], bias: $0[2], padding: 1) },
    row("conv2d winograd unpadded") { $0[0].conv2d($0[1], bias: $0[2]) },
    row("conv2d winograd far") { $0[0].conv2d($0[1], bias: $0[2], padding: 2) },
    row("conv2d positions") { $0[0].conv2d($0[1], bias: $0[2], padding: 1) },
    row("conv2d positions strided") { $0[0].conv2d($0[1], bias: $0[2], stride: 2, padding: 1) },
    row("conv1d positions") { $0[0].conv1d($0[1], bias: $0[2], padding: 2) },
    row("conv1d positions strided") { $0[0].conv1d($0[1], bias: $0[2], stride: 2, padding: 1) },
    row("convTransposed1d positions") { $0[0].convTransposed1d($0[1], bias: $0[2], stride: 2, padding: 1) },
    row("attention blocks") {
      $0[0].attention(
        keys: $0[1], values: $0[2],
        mask: Tensor((0..<400).map { $0 % 20 > $0 / 20 ? -.infinity : 0 }, shape: [20, 20]))
    },
    row("attention biased") {
      $0[0].attention(
        keys: $0[1], values: $0[2], mask: Tensor((0..<60).map { -1 + 2 * Float($0) / 59 }, shape: [1, 2, 5, 6]))
    },
    row("recomputed") { recomputed($0[0]) { $0.gelu() * $0 } },
    row("linear rows") { $0[0].linear($0[1], bias: $0[2]) }, row("matmul wide") { $0[0].matmul($0[1]) },
  ]

  /// What a pass over channels takes along.
  private static let finishes = [
    row("groupNorm relu added") {
      $0[0].groupNorm(groups: 3, scale: $0[1], bias: $0[2], adding: $0[3], finish: .relu)
    },
    row("groupNorm mish") { $0[0].groupNorm(groups: 3, scale: $0[1], bias: $0[2], finish: .mish) },
    row("groupNorm silu added") {
      $0[0].groupNorm(groups: 3, scale: $0[1], bias: $0[2], adding: $0[3], finish: .silu)
    },
    row("groupNorm plain added") { $0[0].groupNorm(groups: 3, scale: $0[1], bias: $0[2], adding: $0[3]) },
    row("batchNormTraining relu added") {
      $0[0].batchNormTraining(scale: $0[1], bias: $0[2], adding: $0[3], finish: .relu).output
    },
    row("modulated") { $0[0].modulated(scale: $0[1]) },
    row("modulated images") { $0[0].modulated(scale: $0[1], bias: $0[2]) },
    row("modulated mish") { $0[0].modulated(scale: $0[1], bias: $0[2], finish: .mish) },
    row("modulated gate") { $0[0].modulated(scale: $0[1], adding: $0[2]) },
    row("modulated relu added") { $0[0].modulated(scale: $0[1], bias: $0[2], adding: $0[3], finish: .relu) },
  ]

  private static func splat(_ inputs: [Tensor], width: Int, height: Int) -> Tensor {
    Tensor.splatted(
      means: inputs[0], scales: inputs[1], rotations: inputs[2], colors: inputs[3], opacities: inputs[4],
      view: SplattingView(
        width: width, height: height, focal: SIMD2(25, 27), center: SIMD2(18, 17.5),
        rotation: [SIMD3(0.955336489, 0, 0.295520207), SIMD3(0, 1, 0), SIMD3(-0.295520207, 0, 0.955336489)],
        translation: SIMD3(0.1, -0.05, 0.4)), background: SIMD3(0.2, 0.5, 0.1))
  }

  private static let splats = [
    row("splatted") { splat($0, width: 20, height: 18) }, row("splatted many") { splat($0, width: 37, height: 34) },
  ]

  private static let harmonics =
    [
      row("sphericalHarmonicColors degree 0") {
        .sphericalHarmonicColors(means: .zeros([12, 3]), coefficients: $0[0], from: SIMD3(0.5, -0.25, -1))
      }
    ]
    + (1...3).map { degree in
      row("sphericalHarmonicColors degree \(degree)") {
        .sphericalHarmonicColors(means: $0[0], coefficients: $0[1], from: SIMD3(0.5, -0.25, -1))
      }
    }
}

extension GoldenOperation {
  /// PyTorch's numbers for every row.
  package static let golden = try! Golden("tensors", "kernels", "splatting")

  /// How the reference's file calls this: it was written before the toolkit took to American spelling.
  private var stored: String { name.replacingOccurrences(of: "Colors", with: "Colours") }

  package var inputs: [Tensor] {
    (0...).lazy.map { Self.golden.tensors["\(stored)/in\($0)"] }.prefix { $0 != nil }.map { $0! }
  }
  package var outputGradient: Tensor { Self.golden["\(stored)/up"] }
  package var expected: Tensor { Self.golden["\(stored)/out"] }
  package func expectedGradient(_ input: Int) -> Tensor { Self.golden["\(stored)/grad\(input)"] }

  /// The gradients of the sum of the result times `outputGradient`.
  package func gradients(_ inputs: [Tensor]) -> [Tensor?] {
    let parameters = inputs.map { Parameter($0) }
    let (_, gradients) = withGradients(random: Random(seed: 1)) {
      (apply(parameters.map(\.value)) * outputGradient).sum()
    }
    return parameters.map { gradients[$0] }
  }
}
