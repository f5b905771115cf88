import Foundation
import ImitationKit
import Synchronization

extension BenchmarkCase {
  static var all: [BenchmarkCase] {
    var cases =
      [gemm] + networks + [
        imitation, optimizer, smallOperation, farthestPoints, chamfer, splatting, splattingBack, windows, link,
      ]
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
    let threads = Threads.isSerial ? 1 : ProcessorCores.count
    return Subject(
      operations: 2 * 1024 * 1024 * 1024, bytes: 3 * 4 * 1024 * 1024,
      reference: ("OpenBLAS", { plain.run(threads: threads) }), run: { _ = a.matmul(b) })
  }

  /// What an environment in a process of its own costs a step, next to its own work.
  static let link = BenchmarkCase(
    name: "environment-link", about: "100 steps of an environment in another process, 3 cameras of 128x128"
  ) {
    let environment = try ProcessEnvironment(
      kind: "echo", command: [WorkerPool.program, "serve-environment", "none", "--echo"],
      process: ProcessOptions { $0.frozenAfter = 0 })
    _ = try environment.reset(EpisodeSpec(task: "echo", seed: 1, pool: .training))
    let action = [Float](repeating: 0.5, count: 7)
    return Subject(items: 100, unit: "steps") { for _ in 0..<100 { _ = try environment.step(action) } }
  }

  static func gradients(_ loss: () -> Tensor) -> Gradients { withGradients(random: Random(seed: 1), loss).1 }

  static let smallOperation = BenchmarkCase(
    name: "recorded-operation", about: "10,000 additions of eight numbers, recorded, one after another"
  ) {
    let (start, one) = (Parameter(.ones([8])), Tensor.ones([8]))
    return Subject(items: 10_000, unit: "operations") {
      _ = gradients {
        var x = start.value
        for _ in 0..<10_000 { x = x + one }
        return Tensor(x.scalars[0])  // not walked back: this is the price of recording
      }
    }
  }

  /// The parameters of six blocks of width 512, with gradients that stay the same.
  static let optimizer = BenchmarkCase(name: "adamw-19m", about: "one AdamW step over 19 M parameters") {
    var random = Random(seed: 1)
    let matrices = Array(repeating: [512, 512], count: 24) + Array(repeating: [512, 2048], count: 12)
    let vectors = Array(repeating: [512], count: 60) + Array(repeating: [2048], count: 6)
    let parameters = (matrices + vectors).enumerated().map { index, shape in
      (name: "\(index)", parameter: Parameter(Tensor.uniform(shape, -1...1, random: &random)))
    }
    let (_, gradients) = withGradients(random: random) {
      parameters.reduce(Tensor(0)) { $0 + $1.parameter.value.square().mean() }
    }
    var optimizer = AdamW([.init(parameters, weightDecay: 0.01)])
    let count = parameters.reduce(0) { $0 + $1.parameter.value.count }
    return Subject(bytes: Double(7 * 4 * count)) { optimizer.step(gradients, learningRate: 1e-4) }
  }

  static let farthestPoints = BenchmarkCase(name: "fps-2048", about: "2048 points of 16,384 as far apart as can be") {
    var random = Random(seed: 1)
    let cloud = Tensor.normal([1, 16_384, 3], random: &random)
    return Subject { _ = cloud.farthestPoints(2048) }
  }

  /// One Gaussian a pixel, as wide as a pixel, on a surface with a few steps.
  private static func gaussians() -> (inputs: [Parameter], view: SplattingView) {
    var random = Random(seed: 1)
    let side = 128
    var means: [Float] = []
    for y in 0..<side {
      for x in 0..<side {
        let depth = 2 + Float((x / 32 + y / 48) % 3) / 4 + Float(random.uniform(-0.01...0.01))
        means += [(Float(x) + 0.5 - 64) / 128 * depth, (Float(y) + 0.5 - 64) / 128 * depth, depth]
      }
    }
    let count = side * side
    let inputs = [
      Tensor(means, shape: [count, 3]), .filled([count, 3], with: 0.8 * 2.25 / 128),
      .normal([count, 4], random: &random),
      .uniform([count, 3], 0...1, random: &random), .uniform([count], 0.5...0.95, random: &random),
    ]
    let view = SplattingView(width: side, height: side, focal: SIMD2(128, 128), center: SIMD2(64, 64))
    return (inputs.map { Parameter($0) }, view)
  }

