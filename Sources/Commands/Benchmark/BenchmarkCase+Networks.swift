import Foundation
import ImitationKit

// Whole networks, of the sizes of the PyTorch twins in Tests/Peers/pytorch_benchmark.py.
extension BenchmarkCase {
  static let networks = [
    resNetForward, resNetTraining, transformerTraining, diffusionTransformerTraining, diffusionTransformerForward,
    unetTraining, denoising,
  ]

  /// Multiplications and additions of one 84-pixel image through the trunk, counted layer by layer.
  private static func resNetOperations(size: Int) -> Double {
    func convolution(_ out: Int, _ kernel: Int, _ inputs: Int, _ outputs: Int) -> Double {
      2 * Double(out * out * kernel * kernel * inputs * outputs)
    }
    var side = (size + 1) / 2
    var total = convolution(side, 7, 3, 64)
    side = (side + 1) / 2
    var inputs = 64
    for (stage, outputs) in [64, 128, 256, 512].enumerated() {
      if stage > 0 {
        side = (side + 1) / 2
        total += convolution(side, 1, inputs, outputs)
      }
      total += convolution(side, 3, inputs, outputs) + 3 * convolution(side, 3, outputs, outputs)
      inputs = outputs
    }
    return total
  }

  private static func resNet(
    _ name: String, _ about: String, passes: Double, run: @escaping @Sendable (ResNet18, Tensor) -> Void
  ) -> BenchmarkCase {
    BenchmarkCase(name: name, about: about) {
      var random = Random(seed: 1)
      let trunk = ResNet18(norm: .group, random: &random)
      let images = Tensor.uniform([32, 84, 84, 3], 0...1, random: &random)
      return Subject(operations: passes * 32 * resNetOperations(size: 84), items: 32, unit: "images") {
        run(trunk, images)
      }
    }
  }

  static let resNetForward = resNet(
    "resnet18-forward", "ResNet-18 trunk with GroupNorm, 32 images of 84x84, no gradient", passes: 1
  ) { _ = $0($1) }

  static let resNetTraining = resNet("resnet18-train", "the same, forward and backward", passes: 3) { trunk, images in
    _ = gradients { trunk(images).square().mean() }
  }

  private struct Stack: Module {
    let blocks: [TransformerBlock]
  }

  static let transformerTraining = BenchmarkCase(
    name: "transformer-train", about: "6 blocks of width 512, 8 heads, 16x10 tokens, forward, backward and AdamW"
  ) {
    var random = Random(seed: 1)
    let stack = Stack(blocks: (0..<6).map { _ in TransformerBlock(width: 512, heads: 8, random: &random) })
    let tokens = Tensor.normal([16, 10, 512], random: &random)
    let parameters = stack.parameters()
    var optimizer = AdamW([.init(parameters, weightDecay: 0.01)])
    let products = Double(parameters.reduce(0) { $0 + $1.parameter.value.count })
    return Subject(operations: 6 * 160 * products, items: 160, unit: "tokens") {
      optimizer.step(gradients { stack.blocks.reduce(tokens) { $1($0) }.square().mean() }, learningRate: 1e-4)
    }
  }

  /// 12 blocks of width 384 over 512 tokens of 64 numbers, a noise level, and one token for the action.
  private struct DiffusionTransformer: Module {
    let embed, action, noiseFirst, noiseSecond: Linear
    let positions: Parameter
    let blocks: [DiffusionTransformerBlock]
    let modulation, head: Linear

    init(random: inout Random) {
      let width = 384
      embed = Linear(inputs: 64, outputs: width, random: &random)
      action = Linear(inputs: 12, outputs: width, random: &random)
      noiseFirst = Linear(inputs: 256, outputs: width, random: &random)
      noiseSecond = Linear(inputs: width, outputs: width, random: &random)
      positions = Parameter(.normal([512, width], deviation: 0.02, random: &random))
      blocks = (0..<12).map { _ in
        DiffusionTransformerBlock(width: width, heads: 6, condition: width, memoryWidth: width, random: &random)
      }
      modulation = Linear(inputs: width, outputs: 2 * width, random: &random)
      head = Linear(inputs: width, outputs: 64, random: &random)
    }

    func callAsFunction(_ input: Tensor, noise: [Float], action: Tensor) -> Tensor {
      let condition = noiseSecond(noiseFirst(SinusoidalEmbedding(width: 256, sinesFirst: false)(noise)).silu()).silu()
      let memory = self.action(action).unsqueezed(1)
      var x = embed(input) + positions.value
      for block in blocks { x = block(x, condition: condition, memory: memory) }
      let both = modulation(condition).split(axis: 1, [384, 384])
      return head(x.layerNorm(scale: nil, bias: nil, epsilon: 1e-6).modulated(scale: both[1] + 1, bias: both[0]))
    }

    /// Multiplications and additions of one token that do not fall away: a cross-attention to one token needs no queries.
    static let operationsPerToken = Double(12 * 2 * 12 * 384 * 384) + Double(12 * 4 * 512 * 384)
  }

