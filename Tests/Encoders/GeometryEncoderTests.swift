import Encoders
import Foundation
import Imitation
import Layers
import Support
import Tensors
import Testing

/// Encoders of where pixels are in the robot's base frame.
@Suite struct GeometryEncoderTests {
  static let size = ObservationSchema.ImageSize(height: 36, width: 40)
  static let box: [Float] = [0.1, -0.6, -0.2, 1.1, 0.4, 0.6]
  static let boxOption = "\"workspace\": [0.1, -0.6, -0.2, 1.1, 0.4, 0.6]"

  static func context(cameras: [String] = ["left"], vectors: [String: Int] = ["pose": 3]) -> EncoderContext {
    var schema = ObservationSchema(images: [:], vectors: vectors)
    for camera in cameras.map({ CameraKeys($0) }) {
      schema.images[camera.image] = size
      schema.vectors[camera.depth] = size.height * size.width
      schema.vectors[camera.calibration] = CameraCalibration.width
    }
    return EncoderTests.with(EncoderContext(schema: schema, vocabulary: ["close", "open"]))
  }

  /// A plane that fills the view of any camera that looks along `view`, and such cameras.
  struct Table {
    // An orthonormal frame: to the right of an image, down, and along the view.
    let axes: [SIMD3<Double>]
    let center = SIMD3<Double>(0.6, -0.1, 0.2)

    init() {
      let view = SIMD3<Double>(0.48, 0.6, -0.64)
      let right = SIMD3<Double>(0.6, -0.48, 0) / (0.36 + 0.2304).squareRoot()
      let down = SIMD3(
        view.y * right.z - view.z * right.y, view.z * right.x - view.x * right.z, view.x * right.y - view.y * right.x)
      axes = [right, down, view]
    }

    /// A camera `distance` meters off the plane, turned by quarters about its view.
    func camera(_ distance: Double, quarters: Int = 0, size: ObservationSchema.ImageSize = size) -> CameraCalibration {
      let turn = [(1.0, 0.0), (0, 1), (-1, 0), (0, -1)][quarters]
      let (x, y) = (axes[0] * turn.0 + axes[1] * turn.1, axes[1] * turn.0 - axes[0] * turn.1)
      return CameraCalibration(
        focal: SIMD2(repeating: Float(20 * distance)),
        center: SIMD2(Float(size.width) / 2, Float(size.height) / 2),
        rotation: (0..<3).map { SIMD3(Float(x[$0]), Float(y[$0]), Float(axes[2][$0])) },
        position: SIMD3<Float>(center - axes[2] * distance))
    }
  }

  static func observations(
    _ views: [[String: (depths: [Float], camera: CameraCalibration)]], seed: UInt64 = 1, time: Int = 1
  ) -> ObservationBatch {
    var random = Random(seed: seed)
    let count = views.count / time
    var batch = ObservationBatch(
      images: [:], vectors: ["pose": .normal([count, time, 3], random: &random)],
      instructions: (0..<count).map { $0 % 2 == 0 ? "open" : "close" }, time: time)
    for name in views[0].keys.sorted() {
      let keys = CameraKeys(name)
      let frame = size.height * size.width
      batch.images[keys.image] = ImageBatch(
        batch: count, time: time, size: size,
        pixels: (0..<views.count * frame * 3).map { _ in UInt8(random.below(256)) })
      batch.vectors[keys.depth] = Tensor(views.flatMap { $0[name]!.depths }, shape: [count, time, frame])
      batch.vectors[keys.calibration] = Tensor(views.flatMap { $0[name]!.camera.numbers }, shape: [count, time, 16])
    }
    return batch
  }

