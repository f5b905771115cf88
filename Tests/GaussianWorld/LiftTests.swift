import Foundation
import GaussianWorld
import Imitation
import Layers
import Tensors
import Testing

@Suite struct LiftTests {
  /// A wall of smoothly changing color, two meters away and parallel to the image of a camera moved sideways by `shift`.
  static func wall(shift: Float) -> (image: Tensor, depth: Tensor, calibration: CameraCalibration) {
    let size = ObservationSchema.ImageSize(height: 32, width: 32)
    var camera = CameraCalibration(fieldOfView: 50, size: size)
    camera.position = SIMD3(shift, 0, 0)
    var colors: [Float] = []
    for v in 0..<32 {
      for u in 0..<32 {
        let x = (Float(u) + 0.5 - 16) / camera.focal.x * 2 + shift
        let y = (Float(v) + 0.5 - 16) / camera.focal.y * 2
        colors += [0.5 + 0.4 * sin(2 * x), 0.5 + 0.4 * cos(3 * y), 0.5 + 0.3 * sin(x + y)]
      }
    }
    return (Tensor(colors, shape: [1, 32, 32, 3]), .filled([1, 32, 32], with: 2), camera)
  }

  static func psnr(_ a: Tensor, _ b: Tensor) -> Float { -10 * log10((a - b).square().mean().item) }

  private func lift(_ cameras: [String], width: Float = 0.3) throws -> DepthLift {
    var random = Random(seed: 1)
    return try DepthLift(
      options: .init { $0.pixels = width },
      context: LiftContext(
        cameras: cameras, size: .init(height: 32, width: 32), fieldsOfView: cameras.map { _ in 50 }), random: &random)
  }

  private func drawn(_ set: Gaussians, _ view: SplattingView) -> Tensor {
    set.rendered(from: [view]).sliced(axis: 3, 0..<3)
  }

  @Test func drawsWhatItSaw() throws {
    let wall = LiftTests.wall(shift: 0)
    let views = CameraViews(
      size: .init(height: 32, width: 32), images: [wall.image], depths: [wall.depth],
      calibrations: [[wall.calibration]])
    let own = try #require(views.views(from: 0))[0]
    let quality = LiftTests.psnr(drawn(try lift(["a"])(views), own), wall.image)
    #expect(quality > 30, "\(quality) dB")
    // Gaussians far too small leave gaps... but the renderer's own blur closes them; far too large ones smear.
    let smeared = LiftTests.psnr(drawn(try lift(["a"], width: 3)(views), own), wall.image)
    #expect(smeared < quality - 3, "\(smeared) dB")
  }