  private static func splatted(_ p: [Parameter], _ view: SplattingView) -> Tensor {
    .splatted(
      means: p[0].value, scales: p[1].value, rotations: p[2].value, colors: p[3].value, opacities: p[4].value,
      view: view)
  }

  static let splatting = BenchmarkCase(
    name: "splat-128-forward", about: "16,384 Gaussians of about 0.8 pixels on an image of 128x128"
  ) {
    let (inputs, view) = gaussians()
    return Subject { _ = splatted(inputs, view) }
  }

  static let splattingBack = BenchmarkCase(name: "splat-128", about: "the same with the gradients of all their numbers")
  {
    let (inputs, view) = gaussians()
    return Subject { _ = gradients { splatted(inputs, view).square().mean() } }
  }

  static let chamfer = BenchmarkCase(
    name: "chamfer-2048", about: "Chamfer distance of two sets of 2048 points, with both gradients"
  ) {
    var random = Random(seed: 1)
    let (a, b) = (
      Parameter(.normal([1, 2048, 3], random: &random)), Parameter(.normal([1, 2048, 3], random: &random))
    )
    return Subject { _ = gradients { a.value.chamferDistance(to: b.value).sum() } }
  }

  /// Windows read at random from a file of the layout that `imitate record` writes, nothing kept in memory.
  static let windows = BenchmarkCase(
    name: "hdf5-windows", about: "windows of 10 frames from 3 cameras of 128x128, read from the file each time"
  ) {
    let cameras = ["robot0_agentview_left_image", "robot0_agentview_right_image", "robot0_eye_in_hand_image"]
    let path = try writeDemonstrations(cameras: cameras, size: 128)
    defer { unlink(path) }  // open files stay readable
    var random = Random(seed: 1)
    let demonstrations = try Demonstrations(.init([.init(path: path)], images: cameras, vectors: [], memory: 0))
    let window = Window(observations: -9...0, actions: 0...9)
    return Subject(bytes: Double(8 * 10 * 3 * 128 * 128 * 3), items: 8, unit: "windows") {
      let indices = (0..<8).map { _ in EpisodeStep(episode: random.below(4), step: 9 + random.below(50)) }
      _ = try demonstrations.batch(indices, window: window)
    }
  }

  /// Every frame of every camera of a file, from the disk's cache to pixels.
  static func frames(file path: String) -> BenchmarkCase {
    BenchmarkCase(name: "frames", about: "every frame of \(path), inflated or decoded") {
      let file = try DemonstrationFile(path: path)
      let cameras = try file.demos.flatMap { demo in
        try file.observations(of: demo).images.map { "data/\(demo)/obs/\($0)" }
      }
      let bytes = try cameras.reduce(0) { sum, path in
        try sum + (file.hdf5.camera(path).map { $0.count * $0.height * $0.width * 3 } ?? 0)
      }
      return Subject(items: Double(bytes) / 1e6, unit: "megabytes") {
        for path in cameras { _ = try file.hdf5.images(path) }
      }
    }
  }

  /// From an observation to a chunk of actions, nothing shared with the prediction before.
  static func act(package folder: String) -> BenchmarkCase {
    BenchmarkCase(name: "act", about: "one prediction of \(folder)") {
      let package = try PolicyPackage(folder: folder)
      let agent = try TrainedPolicy(package, path: folder + "/policy.json", catalog: .standard).agent()
      let observations = try package.golden.observations(schema: agent.schema)
      let batch = Agent.batch([observations], schema: agent.schema)
      return Subject {
        var randoms = [Random(seed: 0)]
        _ = try agent.policy.actions(for: agent.normalizer.normalized(batch), randoms: &randoms).scalars
      }
    }
  }

