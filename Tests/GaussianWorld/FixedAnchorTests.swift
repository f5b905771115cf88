import Foundation
import GaussianWorld
import Imitation
import Layers
import Support
import Tensors
import Testing

/// A VAE whose tokens always stand for the same places.
@Suite struct FixedAnchorTests {
  private static let json = """
    {"points": 64, "sampling": "farthest", "tokens": 10, "latent": 20, "width": 16, "heads": 2, "decoder_layers": 1,
     "per_token": 4, "anchors": "fixed", "outside": 2, "margin": 0.3}
    """

  /// Points on the floor of a room of two meters; those within `box` are what the gripper reaches.
  private static func room(_ frames: Int, seed: UInt64) -> Gaussians {
    var random = Random(seed: seed)
    var rows: [Float] = []
    for _ in 0..<frames * 64 {
      let (x, y) = (Float(random.uniform()) * 2 - 1, Float(random.uniform()) * 2 - 1)
      rows += [x, y, 0, 0.02, 0.02, 0.02, 1, 0, 0, 0, x, y, 0, 1]
    }
    return Gaussians(Tensor(rows, shape: [frames, 64, 14]))
  }

  private func vae(gripper: [SIMD3<Float>] = [SIMD3(0, 0, 0.02), SIMD3(0.2, 0.1, 0.02)]) throws -> GaussianVAE {
    let vae = try Small.vae(FixedAnchorTests.json)
    try vae.prepare(CodecSample(encodings: FixedAnchorTests.room(16, seed: 1).values, gripper: gripper))
    return vae
  }

