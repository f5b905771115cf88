import CUDA
import Files
import Foundation
import Support
import Tensors
import Testing

extension FakeGPUTests {
  /// What a user of a GPU runs into.
  @Suite struct FaultTests {
    private func sum(_ x: Tensor, on device: CUDADevice) -> Tensor { Device.with(device) { (x * x + 1).sum() } }

    @Test(arguments: [
      (["FAKE_CUDA_DEVICES=0"], CUDAError.noDevice),
      (["FAKE_CUDA_DEVICE=7.5"], .tooOld(name: "", capability: "7.5")),
      (["FAKE_CUDA_DEVICE=15.0"], .compilerTooOld(version: "", capability: "15.0")),
      (["FAKE_CUDA_DRIVER=11040"], .driverTooOld(version: "11.4")),
    ]) func unusableMachines(_ settings: [String], _ error: CUDAError) throws {
      let found = FakeDevice.with(settings) { #expect(throws: CUDAError.self) { try FakeDevice.opened(.tf32) } }
      switch (found, error) {
      case (.tooOld(_, let found)?, .tooOld(_, let expected)): #expect(found == expected)
      case (.compilerTooOld(_, let found)?, .compilerTooOld(_, let expected)): #expect(found == expected)
      default: #expect(found == error)
      }
    }

    @Test func noSuchGPU() {
      #expect(throws: CUDAError.noSuchDevice(number: 3, count: 1)) { try FakeDevice.opened(.tf32, number: 3) }
    }

    /// No folder, no library: the line says what was looked for.
    @Test func noLibraries() {
      let error = #expect(throws: CUDAError.self) {
        try CUDADevice(environment: ["IMITATE_CUDA_LIBRARIES": "/nowhere"], cache: FakeDevice.cache)
      }
      #expect("\(error!)".contains("libcuda.so.1"))
    }

    /// What was asked for is told, nothing more is launched, numbers read are none, and another device goes on.
    @Test func outOfMemory() throws {
      // The other has its memory already.
      #expect(sum(.ones([40]), on: FakeDevice.exact).item == 80)
      let device = FakeDevice.open(.float32)
      FakeDevice.with(["FAKE_CUDA_MEMORY=1"]) {
        #expect(sum(.ones([4000]), on: device).item.isNaN)
        let error = #expect(throws: CUDAError.self) { try device.check() }
        var (wanted, name) = (0, "")
        if case .outOfMemory(let bytes, _, let device)? = error { (wanted, name) = (bytes, device) }
        #expect(wanted == 16_000 && name.contains("Fake"))
        #expect(sum(.ones([40]), on: device).item.isNaN)
        #expect(sum(.ones([40]), on: FakeDevice.exact).item == 80)
      }
      try FakeDevice.exact.check()
    }

    /// An address that is not the program's: after that the GPU answers nothing.
    @Test func lostDevice() throws {
      FakeDevice.with([]) {
        let device = FakeDevice.open(.float32)
        #expect(sum(.ones([40]), on: device).item == 80)
        FakeDevice.fail("cuLaunchKernel", 2, code: 700)
        #expect(sum(.ones([40]), on: device).item.isNaN)
        #expect(throws: CUDAError.self) { try device.check() }
      }
      #expect(sum(.ones([40]), on: FakeDevice.exact).item == 80)
    }

    /// Places that a device has lost are not read beyond what they were chosen of.
    @Test func lostPlaces() throws {
      let x = Tensor((0..<60).map { Float($0 * 7 % 13) }, shape: [1, 20, 3])
      FakeDevice.with([]) {
        let device = FakeDevice.open(.float32)
        FakeDevice.fail("cuLaunchKernel", 1, code: 700)
        let places = Device.with(device) { x.farthestPoints(4) }
        #expect(places.places == [0, 0, 0, 0])
        #expect(x.gathered(perItem: places).scalars == (0..<4).flatMap { _ in x.scalars[0..<3] })
        #expect(throws: CUDAError.self) { try device.check() }
      }
    }

