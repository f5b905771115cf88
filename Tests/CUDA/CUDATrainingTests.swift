import CUDA
import Encoders
import Foundation
import Imitation
import Layers
import Policies
import Support
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
      let seen = ObservationBatch(
        images: ["left_image": images], vectors: ["x": .normal([rows, context, 2], random: &random)],
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

    private func transformer() throws -> BCTransformer {
      var random = Random(seed: 2)
      let options = try BCTransformer.Options(
        Setting(json: #"{"context": 2, "horizon": 2, "width": 32, "layers": 2, "heads": 4}"#))
      return try BCTransformer(options: options, encoder: encoder(&random), actionWidth: 3, random: &random)
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

    private func compare(_ policy: some Policy, horizon: Int) throws {
      let batch = batch(4, context: 2, horizon: horizon, 0)
      let expected = try gradients(policy, batch, on: nil)
      for (device, bar): (CUDADevice, Float) in [(FakeDevice.exact, 2e-4), (FakeDevice.tf32, 3e-2)] {
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

    /// Weights and averages after some steps, and what was copied in the last of them.
    private func trained(
      _ steps: Int, on device: CUDADevice, _ policy: (any Policy)? = nil, horizon: Int = 2
    ) throws -> (
      weights: [String: [Float]], averages: [String: [Float]], last: CUDATransfers
    ) {
      let policy = try policy ?? transformer()
      var average: ExponentialMovingAverage? = ExponentialMovingAverage(.power(0.75), of: policy)
      var optimizer = AdamW([.init(policy.parameters(), weightDecay: 0.01)])
      var last = device.transfers
      try Device.with(device) {
        for step in 0..<steps {
          let batch = batch(4, context: 2, horizon: horizon, step)
          let before = device.transfers
          let (loss, gradients) = withGradients(random: Random(seed: 4).split(step)) { policy.loss(on: batch).loss }
          let (factor, norm) = clippingFactor(gradients, of: policy.parameters(), maximum: 10)
          try device.check()
          #expect(loss.item.isFinite && norm.isFinite)
          optimizer.step(gradients, learningRate: 1e-3, gradientScale: factor, average: &average)
          last = device.transfers.since(before)
        }
      }
      try device.check()
      return (policy.snapshot().mapValues(\.scalars), average!.weights.mapValues(\.scalars), last)
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
        optimizer.step(gradients, learningRate: 1e-3, gradientScale: 1, average: &average)
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
      let second = try trained(4, on: FakeDevice.exact)
      #expect(first.weights == second.weights)
      #expect(first.averages == second.averages)
      #expect(first.weights.values.allSatisfy { $0.allSatisfy(\.isFinite) })
      #expect(first.weights != (try transformer().snapshot().mapValues(\.scalars)))
    }

    /// Weights and moments stay there: a step brings its batch, and reads the loss and the norm.
    @Test func stepsCopyTheirBatchOnly() throws {
      for (policy, horizon): (any Policy, Int) in [(try transformer(), 2), (try unet(), 8)] {
        let last = try trained(3, on: FakeDevice.exact, policy, horizon: horizon).last
        #expect(last.downloads <= 2 && last.downloadedBytes <= 16, "\(last)")
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
      #expect(found.weights == expected.weights)
      #expect(found.averages == expected.averages)
    }
  }
}