  @Test func anchorsStandWhereTheGripperWent() throws {
    let vae = try vae()
    let places = vae.positions(reference: FixedAnchorTests.room(2, seed: 2).values)
    #expect(places.shape == [2, 10, 3])
    let all = places.scalars
    #expect(Array(all[..<30]) == Array(all[30...]), "whatever the frame")
    // The box reaches 0.3 around the path: eight anchors are in it, two outside. Four are within 0.1 of where the gripper was.
    let inBox = (0..<10).count {
      let (x, y) = (all[3 * $0], all[3 * $0 + 1])
      return x >= -0.3 && x <= 0.5 && y >= -0.3 && y <= 0.4
    }
    let near = (0..<10).count { token in
      [(0, 0), (0.2, 0.1)].contains { (x: Float, y: Float) in
        let (dx, dy) = (all[3 * token] - x, all[3 * token + 1] - y)
        return dx * dx + dy * dy + 0.02 * 0.02 <= 0.01
      }
    }
    #expect(inBox == 8 && near == 4)
    // Nobody says where the gripper was: all of the room.
    let anywhere = try self.vae(gripper: [])
    #expect(
      Set(anywhere.positions(reference: FixedAnchorTests.room(1, seed: 2).values).scalars).count > 16,
      "eight places of two numbers")
  }

  /// At first a latent is what lies around its anchor; of a wide head that is how much, its mean color and its offset, every point
  /// counting by `(1 + d^2 / 4)^-2` with the distance in units of `wide_reach`. Also of a reach of millimeters and points as near,
  /// where the difference of squares of positions has no digits left.
  @Test(arguments: [0.4, 0.003]) func wideHeadsSeeAWideNeighborhood(_ reach: Double) throws {
    let vae = try Small.vae(
      FixedAnchorTests.json.replacing(
        "\"latent\": 20", with: "\"latent\": 14, \"wide_heads\": 1, \"wide_reach\": \(reach)"))
    try vae.prepare(
      CodecSample(
        encodings: FixedAnchorTests.room(16, seed: 1).values, gripper: [SIMD3(0, 0, 0.1), SIMD3(0.2, 0.1, 0.1)])
    )
    var room = FixedAnchorTests.room(2, seed: 3)
    if reach < 0.1 {
      // One point beside each anchor.
      var rows = room.values.scalars
      for (place, anchor) in vae.positions(reference: room.values).scalars.enumerated() {
        let (item, token, axis) = (place / 30, place / 3 % 10, place % 3)
        rows[14 * (64 * item + token) + axis] = anchor + (axis == 0 ? Float(reach) : 0)
      }
      room = Gaussians(Tensor(rows, shape: [2, 64, 14]))
    }
    let found = vae.encode(room.values, reference: room.values)
    #expect(found.shape == [2, 10, 14])
    let anchors: [Double] = vae.positions(reference: room.values).scalars.map { Double($0) }
    let points: [Double] = room.values.scalars.map { Double($0) }
    // Around the gripper's path by the margin.
    let (low, high): ([Double], [Double]) = ([-0.3, -0.3, -0.2], [0.5, 0.4, 0.4])
    for (item, token) in [(0, 0), (0, 7), (1, 3), (1, 9)] {
      let anchor = Array(anchors[3 * (10 * item + token)..<3 * (10 * item + token) + 3])
      var (total, color, place) = (0.0, [0.0, 0, 0], [0.0, 0, 0])
      for point in 0..<64 {
        let row = Array(points[14 * (64 * item + point)..<14 * (64 * item + point + 1)])
        let isInside = (0..<3).allSatisfy { row[$0] >= low[$0] && row[$0] <= high[$0] }
        // The last two tokens stand for what lies outside of the box.
        guard isInside == (token < 8) else { continue }
        var distance = 0.0
        for axis in 0..<3 { distance += (row[axis] - anchor[axis]) * (row[axis] - anchor[axis]) / (reach * reach) }
        let weight = 1 / ((1 + distance / 4) * (1 + distance / 4))
        total += weight
        for axis in 0..<3 {
          color[axis] += weight * row[10 + axis]
          place[axis] += weight * (row[axis] - anchor[axis])
        }
      }
      var expected = [0.3 * Foundation.log(total + 1e-3)]
      for axis in 0..<3 { expected.append(color[axis] / total) }
      for axis in 0..<3 { expected.append(min(max(place[axis] / total / reach, -4), 4)) }
      let start = 14 * (10 * item + token) + 5
      for (got, want) in zip(found.scalars[start..<start + 7], expected) {
        #expect(abs(Double(got) - want) < 1e-4, "\(token): \(got) \(want)")
      }
    }
    #expect(throws: (any Error).self) {
      try Small.vae(FixedAnchorTests.json.replacing("\"heads\": 2", with: "\"heads\": 2, \"wide_heads\": 2"))
    }
  }

  /// A frame without a point in the box, and one without a point outside of it, still have numbers.
  @Test func framesWithNothingToSeeHaveNumbers() throws {
    let vae = try vae()
    let rows = FixedAnchorTests.room(1, seed: 4).values
    for shift in [Float(400), 0] {
      let scale: Float = shift == 0 ? 0.1 : 1
      let values = rows.scalars.enumerated().map { index, value in
        index % 14 < 3 ? value * scale + shift : value
      }
      let latents = vae.encode(Tensor(values, shape: rows.shape), reference: rows)
      #expect(latents.isFinite, "shifted by \(shift)")
    }
  }

  @Test func anEmptyBoxIsRefused() throws {
    let far = try Small.vae(
      FixedAnchorTests.json.replacing("\"margin\"", with: "\"workspace\": [5, 5, 5, 6, 6, 6], \"margin\""))
    #expect(throws: GaussianWorldError.emptyBox([5, 5, 5, 6, 6, 6], points: 0, of: 1024, tokens: 8)) {
      try far.prepare(CodecSample(encodings: FixedAnchorTests.room(16, seed: 1).values))
    }
    // The same where the gripper is said to have been elsewhere.
    #expect(throws: GaussianWorldError.self) { try vae(gripper: [SIMD3(9, 9, 9)]) }
  }

  /// Tokens of the box do not see what lies outside.
  @Test func whatLiesOutsideIsNotSeen() throws {
    let vae = try vae()
    Small.stir(vae)
    let set = FixedAnchorTests.room(1, seed: 3)
    var rows = set.values.scalars
    let outside = (0..<64).filter { abs(rows[14 * $0]) > 0.6 || abs(rows[14 * $0 + 1]) > 0.6 }
    #expect(outside.count > 8)
    for point in outside { rows[14 * point + 10] += 0.5 }
    let repainted = Tensor(rows, shape: [1, 64, 14])
    func tokens(_ values: Tensor) -> [Float] { vae.encode(values, reference: values).scalars }
    let (one, other) = (tokens(set.values), tokens(repainted))
    #expect(Array(one[..<160]) == Array(other[..<160]))
    #expect(Array(one[160...]) != Array(other[160...]), "those outside do")
  }

  @Test func everyParameterLearns() throws {
    let vae = try vae()
    Small.stir(vae)
    var random = Random(seed: 1)
    let points = FixedAnchorTests.room(2, seed: 4)
    let views = [[Small.context().view, Small.context().view]]
    var moved = views[0][0]
    moved.translation = SIMD3(0, 0, 1.5)
    let left = Small.untouched(vae) {
      vae.loss(
        on: CodecBatch(
          encodings: points.values, references: points.values,
          images: [.filled([2, 16, 16, 3], with: 0.4)], views: [[moved, moved]],
          weights: [.filled([2, 16, 16, 1], with: 1)], isNoisy: true), random: &random)!.loss
    }
    #expect(left.filter { !$0.hasSuffix("key.bias") }.isEmpty, "\(left)")
  }

  /// The loss of an image that counts nowhere is nothing; counting everywhere is counting as before.
  @Test func weightsCountPixels() throws {
    let vae = try vae()
    let points = FixedAnchorTests.room(2, seed: 4)
    let image = Tensor.filled([2, 16, 16, 3], with: 0.4)
    let views = [[Small.context().view, Small.context().view]]
    func error(_ weights: [Tensor]?) -> Float {
      vae.loss(
        points, anchors: vae.anchors(of: points), images: [image], views: views, weights: weights, noise: nil
      ).metrics["image"]!.item
    }
    let plain = error(nil)
    #expect(plain > 0 && abs(error([.filled([2, 16, 16, 1], with: 1)]) - plain) < 1e-6)
    #expect(error([.zeros([2, 16, 16, 1])]) == 0)
  }

  /// Two cameras at other places see the same points where they are in the base's frame, whichever comes first.
  @Test func theBasesFrameDoesNotDependOnTheCamera() throws {
    let size = Small.size
    func camera(_ position: SIMD3<Float>, yaw: Float) -> CameraCalibration {
      var camera = CameraCalibration(fieldOfView: 60, size: size)
      (camera.rotation, camera.position) = (
        [SIMD3(cos(yaw), 0, sin(yaw)), SIMD3(0, 1, 0), SIMD3(-sin(yaw), 0, cos(yaw))], position
      )
      return camera
    }
    let cameras = [camera(SIMD3(0.1, 0.2, 0), yaw: 0.3), camera(SIMD3(-0.2, 0, 0.1), yaw: -0.2)]
    var random = Random(seed: 5)
    let images = cameras.map { _ in Tensor.uniform([1, 16, 16, 3], 0...1, random: &random) }
    let depths = cameras.map { _ in Tensor.uniform([1, 16, 16], 1...2, random: &random) }
    func lifted(_ order: [Int]) throws -> [Float] {
      let options = try Small.decoded(
        GaussianWorldModel.Options.self,
        """
        {"cameras": ["a", "b"], "frame": "base", "lift": {"kind": "depth-lift"}, "codec": {"kind": "gaussians"},
         "dynamics": {"width": 16, "layers": 1, "heads": 2}}
        """)
      let context = LiftContext(cameras: ["a", "b"], size: size, fieldsOfView: [60, 60], frame: .base)
      let world = try GaussianWorldModel(
        options: options, blueprint: .init(context: context, actionWidth: 2), parts: Small.catalog, random: &random)
      #expect(world.needsCalibrations && world.needsDepth)
      let views = CameraViews(
        size: size, images: order.map { images[$0] }, depths: order.map { depths[$0] },
        calibrations: order.map { [cameras[$0]] })
      let means = try #require(world.lifted(views)).means.scalars
      return order == [0, 1] ? means : Array(means[768...] + means[..<768])
    }
    let (one, other) = (try lifted([0, 1]), try lifted([1, 0]))
    #expect(zip(one, other).allSatisfy { abs($0 - $1) < 1e-5 })
    // And by hand: z ((u + 0.5 - c) / f, ..., 1), turned and shifted.
    let pixel = 5 * 16 + 3
    let z = depths[0].scalars[pixel]
    let focal = cameras[0].focal.x
    let ray = SIMD3<Float>((3.5 - 8) / focal, (5.5 - 8) / focal, 1) * z
    for axis in 0..<3 {
      let wanted = (cameras[0].rotation[axis] * ray).sum() + cameras[0].position[axis]
      #expect(abs(one[3 * pixel + axis] - wanted) < 1e-5)
    }
  }

  /// Frames that several windows share are encoded once: each window has the states that it has alone.
  @Test(arguments: ["farthest", "fixed"]) func windowsShareFrames(_ anchors: String) throws {
    let options = try Small.decoded(
      GaussianWorldModel.Options.self,
      """
      {"cameras": ["left"], "lift": {"kind": "splatter", "channels": 8},
       "codec": {"kind": "vae", "anchors": "\(anchors)", \(Small.vae)}, "dynamics": {"width": 16, "layers": 1, "heads": 2}}
      """)
    var random = Random(seed: 1)
    let context = LiftContext(cameras: ["left"], size: Small.size, fieldsOfView: [50])
    let world = try GaussianWorldModel(
      options: options, blueprint: .init(context: context, actionWidth: 2), parts: Small.catalog, random: &random)
    let views = Small.views(batch: 4)
    try world.codec.prepare(CodecSample(encodings: world.encoding(views), gripper: []))
    let shared = world.observe(views, windows: [[0, 1], [1, 2], [2, 3]])
    for (row, window) in [[0, 1], [1, 2], [2, 3]].enumerated() {
      func chosen(_ tensor: Tensor) -> Tensor { tensor.gathered(window) }
      let alone = world.observe(
        CameraViews(size: views.size, images: views.images.map(chosen), depths: views.depths.map { $0.map(chosen) }))
      let found = shared.history.gathered([row])
      #expect(found.shape == alone.history.shape && relativeError(found, alone.history) < 1e-5)
    }
    let states = shared.history.scalars
    #expect(states[..<(states.count / 3)] != states[(states.count / 3)..<(2 * states.count / 3)], "windows differ")
  }

  /// A window that was moved for training has the rows that were kept of it unmoved; only where its tokens are has moved.
  @Test(arguments: [false, true]) func movedWindowsHaveTheSameRows(_ follows: Bool) throws {
    let path = NSTemporaryDirectory() + "/moved-\(UUID().uuidString).safetensors"
    defer { try? FileManager.default.removeItem(atPath: path) }
    var random = Random(seed: 1)
    let world: GaussianWorldModel
    if follows {
      world = try GripperTokenTests.world(gripper: "eef")
      let views = Small.views(batch: 8)
      let sample = CameraViews(
        size: views.size, images: views.images, depths: views.depths, calibrations: views.calibrations,
        gripper: .filled([8, 3], with: 0.2))
      try world.codec.prepare(CodecSample(encodings: world.encoding(sample)))
    } else {
      let options = try Small.decoded(
        GaussianWorldModel.Options.self,
        """
        {"cameras": ["left"], "frame": "base", "lift": {"kind": "splatter", "channels": 8},
         "codec": {"kind": "vae", \(Small.vae)}, "dynamics": {"width": 16, "layers": 1, "heads": 2}}
        """)
      let context = LiftContext(cameras: ["left"], size: Small.size, fieldsOfView: [50], frame: .base)
      world = try GaussianWorldModel(
        options: options, blueprint: .init(context: context, actionWidth: 3), parts: Small.catalog, random: &random)
    }
    Small.stir(world)
    try world.write(to: path)
    var encoderContext = EncoderContext(
      schema: ObservationSchema(
        images: ["left_image": Small.size], vectors: ["eef": 3, "left_calibration": 16]), vocabulary: [])
    (encoderContext.parts, encoderContext.wantsTokens) = (Small.catalog, true)
    let encoder = try GaussianWorldEncoder(
      options: Small.decoded(GaussianWorldEncoder.Options.self, "{\"world\": \"\(path)\", \"gripper\": \"eef\"}"),
      context: encoderContext, random: &random)
    var camera = CameraCalibration(fieldOfView: 50, size: Small.size)
    camera.position = SIMD3(0.2, -0.1, 0.4)
    let pixels = (0..<4 * 768).map { _ in UInt8(random.below(256)) }
    func batch(_ calibrations: Tensor, _ eef: Tensor) -> ObservationBatch {
      var batch = ObservationBatch(
        images: ["left_image": ImageBatch(batch: 2, time: 2, size: Small.size, pixels: pixels)],
        vectors: ["eef": eef, "left_calibration": calibrations], instructions: ["", ""], time: 2)
      batch.unnormalized = batch.vectors
      return batch
    }
    let plain = batch(
      Tensor((0..<4).flatMap { _ in camera.numbers }, shape: [2, 2, 16]), .normal([2, 2, 3], random: &random))
    let half = Float(0.35)
    let motion = RigidMotion(
      rotation: Tensor([cos(half), 0, 0, sin(half), 1, 0, 0, 0], shape: [2, 4]),
      shift: Tensor([0.1, 0.2, -0.1, 0, 0, 0.3], shape: [2, 3]))
    var moved = batch(
      motion.moved(calibrations: plain.vectors["left_calibration"]!), motion.moved(plain.vectors["eef"]!))
    moved.motion = motion
    // By hand: the first window's camera turned by 0.7 about the vertical, then shifted.
    let (c, s) = (cos(Float(0.7)), sin(Float(0.7)))
    let numbers = moved.vectors["left_calibration"]!.scalars
    #expect(abs(numbers[7] - (c * 0.2 + s * 0.1 + 0.1)) < 1e-6 && abs(numbers[11] - (s * 0.2 - c * 0.1 + 0.2)) < 1e-6)
    #expect(abs(numbers[4] - c) < 1e-6 && abs(numbers[8] - s) < 1e-6 && numbers[0] == camera.focal.x)
    let (here, there) = (encoder(plain), encoder(moved))
    #expect(zip(here.tokens!.scalars, there.tokens!.scalars).allSatisfy { abs($0 - $1) < 1e-4 })
    // Seen from the gripper tokens turn, absolute they move.
    let places = here.positions!.reshaped([2, -1, 6])
    let turned = RigidMotion(rotation: motion.rotation, shift: .zeros([2, 3])).moved(places.sliced(axis: 2, 0..<3))
    let expected = Tensor.concatenated([turned, motion.moved(places.sliced(axis: 2, 3..<6))], axis: 2).scalars
    #expect(zip(there.positions!.scalars, expected).allSatisfy { abs($0 - $1) < 1e-4 })
    // The same rows kept.
    var kept = moved
    kept.frozen = encoder.frozen(plain)
    #expect(zip(encoder(kept).positions!.scalars, expected).allSatisfy { abs($0 - $1) < 1e-4 })
  }

  /// With `residual` the present is what the camera saw, from elsewhere what the lift made of it, and a prediction that nothing
  /// happens is the same.
  @Test func whatDoesNotChangeIsDrawnAsItWasSeen() throws {
    let options = try Small.decoded(
      GaussianWorldModel.Options.self,
      """
      {"cameras": ["left"], "field_of_view": 50, "residual": true, "lift": {"kind": "splatter", "channels": 8},
       "codec": {"kind": "vae", \(Small.vae)}, "dynamics": {"width": 16, "layers": 1, "heads": 2}}
      """)
    var random = Random(seed: 1)
    let world = try GaussianWorldModel(
      options: options, blueprint: .init(context: Small.context(), actionWidth: 3), parts: Small.catalog,
      random: &random)
    Small.stir(world.codec)
    let views = Small.views(batch: 4, geometry: false)
    let state = world.observe(views)
    let seen = try #require(state.seen)
    var beside = Small.context().view
    beside.translation.x += 0.05
    let own = views.images[0].gathered([1, 3])
    let drawn = seen.lifted.rendered(from: [beside, beside]).sliced(axis: 3, 0..<3).clamped(to: 0...1)
    func isEqual(_ a: Tensor, _ b: Tensor) -> Bool { zip(a.scalars, b.scalars).allSatisfy { abs($0 - $1) < 1e-5 } }
    // A fresh dynamics predicts that nothing changes.
    let next = world.imagine(state, actions: nil, random: &random).state
    let still = WorldState(
      history: .stacked([seen.tokens, seen.tokens], axis: 1), positions: state.positions, seen: seen)
    for state in [state, still] {
      #expect(isEqual(world.decode(state, from: nil), own))
      #expect(isEqual(world.decode(state, from: [beside, beside]), drawn))
      let mixed = world.decode(state, from: [Small.context().view, beside])
      #expect(isEqual(mixed, .concatenated([own.gathered([0]), drawn.gathered([1])], axis: 0)))
    }
    #expect(!isEqual(own, drawn))
    #expect(next.seen != nil && world.decode(next, from: nil).shape == [2, 16, 16, 3])
  }
}