    /// A bias that cuBLASLt cannot add on its way is added behind it.
    @Test func noProductWithBias() throws {
      var random = Random(seed: 3)
      let (x, weight) = (Tensor.normal([3, 11], random: &random), Tensor.normal([11, 6], random: &random))
      let bias = Tensor.normal([6], random: &random)
      try FakeDevice.with([]) {
        let device = FakeDevice.open(.float32)
        FakeDevice.fail("cublasLtMatmulAlgoGetHeuristic", 1, code: 15)
        for _ in 0..<2 {
          let found = Device.with(device) { x.linear(weight, bias: bias) }
          #expect(relativeError(found, x.linear(weight, bias: bias)) < 1e-6)
        }
        try device.check()
      }
    }

    /// Memory that lies free in pieces of another size is given back before there is none.
    @Test func memoryInPieces() throws {
      try FakeDevice.with([]) {
        let device = FakeDevice.open(.float32)
        // The fake's limit counts what all devices of the process have.
        let held = FakeDevice.bytesInUse
        try FakeDevice.with(["FAKE_CUDA_MEMORY=\(held + 90_000_000)"]) {
          func square(_ count: Int) -> Float {
            Device.with(device) { (Tensor.ones([count]) * Tensor.ones([count])).sum().item }
          }
          #expect(square(1_000_000) == 1_000_000)
          #expect(square(3_000_000) == 3_000_000)
          #expect(square(1_000_000) == 1_000_000)
          try device.check()
        }
      }
    }

    /// Weights that were lost with the device are not written: what was there stays.
    @Test func lostWhileSaving() throws {
      let path = FakeDevice.cache + "-saved.safetensors"
      defer { try? FileManager.default.removeItem(atPath: path) }
      try Data("before".utf8).write(to: URL(fileURLWithPath: path))
      FakeDevice.with([]) {
        let device = FakeDevice.open(.float32)
        let tensors = Device.with(device) { ["a": Tensor.ones([40]) + 1, "b": Tensor.ones([50]) + 1] }
        FakeDevice.fail("cuMemcpyDtoHAsync_v2", 2, code: 700)
        #expect(throws: CUDAError.self) { try Device.with(device) { try Safetensors.write(tensors, to: path) } }
      }
      #expect(FileManager.default.contents(atPath: path) == Data("before".utf8))
      let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
      #expect(
        !(try FileManager.default.contentsOfDirectory(atPath: folder)).contains {
          $0.hasPrefix(URL(fileURLWithPath: path).lastPathComponent + ".")
        })
    }

    /// What one device computed another gets by way of the processor: their streams do not wait for each other.
    @Test func numbersOfAnotherDevice() {
      let x = Device.with(FakeDevice.tf32) { Tensor.ones([40]) + 1 }
      let before = FakeDevice.tf32.transfers.downloads
      #expect(sum(x, on: FakeDevice.exact).item == 200)
      #expect(FakeDevice.tf32.transfers.downloads == before + 1)
    }

    /// A product that cuBLASLt has nothing for.
    @Test func noProduct() throws {
      FakeDevice.with([]) {
        let device = FakeDevice.open(.float32)
        FakeDevice.fail("cublasLtMatmulAlgoGetHeuristic", 1, code: 15)
        _ = Device.with(device) { Tensor.ones([3, 5]).matmul(.ones([5, 7])) }
        let error = #expect(throws: CUDAError.self) { try device.check() }
        #expect("\(error!)".contains("cublasLtMatmulAlgoGetHeuristic"))
      }
    }

    /// Compiled kernels are kept, and a damaged one is made again.
    @Test func damagedCache() throws {
      let folder = FakeDevice.cache + "-damaged"
      defer { try? FileManager.default.removeItem(atPath: folder) }
      func device() throws -> CUDADevice {
        try CUDADevice(
          precision: .float32, environment: ["IMITATE_CUDA_LIBRARIES": FakeDevice.library], cache: folder)
      }
      #expect(sum(.ones([40]), on: try device()).item == 80)
      let kept = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(kept.count == 2)
      for name in kept { try Data("not a kernel".utf8).write(to: URL(fileURLWithPath: folder + "/" + name)) }
      let again = try device()
      #expect(sum(.ones([40]), on: again).item == 80)
      try again.check()
    }
  }
}