  static let diffusionTransformerTraining = BenchmarkCase(
    name: "dit-train", about: "12 AdaLN-Zero blocks of width 384, 4x512 tokens, forward, backward and AdamW"
  ) {
    var random = Random(seed: 1)
    let network = DiffusionTransformer(random: &random)
    let (x, action) = (Tensor.normal([4, 512, 64], random: &random), Tensor.normal([4, 12], random: &random))
    var optimizer = AdamW([.init(network.parameters(), weightDecay: 0.01)])
    return Subject(operations: 3 * 2048 * DiffusionTransformer.operationsPerToken, items: 2048, unit: "tokens") {
      let found = gradients { network(x, noise: [0.1, 0.2, 0.3, 0.4], action: action).square().mean() }
      optimizer.step(found, learningRate: 1e-4)
    }
  }

  static let diffusionTransformerForward = BenchmarkCase(
    name: "dit-forward", about: "the same, one item, no gradient"
  ) {
    var random = Random(seed: 1)
    let network = DiffusionTransformer(random: &random)
    let (x, action) = (Tensor.normal([1, 512, 64], random: &random), Tensor.normal([1, 12], random: &random))
    return Subject(operations: 512 * DiffusionTransformer.operationsPerToken, items: 512, unit: "tokens") {
      _ = network(x, noise: [0.1], action: action)
    }
  }

  private static func unet(_ random: inout Random) throws -> ConditionalUnet1D {
    try ConditionalUnet1D(
      options: .init { $0.widths = [256, 512, 1024] }, horizon: 16, context: 2, features: 137, actionWidth: 10,
      random: &random)
  }

  static let unetTraining = BenchmarkCase(
    name: "unet1d-train", about: "Diffusion Policy's U-Net, 67 M parameters, 64x16x10, with AdamW and averaging"
  ) {
    var random = Random(seed: 1)
    let network = try unet(&random)
    let (actions, observations) = (
      Tensor.normal([64, 16, 10], random: &random), Tensor.normal([64, 2, 137], random: &random)
    )
    var optimizer = AdamW([.init(network.parameters(), weightDecay: 1e-6)], betas: (0.95, 0.999))
    var average = Optional(ExponentialMovingAverage(.constant(0.99), of: network))
    return Subject(items: 64, unit: "windows") {
      let found = gradients {
        network(actions, step: (0..<64).map(Float.init), observations: observations).square().mean()
      }
      optimizer.step(found, learningRate: 1e-4, gradientScale: Tensor(1), average: &average)
    }
  }

  static let denoising = BenchmarkCase(
    name: "ddim-10", about: "ten steps of DDIM with it, one window: reads all weights ten times"
  ) {
    var random = Random(seed: 1)
    let network = try unet(&random)
    let observations = Tensor.normal([1, 2, 137], random: &random)
    let sampler = DiffusionSampler(.ddim, schedule: NoiseSchedule(.squaredCosine, steps: 100), count: 10)
    let bytes = Double(network.parameters().reduce(0) { $0 + $1.parameter.value.count } * 4 * 10)
    return Subject(bytes: bytes, items: 1, unit: "windows") {
      var randoms = [Random(seed: 2)]
      _ = sampler.sample([16, 10], randoms: &randoms) { x, step in
        network(x, step: [Float(step)], observations: observations)
      }
    }
  }

  /// A training step of the whole path, as robomimic's `BC_Transformer_GMM`.
  static let imitation = BenchmarkCase(
    name: "bc-transformer-step",
    about: "BC-Transformer-GMM, 41.4 M parameters, 2 ResNet-18 on 16x10 frames cropped to 76, read from HDF5"
  ) {
    let cameras = ["robot0_agentview_left_image", "robot0_eye_in_hand_image"]
    let vectors = ["robot0_base_to_eef_pos": 3, "robot0_base_to_eef_quat": 4, "robot0_gripper_qpos": 2]
    let path = try writeDemonstrations(cameras: cameras, size: 84, vectors: vectors)
    defer { unlink(path) }  // open files stay readable
    let demonstrations = try Demonstrations(
      .init([.init(path: path)], images: cameras, vectors: vectors.keys.sorted(), memory: 1 << 30))
    var random = Random(seed: 1)
    var context = EncoderContext(schema: demonstrations.schema, vocabulary: [])
    context.parts = Catalog.standard
    let encoder = try ResNet18Encoder(
      options: .init { ($0.crop, $0.instruction) = (76, Choice(kind: NoTextEncoder.name)) }, context: context,
      random: &random)
    let policy = try BCTransformer(
      options: .init { $0.causal = true }, encoder: encoder, actionWidth: 12, random: &random)
    let parameters = policy.parameters().filter { $0.parameter.isTrainable }
    var optimizer = AdamW([.init(parameters, weightDecay: 0.01)])
    let episodes = demonstrations.episodes.enumerated().map { (number: $0, length: $1.length) }
    let sampler = WindowSampler(WindowPadding.both.indices(episodes, window: policy.view), batch: 16, seed: 1)
    var order: (epoch: Int, order: [Int])?
    var step = 0
    return Subject(items: 16, unit: "windows") {
      let batch = try demonstrations.batch(sampler(step, order: &order), window: policy.view)
      step += 1
      optimizer.step(gradients { policy.loss(on: batch).loss }, learningRate: 1e-4)
    }
  }
}
