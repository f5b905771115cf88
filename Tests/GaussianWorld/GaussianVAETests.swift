import Foundation
import GaussianWorld
import Imitation
import Layers
import Support
import Tensors
import Testing

@Suite struct GaussianVAETests {
  @Test func everyParameterLearns() throws {
    let vae = try Small.vae("{\(Small.vae)}")
    Small.stir(vae)
    let views = Small.views(batch: 2)
    var random = Random(seed: 1)
    let lift = try DepthLift(options: .init(), context: Small.context(), random: &random)
    let points = vae.points(of: lift(views))
    vae.place(over: points)
    let noise = Tensor.normal([2, 8, 6], random: &random)
    let left = Small.untouched(vae) {
      vae.loss(
        points, anchors: vae.anchors(of: points), images: [views.images[0]],
        views: [[Small.context().view, Small.context().view]], isPaired: true, noise: noise
      ).loss
    }
    // Attention does not change when all keys move alike.
    #expect(left.filter { !$0.hasSuffix("key.bias") }.isEmpty, "\(left)")
  }

  /// Before any training it draws what it was given, coarsely.
  @Test func startsAsALocalCodec() throws {
    var random = Random(seed: 1)
    let vae = try Small.vae(
      "{\"points\": 512, \"sampling\": \"farthest\", \"tokens\": 32, \"width\": 16, \"decoder_layers\": 1}")
    let wall = LiftTests.wall(shift: 0)
    let size = ObservationSchema.ImageSize(height: 32, width: 32)
    let views = CameraViews(
      size: size, images: [wall.image], depths: [wall.depth], calibrations: [[wall.calibration]])
    let lift = try DepthLift(
      options: .init(), context: LiftContext(cameras: ["a"], size: size, fieldsOfView: [50]), random: &random)
    let points = vae.points(of: lift(views))
    vae.place(over: points)
    let set = vae.decode(vae.encode(points, anchors: vae.anchors(of: points)).mean)
    #expect(set.count == 512)
    let drawn = set.rendered(from: [views.views(from: 0)![0]]).sliced(axis: 3, 0..<3)
    // Nothing reaches past the edges, where the image fades into the background.
    let inner = [4..<28, 4..<28]
    func middle(_ tensor: Tensor) -> Tensor { tensor.sliced(axis: 1, inner[0]).sliced(axis: 2, inner[1]) }
    let quality = LiftTests.psnr(middle(drawn), middle(wall.image))
    let plain = middle(wall.image).mean(axes: [0, 1, 2], keepingDimensions: true).broadcast(to: [1, 24, 24, 3])
    let blank = LiftTests.psnr(plain, middle(wall.image))
    #expect(quality > blank + 1.5, "\(quality) dB, the mean color \(blank) dB")
    #expect(set.means.sliced(axis: 2, 2..<3).scalars.allSatisfy { abs($0 - 2) < 0.05 }, "on the wall")
  }

  /// What moves a little moves the latents a little, also where an anchor's surroundings have become empty: under Gaussian
  /// windows the nearest of some far points is everything there, and latents jump when another becomes it.
  @Test func latentsMoveAsThingsDo() throws {
    let vae = try Small.vae("{\"points\": 64, \"tokens\": 8, \"width\": 16, \"decoder_layers\": 1}")
    // A red and a blue point far from the anchors, on either side; the red one comes nearer, a hair's breadth a step.
    func set(_ place: Float) -> Gaussians {
      var rows: [Float] = []
      for index in 0..<64 {
        let isRed = index % 2 == 0
        let x: Float = isRed ? -1 + place : 1
        rows += [x, Float(index / 2) * 0.001, 2, 0.01, 0.01, 0.01, 1, 0, 0, 0, isRed ? 1 : -1, 0, isRed ? -1 : 1, 1]
      }
      return Gaussians(Tensor(rows, shape: [1, 64, 14]))
    }
    let middle = Gaussians(
      Tensor(
        (0..<8).flatMap { [Float($0) * 0.01, 0, 2, 0.01, 0.01, 0.01, 1, 0, 0, 0, 0, 0, 0, 1] }, shape: [1, 8, 14]))
    vae.place(over: Gaussians(Tensor.concatenated([set(0).values, middle.values], axis: 1)))
    func latents(_ place: Float) -> [Float] { vae.encode(set(place), anchors: middle).mean.scalars }
    let steps = (0...20).map { latents(-0.05 + 0.005 * Float($0)) }
    let whole = zip(steps[0], steps[20]).map { abs($0 - $1) }.max()!
    for (one, next) in zip(steps, steps.dropFirst()) {
      let jump = zip(one, next).map { abs($0 - $1) }.max()!
      #expect(jump < 0.25 * whole + 0.02, "\(jump) of \(whole) in a twentieth of the way")
    }
  }

  /// Latents that stand still cost nothing, whatever their size; those that are drawn again cost twice their variance.
  @Test func unrestIsMeasuredByTheSpread() {
    var random = Random(seed: 3)
    let one = Tensor.normal([40, 16, 5], random: &random)
    let other = Tensor.normal([40, 16, 5], random: &random)
    #expect(GaussianVAE.motionScore(Tensor.concatenated([one, one], axis: 0)).item == 0)
    for size in [0.1, 30] as [Float] {
      let motionScore = GaussianVAE.motionScore(Tensor.concatenated([one * size, other * size], axis: 0)).item
      #expect(abs(motionScore - 2) < 0.15, "\(motionScore)")
    }
  }

  @Test func pointsAreMeansOfSquares() throws {
    let values = Tensor((0..<2 * 16 * 14).map { Float($0 % 97) }, shape: [2, 16, 14])
    let means = Gaussians(values).meansOfSquares(side: 2, width: 4)
    #expect(means.shape == [2, 4, 14])
    let all = values.scalars
    for item in 0..<2 {
      for (square, pixels) in [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]].enumerated() {
        for number in 0..<14 {
          let mean = pixels.map { all[(item * 16 + $0) * 14 + number] }.reduce(0, +) / 4
          let wanted = (3..<6).contains(number) ? 2 * mean : mean
          #expect(abs(means.scalars[(item * 4 + square) * 14 + number] - wanted) < 1e-4)
        }
      }
    }
    #expect(throws: GaussianWorldError.gridOfPoints(100, possible: [256, 64, 16])) {
      _ = try Small.vae("{\"points\": 100, \"tokens\": 8}")
    }
  }

  /// A set has no order: only which points are anchors counts.
  @Test func pointsMayComeInAnyOrder() throws {
    let vae = try Small.vae("{\(Small.vae)}")
    var random = Random(seed: 1)
    let lift = try DepthLift(options: .init(), context: Small.context(), random: &random)
    let points = vae.points(of: lift(Small.views(batch: 1)))
    #expect(points.count == 64)
    vae.place(over: points)
    let anchors = vae.anchors(of: points)
    let order = random.permutation(64)
    let one = vae.encode(points, anchors: anchors).mean.scalars
    let other = vae.encode(points.chosen(IndexTensor(order, shape: [1, 64], below: 64)), anchors: anchors).mean.scalars
    #expect(zip(one, other).allSatisfy { abs($0 - $1) < 1e-4 })
    #expect(vae.decode(vae.encode(points, anchors: anchors).mean).count == 32)
  }
}