  /// Random windows of a file, after one pass over all of it.
  static func loader(file path: String, memoryGigabytes: Double, workers: Int?) -> BenchmarkCase {
    BenchmarkCase(name: "loader", about: "windows of 10 frames and 10 actions at random, 16 a batch, from \(path)") {
      let file = try DemonstrationFile(path: path)
      let (images, vectors) = try file.observations(of: file.demos[0])
      let start = ContinuousClock.now
      let demonstrations = try Demonstrations(
        .init([.init(path: path)], images: images, vectors: vectors, memory: Int(memoryGigabytes * 1e9)))
      let window = Window(observations: -9...0, actions: 0...9)
      for (number, episode) in demonstrations.episodes.enumerated() {
        _ = try demonstrations.batch([.init(episode: number, step: episode.length - 1)], window: window)
      }
      let firstPass = (ContinuousClock.now - start) / .seconds(1)
      let episodes = demonstrations.episodes.enumerated().map { (number: $0, length: $1.length) }
      let sampler = WindowSampler(WindowPadding.both.indices(episodes, window: window), batch: 16, seed: 1)
      let order = Mutex<(epoch: Int, order: [Int])?>(nil)
      func batch(_ step: Int) throws -> Batch {
        try demonstrations.batch(order.withLock { sampler(step, order: &$0) }, window: window)
      }
      // It lives as long as the process.
      let loader = workers.map { Loader(from: 0, to: .max, workers: $0, batch) }
      var step = 0
      return Subject(items: 16, unit: "windows", facts: ["first_pass_seconds": firstPass]) {
        _ = try loader?(step) ?? batch(step)
        step += 1
      }
    }
  }

  /// Four demonstrations of 60 steps in a temporary file.
  static func writeDemonstrations(cameras: [String], size: Int, vectors: [String: Int] = [:]) throws -> String {
    let path = NSTemporaryDirectory() + "/imitate-benchmark-\(ProcessInfo.processInfo.processIdentifier).hdf5"
    var random = Random(seed: 1)
    try HDF5File.atomically(path) { file in
      try file.createGroup("data")
      for demo in 0..<4 {
        var episode = RecordedEpisode(
          actionWidth: 12, description: EpisodeDescription(metadata: "{\"lang\": \"benchmark\"}", model: ""))
        // Smooth images with some noise compress about as rendered ones do.
        for step in 0..<60 {
          let noise = UInt8(random.below(256))
          let pixels = (0..<size * size * 3).map {
            UInt8(truncatingIfNeeded: $0 / (3 * size) + step) ^ ($0 % 29 == 0 ? noise : 0)
          }
          let image = Image(width: size, height: size, pixels: pixels)
          episode.append(
            Observation(
              images: Dictionary(uniqueKeysWithValues: cameras.map { ($0, image) }),
              vectors: vectors.mapValues { width in (0..<width).map { _ in Float(random.normal()) } }),
            action: (0..<12).map { _ in Float(random.uniform(-1...1)) }, state: [0], success: false)
        }
        try file.write(episode, as: "data/demo_\(demo)")
      }
      try file.setText("{\"env_name\": \"benchmark\"}", of: "data", "env_args")
    }
    return path
  }

  #if Kitchenette
    static func kitchenette(_ name: String, cameras: Int) -> BenchmarkCase {
      BenchmarkCase(
        name: name, about: "20 control steps of OpenDrawer with \(cameras) cameras of 128x128, one core"
      ) {
        let simulator = try KitchenetteEnvironment(
          options: .init { $0.cameras = Array(KitchenetteEnvironment.Camera.allCases.prefix(cameras)) })
        _ = try simulator.reset(EpisodeSpec(task: "OpenDrawer", seed: 1, pool: .training))
        let still = [Float](repeating: 0, count: 10) + [0, -1]
        return Subject(items: 20, unit: "steps") { for _ in 0..<20 { _ = try simulator.step(still) } }
      }
    }
  #endif
}
