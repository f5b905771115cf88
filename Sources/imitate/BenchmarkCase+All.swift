import Demonstrations
import Foundation
import Imitation
import Layers
import Simulation
import Tensors

extension BenchmarkCase {
  static var all: [BenchmarkCase] {
    var cases = [gemm, resNetForward, resNetTraining, transformerTraining, windows]
    #if Kitchenette
      cases += [kitchenette("kitchenette-blind", cameras: 0), kitchenette("kitchenette-cameras", cameras: 3)]
    #endif
    return cases
  }

  static let gemm = BenchmarkCase(name: "gemm-1024", about: "one product, 1024 cubed, against OpenBLAS called directly")
  {
    var random = Random(seed: 1)
    let a = Tensor.normal([1024, 1024], random: &random)
    let b = Tensor.normal([1024, 1024], random: &random)
    let plain = PlainProduct(size: 1024)
    let threads = ProcessInfo.processInfo.activeProcessorCount
    return Subject(
      operations: 2 * 1024 * 1024 * 1024, bytes: 3 * 4 * 1024 * 1024,
      reference: ("OpenBLAS", { plain.run(threads: threads) }), run: { _ = a.matmul(b) })
  }

  /// Multiplications and additions of one 84-pixel picture through the trunk, counted layer by layer.
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

  static let resNetForward = BenchmarkCase(
    name: "resnet18-forward", about: "ResNet-18 trunk with GroupNorm, 32 pictures of 84x84, no gradient"
  ) {
    var random = Random(seed: 1)
    let trunk = ResNet18(norm: .group, random: &random)
    let pictures = Tensor.uniform([32, 84, 84, 3], 0...1, random: &random)
    return Subject(operations: 32 * resNetOperations(size: 84), items: 32, unit: "images") { _ = trunk(pictures) }
  }

  static let resNetTraining = BenchmarkCase(
    name: "resnet18-train", about: "the same, forward and backward"
  ) {
    var random = Random(seed: 1)
    let trunk = ResNet18(norm: .group, random: &random)
    let pictures = Tensor.uniform([32, 84, 84, 3], 0...1, random: &random)
    return Subject(operations: 3 * 32 * resNetOperations(size: 84), items: 32, unit: "images") {
      _ = withGradients(random: Random(seed: 1)) { trunk(pictures).square().mean() }
    }
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
      let (_, gradients) = withGradients(random: Random(seed: 1)) {
        stack.blocks.reduce(tokens) { $1($0) }.square().mean()
      }
      optimizer.step(gradients, learningRate: 1e-4)
    }
  }

  /// Windows read at random from a file of the layout that `imitate record` writes, nothing kept in memory.
  static let windows = BenchmarkCase(
    name: "hdf5-windows", about: "windows of 10 frames from 3 cameras of 128x128, read from the file each time"
  ) {
    let path = NSTemporaryDirectory() + "/imitate-benchmark-\(ProcessInfo.processInfo.processIdentifier).hdf5"
    defer { unlink(path) }  // open files stay readable
    let cameras = ["robot0_agentview_left_image", "robot0_agentview_right_image", "robot0_eye_in_hand_image"]
    var random = Random(seed: 1)
    try HDF5File.atomically(path) { file in
      try file.createGroup("data")
      for demo in 0..<4 {
        var episode = RecordedEpisode(
          actionWidth: 12, description: EpisodeDescription(metadata: "{\"lang\": \"benchmark\"}", model: ""))
        // Smooth pictures with some noise compress about as rendered ones do.
        for step in 0..<60 {
          let noise = UInt8(random.below(256))
          let pixels = (0..<128 * 128 * 3).map {
            UInt8(truncatingIfNeeded: $0 / 384 + step) ^ ($0 % 29 == 0 ? noise : 0)
          }
          let image = Image(width: 128, height: 128, pixels: pixels)
          episode.append(
            Observation(images: Dictionary(uniqueKeysWithValues: cameras.map { ($0, image) })),
            action: Array(repeating: 0, count: 12), state: [0], success: false)
        }
        try file.write(episode, as: "data/demo_\(demo)")
      }
      try file.setText("{\"env_name\": \"benchmark\"}", of: "data", "env_args")
    }
    let demonstrations = try Demonstrations([.init(path: path)], images: cameras, vectors: [], memory: 0)
    let window = Window(observations: -9...0, actions: 0...9)
    return Subject(bytes: Double(8 * 10 * 3 * 128 * 128 * 3), items: 8, unit: "windows") {
      let indices = (0..<8).map { _ in WindowSampler.Index(episode: random.below(4), step: 9 + random.below(50)) }
      _ = try demonstrations.batch(indices, window: window)
    }
  }

  #if Kitchenette
    static func kitchenette(_ name: String, cameras: Int) -> BenchmarkCase {
      BenchmarkCase(
        name: name, about: "20 control steps of OpenDrawer with \(cameras) cameras of 128x128, one core"
      ) {
        let simulator = try Kitchenette(
          options: .init(imageSize: 128, cameras: Array(Kitchenette.Camera.allCases.prefix(cameras))))
        _ = try simulator.reset(task: "OpenDrawer", seed: 1, pool: .training)
        let still = [Float](repeating: 0, count: 10) + [0, -1]
        return Subject(items: 20, unit: "steps") { for _ in 0..<20 { _ = try simulator.step(still) } }
      }
    }
  #endif
}
