import Foundation
import GaussianWorld
import Imitation
import Layers
import Tensors
import Testing

/// Augmented variants of frames.
@Suite struct FrameJitterTests {
  private let episode = Episode(name: "demo_1", file: "f", task: "T", instruction: "", length: 5)

  private func drawn(_ number: Int, seed: UInt64 = 1, _ change: (inout FrameJitter) -> Void = { _ in }) -> DrawnJitter?
  {
    FrameJitter(change).drawn(FrameVariant(number, of: episode, seed: seed), cameras: 2)
  }

  @Test func isDrawnFromSeedEpisodeAndNumber() throws {
    #expect(drawn(0) == nil)
    let all = (1..<200).compactMap { drawn($0) }
    for jitter in all {
      #expect(jitter.shifts.count == 2 && jitter.shifts.allSatisfy { abs($0.x) <= 2 && abs($0.y) <= 2 })
      for factor in [jitter.brightness, jitter.contrast, jitter.saturation] { #expect((0.8...1.2).contains(factor)) }
    }
    #expect(Set(all.flatMap { $0.shifts.map(\.x) }) == [-2, -1, 0, 1, 2] && Set(all.map(\.contrast)).count > 190)
    let (first, again, other) = (try #require(drawn(3)), try #require(drawn(3)), try #require(drawn(3, seed: 2)))
    #expect(first.brightness == again.brightness && first.brightness != other.brightness)
  }

  @Test func colorsChangeAsTheySay() throws {
    let size = ObservationSchema.ImageSize(height: 1, width: 2)
    let bytes: [UInt8] = [100, 100, 100, 200, 50, 0]
    func changed(_ change: (inout FrameJitter) -> Void) throws -> (DrawnJitter, [UInt8]) {
      let jitter = try #require(
        drawn(1) {
          ($0.shift, $0.brightness, $0.contrast, $0.saturation) = (0, 0, 0, 0)
          change(&$0)
        })
      return (jitter, jitter.pixels(bytes, size, camera: 0))
    }
    #expect(try changed { _ in }.1 == bytes)
    let (bright, brighter) = try changed { $0.brightness = 0.2 }
    #expect(brighter[0] == UInt8((100 * bright.brightness).rounded()) && brighter[5] == 0)
    let (sharp, sharper) = try changed { $0.contrast = 0.2 }
    #expect(sharper[4] == UInt8(((50 - 127.5) * sharp.contrast + 127.5).rounded()))
    let (vivid, more) = try changed { $0.saturation = 0.2 }
    let gray: Float = 0.299 * 200 + 0.587 * 50
    #expect(more[0] == 100 && abs(Float(more[3]) - (gray + (200 - gray) * vivid.saturation)) <= 0.5)
  }

  /// What a shifted camera sees lies where it lay: each pixel's Gaussian, as far as it is seen by both.
  @Test func shiftsLeaveTheSceneInPlace() throws {
    var random = Random(seed: 1)
    let lift = try DepthLift(options: .init(), context: Small.context(), random: &random)
    let (side, camera) = (16, CameraCalibration(fieldOfView: 50, size: Small.size))
    let bytes = (0..<768).map { _ in UInt8(random.below(256)) }
    let depths = (0..<256).map { _ in Float(random.uniform(1...2)) }
    func lifted(_ jitter: DrawnJitter?) -> [[Float]] {
      let views = CameraViews(
        [CameraKeys("left")], size: Small.size, count: 1, withDepths: true, withCalibrations: true, gripper: nil,
        pixels: { _ in
          ByteTensor(
            jitter?.pixels(bytes, Small.size, camera: 0) ?? bytes,
            shape: [bytes.count / 768, Small.size.height, Small.size.width, 3])
        },
        rows: {
          $0.hasSuffix("_depth")
            ? jitter?.shifted(depths, Small.size, channels: 1, camera: 0) ?? depths
            : jitter?.calibrations(camera.numbers, camera: 0) ?? camera.numbers
        })
      let rows = lift(views).values.scalars
      return (0..<256).map { Array(rows[$0 * 14..<$0 * 14 + 14]) }
    }
    let plain = lifted(nil)
    var compared = 0
    for number in 1..<8 {
      let jitter = try #require(drawn(number) { ($0.brightness, $0.contrast, $0.saturation) = (0, 0, 0) })
      let (shift, moved) = (jitter.shifts[0], lifted(jitter))
      for y in 0..<side {
        for x in 0..<side where (0..<side).contains(y + shift.y) && (0..<side).contains(x + shift.x) {
          let (was, now) = (plain[y * side + x], moved[(y + shift.y) * side + x + shift.x])
          #expect(zip(was, now).allSatisfy { abs($0 - $1) < 1e-5 })
          compared += 1
        }
      }
    }
    #expect(compared > 7 * 14 * 14)
  }

  /// Rows of a variant are those of the augmented frames; rows of the frames as they were do not know of variants.
  @Test func rowsAreThoseOfTheAugmentedFrames() throws {
    let path = NSTemporaryDirectory() + "/jitter-\(UUID().uuidString).safetensors"
    try Small.world(lift: "depth-lift").write(to: path)
    defer { try? FileManager.default.removeItem(atPath: path) }
    func encoder(_ options: String) throws -> GaussianWorldEncoder {
      var context = EncoderContext(
        schema: ObservationSchema(
          images: ["left_image": Small.size], vectors: ["left_depth": 256, "left_calibration": 16]), vocabulary: [])
      context.parts = Small.catalog
      var random = Random(seed: 1)
      return try GaussianWorldEncoder(
        options: Small.decoded(GaussianWorldEncoder.Options.self, "{\"world\": \"\(path)\"\(options)}"),
        context: context, random: &random)
    }
    var random = Random(seed: 4)
    let bytes = (0..<2 * 3 * 768).map { _ in UInt8(random.below(256)) }
    let depths = (0..<2 * 3 * 256).map { _ in Float(random.uniform(1...2)) }
    let numbers = (0..<6).flatMap { _ in CameraCalibration(fieldOfView: 50, size: Small.size).numbers }
    func batch(_ bytes: [UInt8], _ depths: [Float], _ numbers: [Float]) -> ObservationBatch {
      ObservationBatch(
        images: ["left_image": ImageBatch(batch: 2, time: 3, size: Small.size, pixels: bytes)],
        vectors: [
          "left_depth": Tensor(depths, shape: [2, 3, 256]), "left_calibration": Tensor(numbers, shape: [2, 3, 16]),
        ], instructions: ["a", "b"], time: 3)
    }
    let (plain, varied) = (try encoder(""), try encoder(", \"variants\": 3, \"jitter\": {\"shift\": 1}"))
    let other = try encoder(", \"variants\": 3, \"jitter\": {\"shift\": 3}")
    #expect(plain.frozenVariants == 1 && varied.frozenVariants == 3)
    #expect(Set([plain, varied, other].map(\.frozenIdentity)).count == 3)
    var seen = batch(bytes, depths, numbers)
    let rows = plain.frozen(seen).scalars
    #expect(varied.frozen(seen).scalars == rows)
    // The first window is as recorded, the second of variant 2.
    let variants = [0, 2].map { FrameVariant($0, of: episode, seed: 1) }
    seen.variants = variants
    let jitter = try #require(FrameJitter { $0.shift = 1 }.drawn(variants[1], cameras: 1))
    let augmented = batch(
      bytes[..<2304] + jitter.pixels(Array(bytes[2304...]), Small.size, camera: 0),
      depths[..<768] + jitter.shifted(Array(depths[768...]), Small.size, channels: 1, camera: 0),
      numbers[..<48] + jitter.calibrations(Array(numbers[48...]), camera: 0))
    let found = varied.frozen(seen).scalars
    #expect(found == plain.frozen(augmented).scalars && found != rows)
    #expect(found[..<(found.count / 2)] == rows[..<(rows.count / 2)])
    seen.frozen = varied.frozen(seen)
    #expect(varied(seen).pooled.scalars == plain(augmented).pooled.scalars)
  }
}
