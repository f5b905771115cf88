import CUDA
import Encoders
import Foundation
import Imitation
import Layers
import Policies
import Support
import Synchronization
import Tensors
import Testing

extension FakeGPUTests {
  /// Whole steps of training on the fake device beside the processor.
  @Suite struct TrainingTests {
    private static let size = 24

    /// Frames of one camera, two numbers and an instruction, with actions to learn.
    private func batch(_ rows: Int, context: Int, horizon: Int, _ step: Int) -> Batch {
      var random = Random(seed: 5).split(step)
      let bytes = (0..<rows * context * Self.size * Self.size * 3).map { _ in UInt8(random.below(256)) }
      let images = ImageBatch(
        batch: rows, time: context, size: .init(height: Self.size, width: Self.size), pixels: bytes)
      let frames = [rows, context, Self.size * Self.size]
      var other = random.split(1)
      let camera = CameraCalibration(fieldOfView: 45, size: images.size)
      let seen = ObservationBatch(
        images: ["left_image": images],
        vectors: [
          "x": .normal([rows, context, 2], random: &random), "left_depth": .uniform(frames, 0.5...1.5, random: &other),
          "left_calibration": Tensor(
            (0..<rows * context).flatMap { _ in camera.numbers }, shape: [rows, context, CameraCalibration.width]),
        ],
        instructions: (0..<rows).map { $0 % 2 == 0 ? "open" : "close" }, time: context)
      return Batch(
        observations: seen, actions: .uniform([rows, horizon, 3], -1...1, random: &random),
        mask: .ones([rows, horizon]))
    }

