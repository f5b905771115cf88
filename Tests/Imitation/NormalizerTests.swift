import Imitation
import Tensors
import Testing

@Suite struct NormalizerTests {
  let statistics = KeyStatistics(
    count: 4, mean: [2, 5, -1], variance: [4, 0, 0.25], minimum: [-2, 5, -2], maximum: [6, 5, 0])

  @Test(arguments: Normalization.allCases)
  func restoresWhatItNormalized(_ normalization: Normalization) throws {
    let normalizer = Normalizer(keys: ["actions": .init(normalization, statistics: statistics)])
    let row: [Float] = [1.5, 5, -0.25]
    let normalized = try normalizer.normalized(Tensor(row, shape: [1, 1, 3]), key: "actions")
    let back = try normalizer.restored(normalized.scalars, key: "actions")
    for (value, expected) in zip(back, row) { #expect(abs(value - expected) < 1e-5) }
  }

  /// robomimic: `[min, max]` to ±0.999999; a dimension that does not move gets scale 1 and offset min.
  @Test func minMaxReachesTheEnds() throws {
    let normalizer = Normalizer(keys: ["actions": .init(.minMax, statistics: statistics)])
    let low = try normalizer.normalized(Tensor([-2, 5, -2], shape: [3]), key: "actions").scalars
    let high = try normalizer.normalized(Tensor([6, 5, 0], shape: [3]), key: "actions").scalars
    #expect(abs(low[0] + 0.999999) < 1e-6 && abs(high[0] - 0.999999) < 1e-6)
    #expect(low[1] == 0 && high[1] == 0)
    #expect(abs(low[2] + 0.999999) < 1e-6 && abs(high[2] - 0.999999) < 1e-6)
  }

  /// Diffusion Policy: exactly to the ends, so that clipping at 1 takes nothing away.
  @Test func limitsReachTheEndsExactly() throws {
    let normalizer = Normalizer(keys: ["actions": .init(.limits, statistics: statistics)])
    #expect(try normalizer.normalized(Tensor([-2, 5, -2], shape: [3]), key: "actions").scalars == [-1, 0, -1])
    #expect(try normalizer.normalized(Tensor([6, 5, 0], shape: [3]), key: "actions").scalars == [1, 0, 1])
  }

  /// The published code swaps the two: with scale = mean and offset = deviation this would be (1.5 - 2) / 2.
  @Test func gaussianSubtractsTheMeanAndDividesByTheDeviation() throws {
    let normalizer = Normalizer(keys: ["actions": .init(.gaussian, statistics: statistics)])
    let values = try normalizer.normalized(Tensor([1.5, 6, -1.5], shape: [3]), key: "actions").scalars
    #expect(values == [-0.25, 1, -1])
  }

  /// Who computes with meters finds them beside the normalized values.
  @Test func observationsAreKeptInTheirUnits() throws {
    let normalizer = Normalizer(keys: ["x": .init(.gaussian, statistics: statistics)])
    let values = Tensor([1.5, 6, -1.5], shape: [1, 1, 3])
    let batch = try normalizer.normalized(
      ObservationBatch(images: [:], vectors: ["x": values], instructions: [""], time: 1))
    #expect(batch.vectors["x"]?.scalars == [-0.25, 1, -1])
    #expect(batch.unnormalized["x"]?.scalars == values.scalars)
  }

  @Test func refusesMissingAndMisSizedStatistics() {
    let normalizer = Normalizer(keys: ["actions": .init(.none, statistics: statistics)])
    #expect(throws: NormalizerError.missing(key: "base")) {
      try normalizer.normalized(Tensor([1], shape: [1]), key: "base")
    }
    #expect(throws: NormalizerError.width(key: "actions", expected: 3, found: 2)) {
      try normalizer.normalized(Tensor([1, 2], shape: [2]), key: "actions")
    }
  }

  @Test func survivesItsTensors() throws {
    let normalizer = Normalizer(keys: [
      "actions": .init(.minMax, statistics: statistics), "robot0_eef_pos": .init(.gaussian, statistics: statistics),
    ])
    #expect(try Normalizer(tensors: normalizer.tensors) == normalizer)
    var damaged = normalizer.tensors
    damaged["actions.offset"] = nil
    #expect(throws: NormalizerError.missing(key: "actions")) { try Normalizer(tensors: damaged) }
    damaged = normalizer.tensors
    damaged["actions.scale"] = Tensor([1, .nan, 1], shape: [3])
    #expect(throws: NormalizerError.notFinite(key: "actions")) { try Normalizer(tensors: damaged) }
  }
}
