import CUDA
import Foundation
import Support
import Tensors
import Testing

/// One after the other: the fake's faults and settings are those of the process.
@Suite(.serialized) enum FakeGPUTests {}

extension FakeGPUTests {
  /// Every operation of the table on the fake device, against PyTorch's numbers.
  @Suite struct OperationTests {
    @Test(arguments: GoldenOperation.all) func equalsPyTorch(_ operation: GoldenOperation) throws {
      try compare(operation, on: FakeDevice.exact, value: 1e-4, gradient: 1e-3)
    }

    /// With the factors of products rounded to 10 bits.
    @Test(arguments: GoldenOperation.all) func equalsPyTorchRounded(_ operation: GoldenOperation) throws {
      try compare(operation, on: FakeDevice.tf32, value: 2e-3, gradient: 5e-3)
    }

    /// To 7 bits: what products take part in.
    @Test(arguments: GoldenOperation.all.filter { $0.name.contains(/conv|linear|matmul|attention|product/) })
    func equalsPyTorchInBFloat16(_ operation: GoldenOperation) throws {
      try compare(operation, on: FakeDevice.bf16, value: 2e-2, gradient: 4e-2)
    }

    /// Convolutions in several pieces, which begin at addresses that are no multiples of 16.
    @Test(arguments: GoldenOperation.all.filter { $0.name.hasPrefix("conv") })
    func equalsPyTorchInPieces(_ operation: GoldenOperation) throws {
      try compare(operation, on: FakeDevice.chunked, value: 1e-4, gradient: 1e-3)
    }

    /// More items, and more rows, than cuBLASLt multiplies at once.
    @Test func largeProducts() {
      var random = Random(seed: 8)
      for (a, b): (Tensor, Tensor) in [
        (.normal([40_000, 1, 2], random: &random), .normal([40_000, 2, 1], random: &random)),
        (.normal([1_100_000, 2], random: &random), .normal([2, 1], random: &random)),
      ] {
        let found = Device.with(FakeDevice.exact) { a.matmul(b) }
        #expect(relativeError(found, a.matmul(b)) < 1e-6)
      }
    }

    /// Sums of large numbers that cancel: rounded factors would leave nothing of them.
    @Test func preciseProducts() {
      let values: [Float] = [1000.3, -2000.3, 1000.1, 1.5]
      let (x, y) = (Tensor(values, shape: [1, 4]), Tensor([1.1, 1.1, 1.1, 1], shape: [4, 1]))
      let expected = x.matmul(y).item
      Device.with(FakeDevice.tf32) {
        #expect(abs(x.matmul(y).item - expected) > 0.1)
        #expect(abs(x.matmul(y, precisely: true).item - expected) < 1e-3)
        let (a, b) = (Parameter(x), Parameter(y))
        let (_, gradients) = withGradients(random: nil) { a.value.matmul(b.value, precisely: true).sum() }
        #expect(gradients[a]!.scalars == y.scalars && gradients[b]!.scalars == x.scalars)
      }
    }

    /// Pixels go up once, whoever uses them; offsets each time.
    @Test func pixelsGoUpOnce() {
      let pixels = ByteTensor((0..<2 * 6 * 5 * 3).map { UInt8($0) }, shape: [2, 6, 5, 3])
      let device = FakeDevice.exact
      func crops() -> [[Float]] {
        [[(y: 0, x: 0), (y: 2, x: 1)], [(y: 1, x: 1), (y: 1, x: 0)]].map {
          Tensor.images(pixels, crop: (4, 4), offsets: $0).scalars
        }
      }
      let before = device.transfers
      let found = Device.with(device) { crops() }
      let copied = device.transfers.since(before)
      #expect(copied.uploads == 3 && copied.uploadedBytes == 180 + 2 * 16, "\(copied)")
      #expect(found == crops())
    }

    private func compare(_ operation: GoldenOperation, on device: CUDADevice, value: Float, gradient bar: Float) throws
    {
      let (out, gradients) = Device.with(device) {
        (operation.apply(operation.inputs), operation.gradients(operation.inputs))
      }
      try device.check()
      #expect(out.shape == operation.expected.shape)
      #expect(relativeError(out, operation.expected) < value)
      for (index, gradient) in gradients.enumerated() {
        let gradient = try #require(gradient, "no gradient for input \(index)")
        #expect(relativeError(gradient, operation.expectedGradient(index)) < bar, "input \(index)")
      }
      try device.check()
    }

    /// What `imitate cuda --check` runs is right, and is every kernel there is: none is left to the processor or unused.
    @Test func everyKernelIsChecked() throws {
      FakeDevice.with([]) {}  // counts from 0
      for device in [FakeDevice.exact, FakeDevice.tf32, FakeDevice.bf16] {
        let checking = CUDACheck(device, size: 3)
        for one in checking.cases {
          let row = try checking.run(one)
          #expect(row.isRight, "\(row)")
        }
      }
      let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appending(path: "../../Sources/CUDA/Kernels").standardizedFileURL
      var names: [String] = []
      for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) {
        let text = try String(contentsOf: file, encoding: .utf8)
        names += text.matches(of: /KERNEL\w*\((cuda_\w+), cuda_/).map { String($0.output.1) }
      }
      for width in [8, 16, 32, 64, 128] {
        for kind in ["", "bf16_", "strict_"].flatMap({ rounding in ["", "dq_", "dkv_"].map { rounding + $0 } }) {
          names.append("cuda_attention_\(kind)\(width)")
        }
      }
      #expect(names.count > 70)
      #expect(names.filter { FakeDevice.calls($0) == 0 } == [])
    }
  }
}
