import Foundation
import GaussianWorld
import Imitation
import Layers
import Support
import Tensors
import Testing

/// Tokens that go with the gripper.
@Suite struct GripperTokenTests {
  private static let json = """
    {"points": 64, "sampling": "farthest", "tokens": 10, "latent": 20, "width": 16, "heads": 2, "decoder_layers": 1,
     "per_token": 4, "anchors": "fixed", "outside": 2, "around_gripper": 3, "gripper_reach": 0.4, "margin": 3}
    """

  /// Points in a cube of two meters, with the gripper at one place of each frame, shifted.
  private static func frames(_ count: Int, seed: UInt64, shift: SIMD3<Float> = .zero) -> (
    encoding: Tensor, gripper: Tensor
  ) {
    var random = Random(seed: seed)
    var (rows, grippers): ([Float], [Float]) = ([], [])
    for _ in 0..<count {
      let gripper = SIMD3<Float>(0.1, 0.2, -0.1) + shift
      grippers += [gripper.x, gripper.y, gripper.z]
      for _ in 0..<64 {
        let color = (0..<3).map { _ in Float(random.uniform()) - 0.5 }
        let place = color.map { $0 * 2 }
        rows +=
          [place[0] + shift.x, place[1] + shift.y, place[2] + shift.z, 0.02, 0.02, 0.02, 1, 0, 0, 0] + color + [1]
      }
      rows += [gripper.x, gripper.y, gripper.z, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    }
    return (Tensor(rows, shape: [count, 65, 14]), Tensor(grippers, shape: [count, 3]))
  }

  private func vae() throws -> GaussianVAE {
    let vae = try Small.vae(GripperTokenTests.json)
    let sample = GripperTokenTests.frames(16, seed: 1)
    try vae.prepare(CodecSample(encodings: sample.encoding, gripper: [SIMD3(0.1, 0.2, -0.1)]))
    return vae
  }

  private func relative(_ places: Tensor, to gripper: Tensor) -> [Float] { (places - gripper.unsqueezed(1)).scalars }

  /// The first three stand within reach of the gripper, wherever it is; the others stay.
  @Test func someAnchorsGoWithTheGripper() throws {
    let vae = try vae()
    let here = GripperTokenTests.frames(2, seed: 2)
    let there = GripperTokenTests.frames(2, seed: 2, shift: SIMD3(0.5, -0.25, 0.125))
    let places = [here, there].map { vae.positions(reference: $0.encoding) }
    #expect(vae.encodingShape == [65, 14] && places[0].shape == [2, 10, 3])
    let offsets = zip(places, [here, there]).map { relative($0, to: $1.gripper) }
    for token in 0..<10 {
      let range = 3 * token..<3 * token + 3
      let (mine, moved) = (offsets[0][range], offsets[1][range])
      let follows = zip(mine, moved).allSatisfy { abs($0 - $1) < 1e-6 }
      #expect(follows == (token < 3), "token \(token)")
      if token < 3 { #expect(mine.reduce(0) { $0 + $1 * $1 } <= 0.16) }
    }
    let fixed = places.map { Array($0.scalars[9..<30]) }
    #expect(fixed[0] == fixed[1])
  }

  /// When everything moves with the gripper, what those tokens see stays, and what they draw moves along. Of the network's own
  /// part only the embedding knows where in the room it is, so it is left as it begins.
  @Test func whatTheySeeIsSeenFromTheGripper() throws {
    let vae = try vae()
    let shift = SIMD3<Float>(0.5, -0.25, 0.125)
    let here = GripperTokenTests.frames(1, seed: 3).encoding
    let there = GripperTokenTests.frames(1, seed: 3, shift: shift).encoding
    let latents = [here, there].map { vae.encode($0, reference: $0) }
    let (one, other) = (latents[0].scalars, latents[1].scalars)
    #expect(zip(one[..<60], other[..<60]).allSatisfy { abs($0 - $1) < 1e-3 })
    #expect(zip(one[60..<160], other[60..<160]).contains { abs($0 - $1) > 0.05 }, "those that stay see something else")
    let drawn = zip(latents, [here, there]).map { latents, encoding in
      vae.gaussians(latents, positions: vae.positions(reference: encoding))!.means.scalars
    }
    for gaussian in 0..<12 {
      for axis in 0..<3 {
        #expect(abs(drawn[1][3 * gaussian + axis] - drawn[0][3 * gaussian + axis] - shift[axis]) < 2e-3)
      }
    }
    // A frame seen with the anchors of another: those of the reference count.
    let mixed = vae.encode(there, reference: here).scalars
    #expect(zip(mixed[..<60], other[..<60]).contains { abs($0 - $1) > 0.05 })
    #expect(mixed[60...].elementsEqual(other[60...]))
  }

  /// The row that says where the gripper is is no point: what is learned does not depend on the frame's own one.
  @Test func theGripperIsNoPoint() throws {
    let vae = try vae()
    Small.stir(vae)
    let frames = GripperTokenTests.frames(2, seed: 4).encoding
    var rows = frames.scalars
    for item in 0..<2 { for axis in 0..<3 { rows[14 * (65 * item + 64) + axis] = 0.3 } }
    var view = Small.context().view
    view.translation = SIMD3(0, 0, 3)
    func loss(_ encodings: Tensor) -> Float {
      var random = Random(seed: 1)
      return vae.loss(
        on: CodecBatch(
          encodings: encodings, references: frames, images: [.filled([2, 16, 16, 3], with: 0.4)],
          views: [[view, view]], isNoisy: false), random: &random)!.loss.item
    }
    #expect(loss(frames) == loss(Tensor(rows, shape: frames.shape)))
    let left = Small.untouched(vae) {
      var random = Random(seed: 1)
      return vae.loss(
        on: CodecBatch(
          encodings: frames, references: frames, images: [.filled([2, 16, 16, 3], with: 0.4)], views: [[view, view]],
          isNoisy: true), random: &random)!.loss
    }
    #expect(left.filter { !$0.hasSuffix("key.bias") }.isEmpty, "\(left)")
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let far = try Small.vae(
      GripperTokenTests.json.replacing("\"gripper_reach\": 0.4", with: "\"gripper_reach\": 0.001"))
    #expect(throws: GaussianWorldError.nothingNearGripper(0.001, points: 0, tokens: 3)) {
      try far.prepare(
        CodecSample(encodings: GripperTokenTests.frames(16, seed: 1).encoding, gripper: [SIMD3(0.1, 0.2, -0.1)]))
    }
    for (wrong, right) in [
      ("\"around_gripper\": 8", "\"around_gripper\": 3"), ("\"anchors\": \"farthest\"", "\"anchors\": \"fixed\""),
    ] {
      #expect(throws: SettingError.self, "\(wrong)") {
        try Small.vae(GripperTokenTests.json.replacing(right, with: wrong))
      }
    }
    #expect(throws: SettingError.self, "nobody says where the gripper is") { try GripperTokenTests.world(gripper: nil) }
    #expect(try GripperTokenTests.world(gripper: "eef").neededGripper == "eef")
  }

