import Evaluation
import Testing

@Suite struct RidgeRegressionTests {
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