  /// Bumpy depths, some of them unknown.
  static func some(_ count: Int, time: Int = 1, cameras: [String] = ["left"], seed: UInt64 = 1) -> ObservationBatch {
    var random = Random(seed: seed)
    return observations(
      (0..<count * time).map { _ in
        Dictionary(
          uniqueKeysWithValues: cameras.enumerated().map { index, name in
            let distance = 0.8 + 0.2 * Double(index)
            let depths = (0..<size.height * size.width).map { _ in
              random.below(20) == 0 ? 0 : Float(distance + random.uniform(-0.2...0.2))
            }
            return (name, (depths, Table().camera(distance, quarters: index)))
          })
      }, seed: seed, time: time)
  }

  func encoder<E: ObservationEncoder>(
    _ type: E.Type, _ json: String, cameras: [String] = ["left"], tokens: Bool = false, seed: UInt64 = 1
  ) throws -> E {
    var (context, random) = (Self.context(cameras: cameras), Random(seed: seed))
    context.wantsTokens = tokens
    return try E(options: E.Options(Setting(json: "{\(json)}")), context: context, random: &random)
  }

  // MARK: Places

  /// Pixel by pixel in 64 bits: along the ray, turned and moved into the base frame, into the box.
  @Test func placesAreInTheBaseFrame() {
    let size = Self.size
    let cameras = [Table().camera(0.7), Table().camera(1.1, quarters: 3)]
    var random = Random(seed: 4)
    var depths = (0..<2 * size.height * size.width).map { _ in Float(random.uniform(0.3...1.6)) }
    for (index, unknown) in [0, -1, Float.nan, .infinity].enumerated() { depths[300 * index + 7] = unknown }
    for box in [Self.box, nil] {
      let found = Workspace(box).places(size, depths: depths, calibrations: cameras.flatMap(\.numbers))
      #expect(found.shape == [2, size.height * size.width, 4])
      let values = found.scalars
      var (inside, worst) = (0, 0.0)
      let limits = (box ?? [-9e9, -9e9, -9e9, 9e9, 9e9, 9e9]).map(Double.init)
      // The box is 1 by 1 by 0.8 meters.
      let (center, half): ([Double], Double) = box == nil ? ([0, 0, 0], 1) : ([0.6, -0.1, 0.2], 0.5)
      let frame = size.height * size.width
      for index in depths.indices {
        let n = cameras[index / frame].numbers.map(Double.init)
        let (u, v) = (Double(index % frame % size.width) + 0.5, Double(index % frame / size.width) + 0.5)
        let depth = Double(depths[index])
        let local = [(u - n[2]) / n[0] * depth, (v - n[3]) / n[1] * depth, depth]
        var counts = depth > 0 && depth.isFinite
        var expected: [Double] = []
        for axis in 0..<3 {
          let row = n[(4 + 4 * axis)..<(8 + 4 * axis)].map { $0 }
          let place = row[0] * local[0] + row[1] * local[1] + row[2] * local[2] + row[3]
          counts = counts && place >= limits[axis] && place <= limits[axis + 3]
          expected.append((place - center[axis]) / half)
        }
        inside += counts ? 1 : 0
        expected = counts ? expected + [1] : [0, 0, 0, 0]
        for axis in 0..<4 { worst = max(worst, abs(Double(values[4 * index + axis]) - expected[axis])) }
      }
      #expect(worst < 1e-5)
      #expect(box == nil ? inside == depths.count - 4 : (100..<depths.count - 100).contains(inside))
    }
  }

