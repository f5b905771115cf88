import Evaluation
import Imitation
import Tensors
import Testing

/// Doubles images' brightness and hands a reading through, before or behind it.
private struct Brightness: ObservationEncoder {
  struct Options: PluginOptions {}
  static let name = "brightness"
  static let help = "For tests."
  let layout: FeatureLayout
  let readsFirst: Bool

  init(options: Options, context: EncoderContext, random: inout Random) { self.init(readsFirst: false) }
  init(readsFirst: Bool) {
    let (image, reading) = ((FeatureLayout.Source.image, "camera", 3), (FeatureLayout.Source.vector, "x", 2))
    layout = FeatureLayout(readsFirst ? [reading, image] : [image, reading])
    self.readsFirst = readsFirst
  }

  func callAsFunction(_ observations: ObservationBatch) -> Features {
    let camera = observations.images["camera"]!
    let seen = Tensor(camera.pixels.map { 2 * Float($0) }, shape: [camera.batch, camera.time, 3])
    let reading = observations.vectors["x"]!
    return Features(pooled: .concatenated(readsFirst ? [reading, seen] : [seen, reading], axis: 2))
  }
}

@Suite struct RidgeRegressionTests {
  /// Where an encoder puts the low-dimensional observations makes no difference, and they are not among what is regressed on.
  @Test func readingsMayStandAnywhere() {
    var random = Random(seed: 1)
    let pixels = (0..<20 * 2 * 3).map { _ in UInt8(random.below(256)) }
    let seen = ObservationBatch(
      images: ["camera": ImageBatch(batch: 20, time: 2, size: .init(height: 1, width: 1), pixels: pixels)],
      vectors: ["x": .normal([20, 2, 2], random: &random)], instructions: Array(repeating: "", count: 20), time: 2)
    let rows = [false, true].map { Brightness(readsFirst: $0).imageRows(seen) }
    #expect(rows[0] == rows[1])
    // The last frame's three colors, and nothing else.
    let expected: [[Double]] = (0..<20).map { item in pixels[item * 6 + 3..<item * 6 + 6].map { 2 * Double($0) } }
    #expect(rows[0] == expected)
    let values = seen.vectors["x"]!.sliced(axis: 1, 1..<2).squeezed(1).scalars.map(Double.init)
    let observed: [[Double]] = (0..<20).map { [values[2 * $0], values[2 * $0 + 1]] }
    let found = rows.map { RidgeRegression.explained($0, observed, $0, observed) }
    #expect(found[0] == found[1] && found[0] < 0.8, "the observations would explain themselves")
  }

  /// What is linear is found whole, what is noise is not.
  @Test func regressionExplainsWhatIsLinear() {
    var seed: UInt64 = 1
    func next() -> Double {
      seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(seed >> 33) / Double(1 << 31) - 0.5
    }
    func rows(_ count: Int) -> [[Double]] { (0..<count).map { _ in (0..<5).map { _ in next() } } }
    let (known, hidden) = (rows(400), rows(100))
    func linear(_ rows: [[Double]]) -> [[Double]] { rows.map { [3 * $0[0] - $0[2] + 7, 1] } }
    #expect(RidgeRegression.explained(known, linear(known), hidden, linear(hidden)) > 0.999)
    let noise = RidgeRegression.explained(known, known.map { _ in [next()] }, hidden, hidden.map { _ in [next()] })
    #expect(noise < 0.1 && noise > -0.3)
    let half = RidgeRegression.explained(
      known, known.map { [$0[0] + next()] }, hidden, hidden.map { [$0[0] + next()] })
    #expect(abs(half - 0.5) < 0.15)
  }
}
