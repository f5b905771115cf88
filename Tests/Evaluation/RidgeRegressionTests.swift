import Evaluation
import Support
import Tensors
import Testing

@Suite struct RidgeRegressionTests {
  /// With one feature the coefficient is that of least squares, made smaller by `n / (n + penalty)`: the Gram matrix's diagonal
  /// is 1 on average, its only eigenvalue `n`.
  @Test func oneFeatureHasAClosedForm() {
    let x: [Double] = [1, 2, 3, 5, 9, 10]
    let y: [Double] = [2, 1, 4, 4, 7, 12]
    let regression = RidgeRegression(Tensor((x + [20]).map(Float.init), shape: [7, 1]), training: 6)
    let values = (y + [0]).map { [$0] }
    let found = regression.predictions(of: [6], from: Array(0..<6), values, [0.001, 1, 6, 1000])
    let (xMean, yMean) = (5.0, 5.0)
    let (products, squares) = zip(x, y).reduce((0.0, 0.0)) { sums, pair in
      (sums.0 + (pair.0 - xMean) * (pair.1 - yMean), sums.1 + (pair.0 - xMean) * (pair.0 - xMean))
    }
    for (penalty, row) in zip([0.001, 1, 6, 1000], found) {
      let expected = yMean + products / squares * 6 / (6 + penalty) * (20 - xMean)
      #expect(abs(row[0][0] - expected) < 1e-3 * abs(expected), "\(penalty): \(row) instead of \(expected)")
    }
  }

  /// Features that are wider than there are rows, and the choice of penalties, against NumPy in the primal form.
  @Test func wideFeaturesAreNumPys() throws {
    let golden = try Golden("probe")
    let (rows, training, width) = (66, 48, 200)
    let hidden = wave([rows, 3], 1, scale: 1)
    let features = (hidden.matmul(wave([3, width], 2, scale: 1)) + wave([rows, width], 3, scale: 1)).scalars
    let x = Tensor(features.indices.map { $0 % width == 7 ? 3 : features[$0] }, shape: [rows, width])
    let position = (hidden.matmul(wave([3, 3], 4, scale: 10)) + 5 + wave([rows, 3], 6, scale: 4)).scalars
    let noise = wave([rows, 1], 7, scale: 1).scalars
    let values = (0..<rows).map { row -> [Double] in
      (Array(position[3 * row..<3 * row + 3]) + [noise[row]]).map { Double($0) }
    }
    let targets = [0..<3, 3..<4]
    let regression = RidgeRegression(x, training: training)
    let found = try #require(
      regression.outcomes(values, targets: targets, groups: (0..<training).map { $0 / 4 }))
    let means = try #require(RidgeRegression.errorsOfMean(values, training: training, targets: targets))
    for (place, name) in ["position", "noise"].enumerated() {
      let (outcome, mean) = (found[place], means[place])
      let expected = golden[name].scalars.map { Double($0) }
      #expect(abs(outcome.penalty - expected[0]) < 1e-4, "\(name)")
      #expect(abs(outcome.error - expected[1]) < 1e-3 * expected[1], "\(name): \(outcome.error)")
      #expect(abs(mean - expected[2]) < 1e-4 * expected[2], "\(name): \(mean)")
    }
    // The two want different penalties, neither the least nor the greatest.
    #expect(Set(found.map(\.penalty)) == [0.1, 1])
  }

  /// Penalties are chosen without a look at held-out rows, and groups are never on both sides.
  @Test func penaltiesAreChosenOnTrainingRows() throws {
    var random = Random(seed: 3)
    let x = Tensor.normal([60, 30], random: &random)
    let scalars = x.scalars
    var values = (0..<60).map { [Double(scalars[30 * $0]) + random.uniform(-1...1)] }
    let regression = RidgeRegression(x, training: 40)
    let groups = (0..<40).map { $0 / 5 }
    let first = try #require(regression.outcomes(values, targets: [0..<1], groups: groups)?.first)
    for row in 40..<60 { values[row][0] += 100 }
    let other = try #require(regression.outcomes(values, targets: [0..<1], groups: groups)?.first)
    #expect(first.penalty == other.penalty && other.error > first.error + 90)
    // Rows that come twice, in two groups: one of them tells the other, and no penalty is best. In one group they do not.
    let pairs = Tensor.concatenated(
      [x.sliced(axis: 0, 0..<20), x.sliced(axis: 0, 0..<20), x.sliced(axis: 0, 40..<60)], axis: 0)
    let noise = (0..<20).map { _ in [random.uniform(-1...1)] }
    let twice = RidgeRegression(pairs, training: 40)
    let told = try #require(
      twice.outcomes(noise + noise + values[40...], targets: [0..<1], groups: (0..<40).map { $0 < 20 ? 0 : 1 })?.first)
    let apart = try #require(
      twice.outcomes(noise + noise + values[40...], targets: [0..<1], groups: (0..<40).map { $0 % 20 })?.first)
    #expect(told.penalty == 1e-5 && apart.penalty >= 1, "\(told.penalty) \(apart.penalty)")
  }

  /// Columns beside the features count as if they were repeated until they are as many.
  @Test func columnsBesideAreAsLargeAsTheFeatures() {
    var random = Random(seed: 4)
    let (x, few) = (Tensor.normal([40, 6], random: &random), Tensor.normal([40, 3], random: &random))
    // One that never moves is none of them.
    let still = Tensor.filled([40, 1], with: 3)
    let values = (0..<40).map { _ in [random.uniform(-1...1)] }
    func found(_ regression: RidgeRegression) -> [Double] {
      regression.predictions(of: Array(30..<40), from: Array(0..<30), values, [0.01])[0].map { $0[0] }
    }
    let beside = found(RidgeRegression(.concatenated([x, still], axis: 1), beside: few, training: 30))
    let repeated = found(RidgeRegression(.concatenated([x, few, few], axis: 1), training: 30))
    #expect(zip(beside, repeated).allSatisfy { abs($0 - $1) < 1e-4 })
    #expect(zip(beside, found(RidgeRegression(x, training: 30))).contains { abs($0 - $1) > 0.01 })
  }

  @Test func withoutGroupsOrHeldOutRowsThereIsNothing() {
    let x = Tensor([1, 2, 3, 4], shape: [4, 1])
    let values: [[Double]] = [[1], [2], [3], [4]]
    #expect(RidgeRegression(x, training: 3).outcomes(values, targets: [0..<1], groups: [5, 5, 5]) == nil)
    #expect(RidgeRegression(x, training: 4).outcomes(values, targets: [0..<1], groups: [0, 1, 2, 3]) == nil)
    #expect(RidgeRegression.errorsOfMean(values, training: 4, targets: [0..<1]) == nil)
    // Features that never move tell no more than the mean.
    let constant = RidgeRegression(.ones([4, 2]), training: 3).outcomes(values, targets: [0..<1], groups: [0, 1, 2])
    #expect(constant?.first?.error == 2)
    // Nor do features that are no numbers, which no report could hold.
    let lost = RidgeRegression(Tensor([1, 2, .nan, 4], shape: [4, 1]), training: 3)
    #expect(lost.outcomes(values, targets: [0..<1], groups: [0, 1, 2]) == nil)
  }
}