  /// The same surface from elsewhere: the map and the points stay where they are.
  @Test func aMovedCameraSeesTheSamePlaces() throws {
    func seen(_ distance: Double, quarters: Int = 0, told: Double? = nil) -> ObservationBatch {
      let frame = Self.size.height * Self.size.width
      let camera = Table().camera(told ?? distance, quarters: quarters)
      return Self.observations([["left": (Array(repeating: Float(distance), count: frame), camera)]])
    }
    func difference(_ encoder: some ObservationEncoder, _ a: ObservationBatch, _ b: ObservationBatch) -> Float {
      zip(encoder(a).pooled.scalars, encoder(b).pooled.scalars).map { abs($0 - $1) }.max()!
    }
    let map = try encoder(PointMapEncoder.self, "\"crop\": 16, \(Self.boxOption)")
    #expect(difference(map, seen(0.5), seen(1.3)) < 1e-4)
    #expect(difference(map, seen(0.5), seen(0.5, told: 0.7)) > 1e-3, "the calibration says nothing")
    // Points know no order: the camera may turn as well.
    let points = try encoder(PointsEncoder.self, "\"count\": 1440")
    #expect(difference(points, seen(0.5), seen(1.3)) < 1e-4)
    #expect(difference(points, seen(0.5), seen(1.3, quarters: 2)) < 1e-4)
    #expect(difference(points, seen(0.5), seen(0.5, told: 0.7)) > 1e-3, "the calibration says nothing")
  }