  /// Two cameras put together must agree: what one lifts, the other sees in its place.
  @Test func camerasAgree() throws {
    let (first, second) = (LiftTests.wall(shift: 0), LiftTests.wall(shift: 0.3))
    let size = ObservationSchema.ImageSize(height: 32, width: 32)
    let views = CameraViews(
      size: size, images: [first.image, second.image], depths: [first.depth, second.depth],
      calibrations: [[first.calibration], [second.calibration]])
    let set = try lift(["a", "b"])(views)
    #expect(set.count == 2 * 32 * 32)
    // What only the second camera gave, drawn from the first: right where both look.
    let half = Gaussians(set.values.sliced(axis: 1, 1024..<2048))
    let seen = drawn(half, try #require(views.views(from: 0))[0])
    let (left, right) = (seen.sliced(axis: 2, 10..<30), first.image.sliced(axis: 2, 10..<30))
    #expect(LiftTests.psnr(left, right) > 28, "\(LiftTests.psnr(left, right)) dB")
    let own = drawn(set, try #require(views.views(from: 1))[0])
    #expect(LiftTests.psnr(own, second.image) > 28)
  }

  /// A turned camera: its calibration, its view and the motion of its Gaussians must be one geometry.
  @Test func aTurnedCameraSeesTheSame() throws {
    // Looks along the base's +x from 1.2 m up, as a robot's camera does.
    let size = ObservationSchema.ImageSize(height: 32, width: 32)
    var base = CameraCalibration(fieldOfView: 50, size: size)
    base.rotation = [SIMD3(0, 0, 1), SIMD3(-1, 0, 0), SIMD3(0, -1, 0)]
    base.position = SIMD3(0.2, -0.1, 1.2)
    var other = base
    let (c, s) = (cos(0.4 as Float), sin(0.4 as Float))
    // Turned about the vertical and moved.
    other.rotation = [SIMD3(-s, 0, c), SIMD3(-c, 0, -s), SIMD3(0, -1, 0)]
    other.position = SIMD3(0.3, 0.5, 1.1)
    #expect(CameraCalibration(other.numbers) == other)
    let point = SIMD3<Float>(2.1, 0.2, 0.9)
    func seen(_ camera: CameraCalibration) -> SIMD3<Float> {
      let offset = point - camera.position
      func column(_ i: Int) -> SIMD3<Float> {
        SIMD3(camera.rotation[0][i], camera.rotation[1][i], camera.rotation[2][i])
      }
      return SIMD3((column(0) * offset).sum(), (column(1) * offset).sum(), (column(2) * offset).sum())
    }
    let view = other.view(size, from: base)
    let inFirst = seen(base)
    let turned =
      SIMD3(
        (view.rotation[0] * inFirst).sum(), (view.rotation[1] * inFirst).sum(), (view.rotation[2] * inFirst).sum())
      + view.translation
    let wanted = seen(other)
    let apart = turned - wanted
    #expect((apart * apart).sum() < 1e-10)
    #expect(wanted.z > 1)
  }

  @Test func splatterStartsFromThePictureItself() throws {
    var random = Random(seed: 1)
    let options = try Small.decoded(Splatter.Options.self, "{\"channels\": 8}")
    let splatter = try Splatter(options: options, context: Small.context(), random: &random)
    let ramp = (0..<256).flatMap { pixel -> [Float] in
      [Float(pixel % 16) / 16, Float(pixel / 16) / 16, 0.5]
    }
    let views = CameraViews(size: Small.size, images: [Tensor(ramp, shape: [1, 16, 16, 3])])
    let drawn = splatter(views).rendered(from: [Small.context().view]).sliced(axis: 3, 0..<3)
    let quality = LiftTests.psnr(drawn, views.images[0])
    #expect(quality > 24, "\(quality) dB")
    #expect(!Splatter.needsDepth && DepthLift.needsDepth)
  }

  @Test func splatterLearnsWithAllItsParameters() throws {
    var random = Random(seed: 1)
    let options = try Small.decoded(Splatter.Options.self, "{\"channels\": 8}")
    let splatter = try Splatter(options: options, context: Small.context(cameras: ["left", "hand"]), random: &random)
    Small.stir(splatter)
    let views = Small.views(batch: 2, cameras: 2)
    let left = Small.untouched(splatter) { splatter.loss(on: views)!.loss }
    #expect(left.isEmpty, "\(left)")
    #expect(splatter(views).count == 2 * 256)
    // Without any geometry too: what the cameras see tells where they stand.
    let blind = Small.views(batch: 2, cameras: 2, geometry: false)
    let unposed = Small.untouched(splatter) { splatter.loss(on: blind)!.loss }
    #expect(unposed.isEmpty, "\(unposed)")
  }

  /// Of two cameras side by side nobody says where they stand: what one sees is put where the other sees it.
  @Test func splatterFindsHowCamerasStand() throws {
    var random = Random(seed: 1)
    let size = ObservationSchema.ImageSize(height: 32, width: 32)
    let splatter = try Splatter(
      options: Small.decoded(Splatter.Options.self, "{\"channels\": 8, \"pose_weight\": 3}"),
      context: LiftContext(cameras: ["a", "b"], size: size, fieldsOfView: [50, 50]), random: &random)
    let views = CameraViews(
      size: size, images: [LiftTests.wall(shift: 0).image, LiftTests.wall(shift: 0.3).image])
    /// What the second camera gave, drawn from the first, where both look.
    func agreement() -> Float {
      let half = Gaussians(splatter(views).values.sliced(axis: 1, 1024..<2048))
      let seen = half.rendered(from: [
        LiftContext(cameras: ["a"], size: size, fieldsOfView: [50]).view
      ]).sliced(axis: 3, 0..<3)
      return LiftTests.psnr(seen.sliced(axis: 2, 10..<30), views.images[0].sliced(axis: 2, 10..<30))
    }
    let before = agreement()
    var optimizer = AdamW([.init(splatter.parameters(), weightDecay: 0)])
    for _ in 0..<150 {
      let (_, gradients) = withGradients(random: Random(seed: 1)) { splatter.loss(on: views)!.loss }
      optimizer.step(gradients, learningRate: 3e-3)
    }
    let after = agreement()
    #expect(after > before + 5, "\(before) dB before, \(after) dB after")
  }

  /// Pixels without a depth stay pixels, but nothing is drawn of them.
  @Test func unknownDepthsAreNotSeen() throws {
    let wall = LiftTests.wall(shift: 0)
    var depths = wall.depth.scalars
    for place in 0..<512 { depths[place] = place % 2 == 0 ? 0 : .nan }
    let views = CameraViews(
      size: .init(height: 32, width: 32), images: [wall.image], depths: [Tensor(depths, shape: [1, 32, 32])],
      calibrations: [[wall.calibration]])
    let set = try lift(["a"])(views)
    #expect(set.count == 1024 && set.values.scalars.allSatisfy(\.isFinite))
    let seen = set.rendered(from: [try #require(views.views(from: 0))[0]])
    #expect(seen.sliced(axis: 1, 0..<14).sliced(axis: 3, 3..<4).scalars.allSatisfy { $0 == 0 })
    #expect(
      seen.sliced(axis: 1, 20..<32).sliced(axis: 2, 2..<30).sliced(axis: 3, 3..<4).scalars.allSatisfy { $0 > 0.5 })
  }

  @Test func splatterFindsDepth() throws {
    // Brightness tells the depth; a short training must find that out.
    var random = Random(seed: 1)
    let options = try Small.decoded(Splatter.Options.self, "{\"channels\": 8}")
    let splatter = try Splatter(options: options, context: Small.context(), random: &random)
    let parameters = splatter.parameters()
    var optimizer = AdamW([.init(parameters, weightDecay: 0)])
    func views() -> CameraViews {
      let tone = Tensor.uniform([4, 4, 4, 1], 0.1...0.9, random: &random)
      let image = tone.reshaped([4, 4, 1, 4, 1, 1]).broadcast(to: [4, 4, 4, 4, 4, 3]).reshaped([4, 16, 16, 3])
      let depth = image.sliced(axis: 3, 0..<1).squeezed(3) + 0.5
      let calibration = CameraCalibration(fieldOfView: 50, size: Small.size)
      return CameraViews(
        size: Small.size, images: [image], depths: [depth], calibrations: [Array(repeating: calibration, count: 4)])
    }
    func error(_ views: CameraViews) -> Float {
      let found = splatter(views).means.sliced(axis: 2, 2..<3).reshaped([4, 16, 16])
      return (found - views.depths![0]).abs().mean().item
    }
    let test = views()
    let before = error(test)
    for _ in 0..<80 {
      let some = views()
      let (_, gradients) = withGradients(random: Random(seed: 1)) { splatter.loss(on: some)!.loss }
      optimizer.step(gradients, learningRate: 5e-3)
    }
    let after = error(test)
    #expect(after < before / 3, "\(before) m before, \(after) m after")
  }
}