@Suite struct LinearProbeTests {
  /// Phases are regressed on apart: what holds before does not have to hold after.
  @Test func phasesAreApart() throws {
    var random = Random(seed: 5)
    let frames = (0..<120).map { row -> (x: Float, frame: LinearProbe.Frame) in
      let x = Float(random.uniform(-1...1))
      let phase = row % 3 == 0 ? 1 : 0
      return (x, .init(values: [Double(phase == 0 ? x : -3 * x), 7], demonstration: row / 10, phases: [phase]))
    }
    let targets = [
      ProbeResult.Target(name: "a", unit: "cm", width: 1), .init(name: "b", unit: "", width: 1),
    ]
    let probe = LinearProbe(
      frames.map(\.frame), training: 90, targets: targets, phases: ["before", "after", "never"])
    #expect(probe.phases.map(\.training) == [60, 30, 0] && probe.phases.map(\.heldOut) == [20, 10, 0])
    let row = probe.row("x", width: 1) { rows in Tensor(rows.map { frames[$0].x }, shape: [rows.count, 1]) }
    #expect(row.cells.count == 4, "a phase without frames has no cells")
    for phase in probe.phases[..<2] {
      let cell = try #require(row[targets[0], phase])
      #expect(cell.error < 0.01 && cell.explained > 0.999 && cell.penalty! < 0.01)
      // What never moves is known by its mean alone.
      #expect(try #require(row[targets[1], phase]).error < 1e-6)
    }
    #expect(probe.mean[targets[0], probe.phases[0]]!.error > 0.3)
    #expect(probe.mean[targets[0], probe.phases[1]]!.error > 1 && probe.mean.isBaseline)
    #expect(probe.mean[targets[0], probe.phases[0]]!.penalty == nil)
  }
}
