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

    /// No operation of policies and world models is left to the processor.
    @Test func everyOperationRunsOnTheDevice() throws {
      let checking = CUDACheck(FakeDevice.exact, size: 3)
      for one in checking.cases {
        let row = try checking.run(one)
        #expect(row.isRight, "\(row)")
        #expect(row.downloads == 0, "\(row.name) copies back")
        #expect(row.launches > 0, "\(row.name) launches nothing")
      }
    }
  }
}