    private func encoder(_ random: inout Random) throws -> any ObservationEncoder {
      var context = EncoderContext(
        schema: ObservationSchema(
          images: ["left_image": .init(height: Self.size, width: Self.size)], vectors: ["x": 2]),
        vocabulary: ["close", "open"])
      context.parts = Catalog().adding(WordEncoder.self)
      let options = try SmallEncoder.Options(Setting(json: #"{"crop": 20, "channels": 16, "keypoints": 8}"#))
      return try SmallEncoder(options: options, context: context, random: &random)
    }

    private func transformer(_ encoder: (any ObservationEncoder)? = nil) throws -> BCTransformer {
      var random = Random(seed: 2)
      let options = try BCTransformer.Options(
        Setting(json: #"{"context": 2, "horizon": 2, "width": 32, "layers": 2, "heads": 4}"#))
      return try BCTransformer(
        options: options, encoder: encoder ?? self.encoder(&random), actionWidth: 3, random: &random)
    }

    /// The points that the camera sees, some of which are chosen.
    private func pointsEncoder() throws -> PointsEncoder {
      var (random, context) = (
        Random(seed: 3),
        EncoderContext(
          schema: ObservationSchema(
            images: ["left_image": .init(height: Self.size, width: Self.size)],
            vectors: ["x": 2, "left_depth": Self.size * Self.size, "left_calibration": CameraCalibration.width]),
          vocabulary: ["close", "open"])
      )
      context.parts = Catalog().adding(WordEncoder.self)
      let options = try PointsEncoder.Options(
        Setting(json: #"{"count": 40, "color": true, "features": 8, "workspace": [-0.3, -0.3, 0.7, 0.3, 0.3, 1.2]}"#))
      return try PointsEncoder(options: options, context: context, random: &random)
    }

    private func unet() throws -> DiffusionUnet {
      var random = Random(seed: 2)
      let options = try DiffusionUnet.Options(
        Setting(json: #"{"widths": [16, 32], "step_width": 16, "horizon": 8, "context": 2}"#))
      return try DiffusionUnet(options: options, encoder: encoder(&random), actionWidth: 3, random: &random)
    }

    /// The gradients of one loss, by parameter in their order.
    private func gradients(_ policy: some Policy, _ batch: Batch, on device: CUDADevice?) throws -> (
      loss: Float, gradients: [(name: String, tensor: Tensor)]
    ) {
      Device.with(device) {
        let (loss, found) = withGradients(random: Random(seed: 4)) { policy.loss(on: batch).loss }
        let named = policy.parameters().compactMap { name, parameter in found[parameter].map { (name, $0) } }
        return (loss.item, named)
      }
    }

    private func size(_ x: Tensor) -> Float { x.square().sum().item.squareRoot() }

    private func compare(
      _ policy: some Policy, horizon: Int,
      on devices: [(CUDADevice, Float)] = [
        (FakeDevice.exact, 2e-4), (FakeDevice.tf32, 3e-2), (FakeDevice.bf16, 2e-1),
      ]
    ) throws {
      let batch = batch(4, context: 2, horizon: horizon, 0)
      let expected = try gradients(policy, batch, on: nil)
      for (device, bar) in devices {
        let found = try gradients(policy, batch, on: device)
        try device.check()
        #expect(abs(found.loss - expected.loss) < bar * max(1, abs(expected.loss)))
        #expect(found.gradients.count == expected.gradients.count)
        // Those that are nothing but rounding have no direction.
        let largest = expected.gradients.map { size($0.tensor) }.max()!
        for ((name, a), (_, b)) in zip(found.gradients, expected.gradients) {
          #expect(size(a - b) < bar * max(size(b), 1e-3 * largest), "\(name)")
        }
      }
    }

    @Test func gradientsOfBCTransformer() throws { try compare(transformer(), horizon: 2) }
    @Test func gradientsOfDiffusion() throws { try compare(unet(), horizon: 8) }
    /// Rounded factors would choose other points' features as the largest.
    @Test func gradientsOfPoints() throws {
      try compare(transformer(pointsEncoder()), horizon: 2, on: [(FakeDevice.exact, 2e-4)])
    }

    /// Policies trained so far: each has steps of its own.
    private static let count = Atomic(0)

    private struct Trained {
      var weights, averages: [String: [Float]]
      /// Copied in the last step.
      var last: CUDATransfers
      /// Of all steps.
      var losses: [Float] = []
      var hasFailed = false
      /// Launched as graphs.
      var graphs: Int
      /// Calls that launched one kernel, in the last step.
      var launches = 0
    }

    /// - Parameters:
    ///   - rows: of the batch of a step.
    ///   - during: done in the middle of a step, with its loss.
    private func trained(
      _ steps: Int, on device: CUDADevice, _ policy: (any Policy)? = nil, horizon: Int = 2,
      rows: (Int) -> Int = { _ in 4 }, during: (Int, Tensor) -> Tensor = { $1 }
    ) throws -> Trained {
      let policy = try policy ?? transformer()
      var average: ExponentialMovingAverage? = ExponentialMovingAverage(.power(0.75), of: policy)
      var optimizer = AdamW([.init(policy.parameters(), weightDecay: 0.01)])
      var log = GradientLog(rows: steps)
      let (graphs, name) = (device.graphLaunches, "step \(Self.count.add(1, ordering: .relaxed).newValue)")
      var result = Trained(weights: [:], averages: [:], last: device.transfers, graphs: 0)
      Device.with(device) {
        for step in 0..<steps {
          let batch = batch(rows(step), context: 2, horizon: horizon, step)
          let before = (device.transfers, FakeDevice.calls("cuLaunchKernel"))
          Device.repeated(name) {
            let (loss, gradients) = withGradients(random: Random(seed: 4).split(step)) {
              during(step, policy.loss(on: batch).loss)
            }
            let found = policy.parameters().compactMap { gradients[$0.parameter] }
            let factor = log.clip(found, maximum: 10, loss: loss, step: step)
            optimizer.step(gradients, learningRate: 1e-3 * Float(step + 1), gradientScale: factor, average: &average)
          }
          result.last = device.transfers.since(before.0)
          result.launches = FakeDevice.calls("cuLaunchKernel") - before.1
        }
        let read = log.read()
        (result.losses, result.hasFailed) = ((0..<steps).map { read.steps($0).loss }, read.hasFailed)
      }
      try device.check()
      result.graphs = device.graphLaunches - graphs
      result.weights = policy.snapshot().mapValues(\.scalars)
      result.averages = average!.weights.mapValues(\.scalars)
      return result
    }

    private func expectEqual(_ a: Trained, _ b: Trained, _ comment: Comment = "") {
      #expect(a.weights == b.weights, comment)
      #expect(a.averages == b.averages, comment)
      #expect(a.losses == b.losses, comment)
    }

    /// What came from the processor is counted there as what it was.
    @Test func memoryIsCountedByKind() throws {
      let device = FakeDevice.open(.float32)
      let policy = try transformer()
      var optimizer = AdamW([.init(policy.parameters(), weightDecay: 0)])
      var average: ExponentialMovingAverage?
      let report = Device.with(device) {
        let batch = batch(4, context: 2, horizon: 2, 0)
        let (_, gradients) = withGradients(random: Random(seed: 4)) { policy.loss(on: batch).loss }
        optimizer.step(gradients, learningRate: 1e-3, gradientScale: Tensor(1), average: &average)
        Memory.startCounting()
        return Memory.report
      }
      // Pieces are whole units of 512 bytes.
      let weights = policy.parameters().reduce(0) { $0 + ($1.parameter.value.count * 4 + 511) / 512 * 512 }
      #expect(report.peakByKind[.optimizer] == 2 * weights, "\(report) for \(weights)")
      try device.check()
    }

    @Test func stepsRepeatToTheBit() throws {
      let first = try trained(4, on: FakeDevice.exact)
      expectEqual(first, try trained(4, on: FakeDevice.exact))
      #expect(!first.hasFailed)
      #expect(first.weights.values.allSatisfy { $0.allSatisfy(\.isFinite) })
      #expect(first.weights != (try transformer().snapshot().mapValues(\.scalars)))
    }

    /// Whole steps as graphs: the same bits, and then nothing is launched by itself. Each step has another batch, another rate,
    /// other dropout and other noise.
    @Test func graphsGiveTheSameBits() throws {
      for (make, horizon) in [
        ({ try transformer() as any Policy }, 2), ({ try unet() as any Policy }, 8),
        // Which points are farthest is known on the device alone.
        ({ try transformer(pointsEncoder()) as any Policy }, 2),
      ] {
        let expected = try trained(9, on: FakeDevice.plain, try make(), horizon: horizon)
        #expect(expected.graphs == 0 && expected.launches > 100)
        let found = try trained(9, on: FakeDevice.exact, try make(), horizon: horizon)
        expectEqual(found, expected)
        #expect(found.graphs >= 4, "\(found.graphs)")
        #expect(found.launches == 0 && found.last.downloads == 0)
      }
    }

    /// Steps of another size, and steps that read a number on their way, end the recording: they are done piece by piece, and a
    /// new one is made.
    @Test func stepsThatDifferAreIssued() throws {
      func rows(_ step: Int) -> Int { step == 7 ? 1 : 2 }
      func during(_ step: Int, _ loss: Tensor) -> Tensor { step == 14 ? loss * loss.detached.item : loss }
      let expected = try trained(21, on: FakeDevice.plain, rows: rows, during: during)
      let found = try trained(21, on: FakeDevice.exact, rows: rows, during: during)
      expectEqual(found, expected)
      #expect(found.graphs >= 6 && found.launches == 0, "\(found.graphs)")
    }

    /// Whatever a step reads, whether it is recorded then, compared or neither: the same bits.
    @Test(arguments: 2..<8) func oneStepReads(_ read: Int) throws {
      func during(_ step: Int, _ loss: Tensor) -> Tensor { step == read ? loss * loss.detached.item : loss }
      let expected = try trained(9, on: FakeDevice.plain, rows: { _ in 1 }, during: during)
      expectEqual(try trained(9, on: FakeDevice.exact, rows: { _ in 1 }, during: during), expected)
    }

    /// Where every step reads, there is no graph; it is said once.
    @Test func stepsThatReadAreNotRecorded() throws {
      let device = FakeDevice.exact
      let told = Mutex<[String]>([])
      defer { device.tell = nil }
      device.tell = { line in told.withLock { $0.append(line) } }
      let found = try trained(34, on: device, rows: { _ in 1 }) { _, loss in loss * Tensor(1 + 0 * loss.detached.item) }
      #expect(found.graphs == 0)
      let lines = told.withLock { $0 }
      #expect(lines.count == 1 && lines.first?.contains("reads 1 numbers") ?? false, "\(lines)")
    }

    /// A driver that cannot record: the step is done all the same.
    @Test(arguments: ["cuStreamBeginCapture_v2", "cuGraphInstantiateWithFlags"]) func recordingMayFail(_ call: String)
      throws
    {
      let expected = try trained(8, on: FakeDevice.plain)
      let found = try FakeDevice.with([]) {
        FakeDevice.fail(call, 1, code: 900)
        return try trained(8, on: FakeDevice.exact)
      }
      expectEqual(found, expected)
      #expect(found.graphs == 0)
    }

    /// Predictions as graphs: what is seen and drawn differs each time, and so do the actions, to the same bits.
    @Test func predictionsAreGraphs() throws {
      for (policy, horizon): (any Policy, Int) in [(try transformer(), 2), (try unet(), 8)] {
        func actions(_ device: CUDADevice) throws -> [[Float]] {
          try (0..<8).map { step in
            let seen = batch(1, context: 2, horizon: horizon, step).observations
            var randoms = [Random(seed: 3).split(step)]
            return try Device.with(device) {
              let numbers = policy.actions(for: seen, randoms: &randoms).scalars
              try device.check()
              return numbers
            }
          }
        }
        let expected = try actions(FakeDevice.plain)
        let graphs = FakeDevice.exact.graphLaunches
        #expect(try actions(FakeDevice.exact) == expected)
        #expect(FakeDevice.exact.graphLaunches - graphs >= 3, "\(FakeDevice.exact.graphLaunches - graphs)")
        #expect(Set(expected).count == 8)
      }
    }

    /// From a loss on that is none, nothing changes any more, as graph or not.
    @Test(arguments: [true, false]) func noWeightChangesAfterAFailure(_ graphs: Bool) throws {
      func during(_ step: Int, _ loss: Tensor) -> Tensor {
        // By numbers that come from the processor, so that the step's work is that of the others.
        loss * Tensor([step == 7 ? .nan : 1], shape: [])
      }
      let device = graphs ? FakeDevice.exact : FakeDevice.plain
      let found = try trained(10, on: device, during: during)
      let before = try trained(7, on: device, during: during)
      #expect(found.hasFailed && !before.hasFailed)
      #expect(found.weights == before.weights)
      #expect(found.losses[7].isNaN && found.losses[8].isFinite && Array(found.losses[..<7]) == before.losses)
      #expect((found.graphs > 0) == graphs)
    }

    /// Weights and moments stay there: a step brings its batch, and reads nothing.
    @Test func stepsCopyTheirBatchOnly() throws {
      for (policy, horizon): (any Policy, Int) in [(try transformer(), 2), (try unet(), 8)] {
        let last = try trained(3, on: FakeDevice.exact, policy, horizon: horizon).last
        #expect(last.downloads == 0, "\(last)")
        let pixels = 4 * 2 * Self.size * Self.size * 3
        #expect(last.uploadedBytes < pixels + 64 << 10, "\(last)")
      }
    }

    /// A stream that runs late and one that runs at once, threads forwards and backwards: who reads too early would show.
    @Test(arguments: ["FAKE_CUDA_MODE=eager", "FAKE_CUDA_BACKWARDS=1"]) func orderDoesNotMatter(_ setting: String)
      throws
    {
      let expected = try trained(3, on: FakeDevice.exact)
      let found = try FakeDevice.with([setting]) { try trained(3, on: FakeDevice.exact) }
      expectEqual(found, expected)
    }
  }
}