  /// Maps and colors are cut at the same place, another one for each frame of a training batch.
  @Test func mapsAndColorsShareTheirCrop() {
    let (side, frames) = (40, 3)
    // The color says where a pixel is.
    let pixels = (0..<frames * side * side).flatMap {
      [UInt8($0 % side), UInt8($0 / side % side), UInt8($0 / side / side)]
    }
    let images = ImageBatch(batch: frames, time: 1, size: .init(height: side, width: side), pixels: pixels)
    let map = Tensor(pixels.map(Float.init), shape: [frames, side * side, 3])
    var corners: Set<[Float]> = []
    for seed in 0..<4 as Range<UInt64> {
      Phase.training(random: Random(seed: seed)) {
        let cropped = CroppedFrames(images, crop: 9)
        #expect(
          cropped.colors.shape == [3, 9, 9, 3]
            && cropped.squares(of: map).scalars == cropped.colors.scalars.map { ($0 * 255).rounded() })
        for frame in 0..<3 { corners.insert(Array(cropped.colors.scalars[frame * 243..<frame * 243 + 2])) }
      }
    }
    #expect(corners.count > 6)
  }

  // MARK: point-map

  static let maps = ["none", "early", "late"].flatMap { color in ["small", "resnet18"].map { (color, $0) } }

  /// Whatever the trunk and the colors: shapes, the same every time, all parameters learn, and no depth is a feature.
  @Test(arguments: maps, [false, true]) func pointMaps(_ kind: (color: String, trunk: String), tokens: Bool) throws {
    let cameras = ["left", "hand"]
    let json =
      "\"crop\": 34, \"color\": \"\(kind.color)\", \"trunk\": \"\(kind.trunk)\", \"features\": 12, \(Self.boxOption)"
    let encoder = try encoder(PointMapEncoder.self, json, cameras: cameras, tokens: tokens)
    let batch = Self.some(2, time: 2, cameras: cameras)
    let features = encoder(batch)
    let width = kind.color == "late" ? 24 : 12
    if tokens {
      #expect(encoder.layout.tokens == .init(width: width, dimensions: 2))
      let side = kind.trunk == "small" ? 4 : 2
      #expect(features.tokens?.shape == [2, 2, 2 * side * side + 1, width] && encoder.featureCount == 67)
    } else {
      #expect(features.pooled.shape == [2, 2, 2 * width + 3] && encoder.featureCount == 2 * width + 3)
      #expect(encoder.layout.columns(from: [.image]) == Array(0..<2 * width))
    }
    let last = encoder.layout.columns(from: [.vector])
    #expect(features.pooled.gathered(last, axis: 2).scalars == batch.vectors["pose"]!.scalars)
    #expect(encoder(batch).pooled.scalars == features.pooled.scalars)
    let silent = untouched(encoder) {
      let features = encoder(batch)
      let all = features.tokens ?? features.pooled
      return (all * wave(all.shape, 3, scale: 1)).sum() + features.pooled.square().sum()
    }
    #expect(silent.isEmpty)
  }

  /// With colors late, the trunk of the colors is the `small` encoder.
  @Test func lateColorsAreAnImageEncoders() throws {
    let maps = try encoder(PointMapEncoder.self, "\"color\": \"late\", \"features\": 12")
    let images = try encoder(SmallEncoder.self, "\"features\": 12", seed: 2)
    let weights = maps.snapshot()
    try images.load(
      Dictionary(
        uniqueKeysWithValues: images.snapshot().keys.map { name in
          (name, weights[name.replacingOccurrences(of: "left_image.", with: "left_image.colors.")]!)
        }))
    let batch = Self.some(2)
    let rows = images(batch).pooled
    #expect(images.featureCount == 12 + 3, "depths are no features of an image encoder either")
    #expect(maps(batch).pooled.sliced(axis: 2, 12..<24).scalars == rows.sliced(axis: 2, 0..<12).scalars)
  }

  /// What lies outside of the box, or has no depth, says nothing.
  @Test func theBoxHidesTheRest() throws {
    let frame = Self.size.height * Self.size.width
    func seen(_ behind: Float) -> ObservationBatch {
      let depths = (0..<frame).map { $0 % 3 == 0 ? behind : Float(0.8) }
      return Self.observations([["left": (depths, Table().camera(0.8))]])
    }
    func rows(_ encoder: some ObservationEncoder) -> Int {
      Set([0, 4, 6].map { encoder(seen($0)).pooled.scalars }).count
    }
    #expect(try rows(encoder(PointMapEncoder.self, Self.boxOption)) == 1)
    #expect(try rows(encoder(PointMapEncoder.self, "")) == 3)
    #expect(try rows(encoder(PointsEncoder.self, Self.boxOption)) == 1)
    #expect(try rows(encoder(PointsEncoder.self, "")) == 3)
  }

  // MARK: points

  /// Every choice and every layer in 64 bits.
  @Test(arguments: [false, true]) func pointsAreAsIn3DDiffusionPolicy(color: Bool) throws {
    let cameras = ["hand", "left"]
    let encoder = try encoder(
      PointsEncoder.self,
      "\"count\": 40, \"color\": \(color), \"features\": 7, \"instruction\": {\"kind\": \"none\"}, \(Self.boxOption)",
      cameras: cameras)
    encoder.fillWithWaves()
    let batch = Self.some(2, cameras: cameras)
    let weights = encoder.snapshot()
    let found = encoder(batch).pooled.scalars
    for item in 0..<2 {
      var points: [[Double]] = []
      for camera in cameras.map({ CameraKeys($0) }) {
        let places = Workspace(Self.box).places(
          Self.size, depths: batch.vectors[camera.depth]!.gathered([item]).scalars,
          calibrations: batch.vectors[camera.calibration]!.gathered([item]).scalars
        ).scalars
        let frame = places.count / 4
        for pixel in 0..<frame where places[4 * pixel + 3] == 1 {
          let colors = (0..<3).map {
            Double(batch.images[camera.image]!.pixels[(item * frame + pixel) * 3 + $0]) / 255 - 0.5
          }
          points.append((0..<3).map { Double(places[4 * pixel + $0]) } + (color ? colors : []))
        }
      }
      func distance(_ a: [Double], _ b: [Double]) -> Float {
        (0..<3).reduce(Float(0)) { $0 + (Float(a[$1]) - Float(b[$1])) * (Float(a[$1]) - Float(b[$1])) }
      }
      var (chosen, nearest) = ([0], points.map { distance($0, points[0]) })
      while chosen.count < 40 {
        chosen.append(nearest.indices.max { nearest[$0] < nearest[$1] }!)
        for index in points.indices {
          nearest[index] = min(nearest[index], distance(points[index], points[chosen.last!]))
        }
      }
      func layer(_ x: [Double], _ name: String, _ norm: String) -> [Double] {
        let (weight, bias) = (weights[name + ".weight"]!, weights[name + ".bias"]!.scalars)
        let (matrix, outputs) = (weight.scalars, weight.shape[1])
        let y = (0..<outputs).map { o in
          x.indices.reduce(Double(bias[o])) { $0 + x[$1] * Double(matrix[$1 * outputs + o]) }
        }
        let mean = y.reduce(0, +) / Double(outputs)
        let variance = y.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(outputs)
        let (scale, shift) = (weights[norm + ".scale"]!.scalars, weights[norm + ".bias"]!.scalars)
        return y.indices.map { (y[$0] - mean) / (variance + 1e-5).squareRoot() * Double(scale[$0]) + Double(shift[$0]) }
      }
      let deep = chosen.map { index in
        (0..<3).reduce(points[index]) { x, level in
          layer(x, "levels.\(level).linear", "levels.\(level).norm").map { max($0, 0) }
        }
      }
      let largest = (0..<256).map { column in deep.map { $0[column] }.max()! }
      let expected = layer(largest, "projection", "norm")
      for column in 0..<7 { #expect(abs(Double(found[item * 10 + column]) - expected[column]) < 1e-4) }
    }
    #expect(Array(found[7..<10]) == Array(batch.vectors["pose"]!.scalars[0..<3]))
  }

  @Test(arguments: [false, true]) func pointsLearn(color: Bool) throws {
    let encoder = try encoder(PointsEncoder.self, "\"color\": \(color), \(Self.boxOption)", cameras: ["hand", "left"])
    #expect(encoder.featureCount == 67 && encoder.layout.columns(from: [.image]) == Array(0..<64))
    let batch = Self.some(2, time: 2, cameras: ["hand", "left"])
    #expect(encoder(batch).pooled.shape == [2, 2, 67])
    let silent = untouched(encoder) {
      let rows = encoder(batch).pooled
      return (rows * wave(rows.shape, 3, scale: 1)).sum()
    }
    #expect(silent.isEmpty, "\(silent)")
    // Another instruction, another answer.
    var other = batch
    other.instructions.reverse()
    #expect(encoder(other).pooled.scalars != encoder(batch).pooled.scalars)
  }

  /// Fewer points than are wanted repeat, which changes no maximum; no point at all is one in the middle.
  @Test func fewPointsAreEnough() throws {
    let frame = Self.size.height * Self.size.width
    func seen(_ known: Int) -> ObservationBatch {
      Self.observations([["left": ((0..<frame).map { $0 < known ? 0.8 : 0 }, Table().camera(0.8))]])
    }
    let (exact, more) = (
      try encoder(PointsEncoder.self, "\"count\": 5"), try encoder(PointsEncoder.self, "\"count\": 64")
    )
    #expect(exact(seen(5)).pooled.scalars == more(seen(5)).pooled.scalars)
    #expect(exact.points(seen(3)).shape == [1, 5, 3])
    #expect(more.points(seen(0)).scalars == Array(repeating: 0, count: 3 * 64))
    #expect(more(seen(0)).pooled.scalars.allSatisfy { $0.isFinite })
    let colored = try encoder(PointsEncoder.self, "\"count\": 8, \"color\": true")
    #expect(colored.points(seen(0)).scalars == Array(repeating: 0, count: 6 * 8))
  }

  // MARK: Both

  /// A row has the same bits alone and among others.
  @Test(.enabled(if: hasVectorKernels)) func rowsDoNotDependOnEachOther() throws {
    func check(_ encoder: some ObservationEncoder) {
      let batch = Self.some(4)
      let all = encoder(batch).pooled
      for row in 0..<4 {
        var alone = batch
        alone.instructions = [batch.instructions[row]]
        alone.vectors = batch.vectors.mapValues { $0.gathered([row]) }
        alone.images = batch.images.mapValues { images in
          let frame = images.pixels.count / 4
          return ImageBatch(
            batch: 1, time: 1, size: images.size, pixels: Array(images.pixels[row * frame..<(row + 1) * frame]))
        }
        #expect(encoder(alone).pooled.scalars == all.gathered([row]).scalars, "row \(row)")
      }
    }
    try check(encoder(PointMapEncoder.self, "\"color\": \"early\""))
    try check(encoder(PointsEncoder.self, "\"color\": true"))
  }

  @Test func refusalsNameTheMissingKey() throws {
    func refusal<E: ObservationEncoder>(_ type: E.Type, _ change: (inout ObservationSchema) -> Void) -> (any Error)? {
      #expect(throws: (any Error).self) {
        var (context, random) = (Self.context(cameras: ["left", "hand"]), Random(seed: 1))
        change(&context.schema)
        _ = try E(options: E.Options(), context: context, random: &random)
      }
    }
    for name in ["point-map", "points"] {
      func check<E: Error & Equatable>(_ expected: E, _ change: (inout ObservationSchema) -> Void) {
        let found =
          name == "points" ? refusal(PointsEncoder.self, change) : refusal(PointMapEncoder.self, change)
        #expect(found as? E == expected)
      }
      check(CameraError.missingGeometry("hand_depth", for: name)) { $0.vectors["hand_depth"] = nil }
      check(CameraError.missingGeometry("left_calibration", for: name)) { $0.vectors["left_calibration"] = nil }
      check(CameraError.geometrySize("hand_depth", found: 10, wanted: 36 * 40)) { $0.vectors["hand_depth"] = 10 }
      check(CameraError.geometrySize("left_calibration", found: 12, wanted: 16)) {
        $0.vectors["left_calibration"] = 12
      }
      check(EncoderError.missingImage("hand_image", of: "hand_calibration", encoder: name)) {
        $0.images["hand_image"] = nil
      }
      check(EncoderError.noCamera(encoder: name)) { $0 = ObservationSchema(images: [:], vectors: ["pose": 3]) }
    }
    #expect(
      "\(CameraError.missingGeometry("hand_depth", for: "points"))"
        == "'points' needs 'hand_depth': name it under observations.vectors and record it (simulator: {depth: true})")
    for box in ["[0, 0, 0, 1, 1]", "[0, 0, 0, 1, 1, 0]", "[0, 0, 0, 1, 1, 1e99]"] {
      #expect(throws: SettingError.self) { try encoder(PointMapEncoder.self, "\"workspace\": \(box)") }
    }
    #expect(throws: EncoderError.cropTooLarge(crop: 37, camera: "left_image", size: Self.size)) {
      try encoder(PointMapEncoder.self, "\"crop\": 37")
    }
  }

  @Test func aWorkspaceWithNothingInItIsRefused() throws {
    let batch = Self.some(2)
    for box in ["[50, 50, 50, 51, 51, 51]", "null"] {
      let isEmpty = box != "null"
      let (map, points) = (
        try encoder(PointMapEncoder.self, "\"workspace\": \(box)"),
        try encoder(PointsEncoder.self, "\"workspace\": \(box)")
      )
      func refusal(_ body: () throws -> Void) -> EncoderError? {
        do { try body() } catch { return error as? EncoderError }
        return nil
      }
      #expect(refusal { try map.check(batch) } == (isEmpty ? .emptyWorkspace(encoder: "point-map") : nil))
      #expect(refusal { try points.check(batch) } == (isEmpty ? .emptyWorkspace(encoder: "points") : nil))
    }
  }

  /// The parameters that a loss leaves without a gradient, or with one of zeros; a softmax does not feel its bias.
  private func untouched(_ module: some Module, _ loss: () -> Tensor) -> [String] {
    let (_, gradients) = withGradients(random: Random(seed: 1), loss)
    return module.parameters()
      .filter { !(gradients[$0.parameter]?.scalars.contains { $0 != 0 } ?? false) }.map(\.name)
      .filter { !$0.hasSuffix("keypoints.projection.bias") }
  }
}