  static func world(gripper: String?) throws -> GaussianWorldModel {
    let options = try Small.decoded(
      GaussianWorldModel.Options.self,
      """
      {"cameras": ["left"], "frame": "base", "gripper": "eef", "residual": true,
       "lift": {"kind": "splatter", "channels": 8},
       "codec": {"kind": "vae", "anchors": "fixed", "around_gripper": 3, "gripper_reach": 10, "margin": 10, \(Small.vae)},
       "dynamics": {"width": 16, "layers": 1, "heads": 2, "token_embedding": true}}
      """)
    var random = Random(seed: 1)
    let context = LiftContext(cameras: ["left"], size: Small.size, fieldsOfView: [50], frame: .base)
    return try GaussianWorldModel(
      options: options, blueprint: .init(context: context, actionWidth: 3, gripper: gripper), parts: Small.catalog,
      random: &random)
  }

  /// A world model looks from where the gripper is now, at the frames before as well; a prediction is drawn from there.
  @Test func stateIsSeenFromThePresentGripper() throws {
    let world = try GripperTokenTests.world(gripper: "eef")
    let seen = Small.views(batch: 2)
    func views(_ grippers: [Float]) -> CameraViews {
      CameraViews(
        size: seen.size, images: seen.images, depths: seen.depths, calibrations: seen.calibrations,
        gripper: Tensor(grippers, shape: [2, 3]))
    }
    let sample = views([0, 0, 1.2, 0, 0, 1.2])
    try world.codec.prepare(CodecSample(encodings: world.encoding(sample), gripper: [SIMD3(0, 0, 1.2)]))
    Small.stir(world)
    let (a, b): ([Float], [Float]) = ([0.1, 0, 1.3], [-0.1, 0.05, 1.25])
    let state = world.observe(views(a + b))
    let elsewhere = world.observe(views([9, 9, 9] + b))
    #expect(
      state.positions.scalars == elsewhere.positions.scalars && state.history.scalars == elsewhere.history.scalars)
    let other = world.observe(views(a + a))
    #expect(other.history.scalars != state.history.scalars)
    for axis in 0..<3 {
      #expect(abs(state.positions.scalars[axis] - other.positions.scalars[axis] - (b[axis] - a[axis])) < 1e-6)
    }
    // With the older frame's anchors tokens stand where the gripper was then.
    let old = world.observe(views(a + b), windows: [[0, 1]], references: [0])
    #expect(old.positions.scalars == other.positions.scalars && old.history.scalars != state.history.scalars)
    var random = Random(seed: 2)
    let next = world.imagine(state, actions: nil, random: &random).state
    #expect(next.positions.scalars == state.positions.scalars)
    #expect(world.decode(next, from: nil).isFinite && world.gaussians(next)!.count == 32)
  }
}
