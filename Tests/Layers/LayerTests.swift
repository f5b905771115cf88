import Foundation
import Layers
import Support
import Tensors
import Testing

@Suite struct LayerTests {
  /// reference: the trunk without classifier has 11,176,512 parameters; with 32 keypoints and a layer to 64, 11,197,088.
  @Test func resNet18HasTorchvisionsParameters() {
    var random = Random(seed: 1)
    let trunk = ResNet18(norm: .group, random: &random)
    let keypoints = SpatialSoftmax(channels: 512, keypoints: 32, random: &random)
    let projection = Linear(inputs: 64, outputs: 64, random: &random)
    #expect(trunk.parameterCount == 11_176_512)
    #expect(trunk.parameterCount + keypoints.parameterCount + projection.parameterCount == 11_197_088)
    #expect(trunk.parameters().contains { $0.name == "blocks.2.shortcut.weight" })
  }

  @Test func resNet18HalvesFiveTimes() {
    var random = Random(seed: 1)
    #expect(ResNet18(norm: .group, random: &random)(.zeros([1, 116, 116, 3])).shape == [1, 4, 4, 512])
    #expect(ResNet18(norm: .group, random: &random)(.zeros([1, 76, 76, 3])).shape == [1, 3, 3, 512])
  }

  private struct Nest: Module {
    let list: [Linear]
    let named: [String: any Layer]
    let maybe: Linear?
    let nothing: Linear?
    private let hidden: LayerNorm
    let numbers: [Float]

    init(random: inout Random) {
      list = [
        Linear(inputs: 2, outputs: 3, random: &random), Linear(inputs: 3, outputs: 1, bias: false, random: &random),
      ]
      named = ["b": RMSNorm(4), "a": LayerNorm(2)]
      maybe = Linear(inputs: 1, outputs: 1, random: &random)
      nothing = nil
      hidden = LayerNorm(5)
      numbers = Array(repeating: 0, count: 1_000_000)
    }
  }

  @Test func parametersAreFoundByName() {
    var random = Random(seed: 1)
    let nest = Nest(random: &random)
    #expect(
      nest.parameters().map(\.name) == [
        "list.0.weight", "list.0.bias", "list.1.weight", "named.a.scale", "named.a.bias", "named.b.scale",
        "maybe.weight", "maybe.bias", "hidden.scale", "hidden.bias",
      ])
    #expect(nest.parameterCount == 9 + 3 + 4 + 4 + 2 + 10)
  }

  /// Saved under their names among the parameters, copied by the average, no parameters.
  @Test func buffersAreSavedAndNotTrained() throws {
    let norm = BatchNorm2d(3)
    #expect(norm.state().map(\.name) == ["scale", "bias", "mean", "variance"])
    #expect(norm.parameters().map(\.name) == ["scale", "bias"] && norm.buffers().map(\.name) == ["mean", "variance"])
    #expect(norm.parameterCount == 6)
    var average = ExponentialMovingAverage(.constant(0.5), of: norm)
    let loaded: [String: Tensor] = [
      "scale": .filled([3], with: 3), "bias": .zeros([3]), "mean": .filled([3], with: 5), "variance": .ones([3]),
    ]
    try norm.load(loaded)
    #expect(norm.snapshot().mapValues(\.scalars) == loaded.mapValues(\.scalars))
    average.update()
    #expect(average.weights["scale"]?.scalars == [2, 2, 2] && average.weights["mean"]?.scalars == [5, 5, 5])
    #expect(throws: WeightError.missing("mean")) { try norm.load(loaded.filter { $0.key != "mean" }) }
  }

  @Test func loadingChecksEveryNameAndShapeFirst() throws {
    var random = Random(seed: 1)
    let layer = Linear(inputs: 2, outputs: 2, random: &random)
    let before = layer.snapshot().mapValues(\.scalars)
    #expect(throws: WeightError.missing("bias")) { try layer.load(["weight": .zeros([2, 2])]) }
    #expect(throws: WeightError.shape("bias", expected: [2], found: [3])) {
      try layer.load(["weight": .zeros([2, 2]), "bias": .zeros([3])])
    }
    #expect(throws: WeightError.unknown("other")) {
      try layer.load(["weight": .zeros([2, 2]), "bias": .zeros([2]), "other": .zeros([1])])
    }
    #expect(layer.snapshot().mapValues(\.scalars) == before)
    try layer.load(["weight": .ones([2, 2]), "bias": .zeros([2])])
    #expect(layer(.ones([1, 2])).scalars == [2, 2])
  }

  @Test func frozenModulesGetNoGradient() {
    var random = Random(seed: 1)
    let first = Linear(inputs: 2, outputs: 2, random: &random)
    let second = Linear(inputs: 2, outputs: 1, random: &random)
    first.freeze()
    let (_, gradients) = withGradients(random: Random(seed: 1)) { second(first(.ones([1, 2]))).sum() }
    #expect(gradients[first.weight] == nil)
    #expect(gradients[second.weight] != nil)
  }

  /// What was frozen in the first steps then learns as it would have from the start; what is frozen for good stays so.
  @Test func lateModulesBeginAfresh() {
    func trained(_ late: Int, steps: Int, rate: Float) -> Linear {
      var random = Random(seed: 1)
      let layer = Linear(inputs: 2, outputs: 1, random: &random)
      layer.bias!.isTrainable = false
      layer.freeze(until: late, rate: rate)
      #expect(layer.weight.isTrainable == (late == 0) && layer.weight.isEverTrained && !layer.bias!.isEverTrained)
      #expect(layer.parameterCount == 2)
      var optimizer = AdamW([.init([("weight", layer.weight)], weightDecay: 0.1)])
      for step in 0..<steps {
        layer.weight.isTrainable = step >= late
        let (_, gradients) = withGradients(random: nil) { (layer(.ones([1, 2])) - 3).square().sum() }
        optimizer.step(gradients, learningRate: 0.1)
      }
      return layer
    }
    let (late, early, slow) = (
      trained(3, steps: 8, rate: 1), trained(0, steps: 5, rate: 1), trained(3, steps: 8, rate: 0.5)
    )
    #expect(late.weight.value.scalars == early.weight.value.scalars)
    #expect(trained(3, steps: 3, rate: 1).weight.value.scalars == trained(0, steps: 0, rate: 1).weight.value.scalars)
    #expect(slow.weight.value.scalars != late.weight.value.scalars)
    late.freeze()
    #expect(!late.weight.isEverTrained && late.parameterCount == 0)
  }

  /// Turned queries and keys meet in a product that depends on the distance of their positions only.
  @Test func rotaryPositionsDependOnTheDistance() {
    var random = Random(seed: 3)
    let q = Tensor.normal([1, 1, 1, 8], random: &random)
    let k = Tensor.normal([1, 1, 1, 8], random: &random)
    let rotary = RotaryPositions()
    func product(_ a: Int, _ b: Int) -> Float {
      (rotary(q, first: a) * rotary(k, first: b)).sum().item
    }
    #expect(abs(product(3, 1) - product(12, 10)) < 1e-4)
    #expect(abs(product(3, 1) - product(3, 2)) > 1e-3)
    #expect(abs(rotary(q, first: 5).square().sum().item - q.square().sum().item) < 1e-4)
  }

  /// The coordinate, then sines and cosines at wavelengths 4, 2 and 1, coordinates side by side.
  @Test func coordinatesBecomeWaves() {
    let found = Tensor([1, 0.25], shape: [1, 2]).fourierFeatures(octaves: 3)
    let (s, c) = (sin(Float.pi / 8), cos(Float.pi / 8))
    let half = Float(0.5).squareRoot()
    let wanted: [Float] = [1, 0.25, 1, s, 0, c, 0, half, -1, half, 0, 1, 1, 0]
    #expect(found.shape == [1, 14])
    for (a, b) in zip(found.scalars, wanted) { #expect(abs(a - b) < 1e-6) }
  }

  @Test func batchNormActsByItsRunningStatistics() {
    let norm = BatchNorm2d(2)
    let input = Tensor([1, 10, 3, 30], shape: [1, 1, 2, 2])
    #expect(relativeError(norm(input), input) < 1e-4)  // statistics 0 and 1: nothing changes
    _ = withGradients(random: Random(seed: 1)) { norm(input).sum() }
    #expect(relativeError(norm.mean.value, Tensor([0.2, 2], shape: [2])) < 1e-5)
    #expect(relativeError(norm.variance.value, Tensor([0.9 + 0.2, 0.9 + 20], shape: [2])) < 1e-5)
  }
}

@Suite struct ScheduleTests {
  @Test func warmUpIsLinearFromZero() {
    for schedule in [LearningRateSchedule.constant(warmup: 10), .cosine(warmup: 10, total: 110)] {
      #expect(schedule.factor(at: 0) == 0)
      #expect(abs(schedule.factor(at: 5) - 0.5) < 1e-12)
      #expect(abs(schedule.factor(at: 10) - 1) < 1e-12)
    }
    #expect(LearningRateSchedule.constant(warmup: 10).factor(at: 1000) == 1)
    #expect(abs(LearningRateSchedule.cosine(warmup: 10, total: 110).factor(at: 60) - 0.5) < 1e-12)
    #expect(LearningRateSchedule.cosine(warmup: 10, total: 110).factor(at: 110) < 1e-12)
  }

  /// The decays that Diffusion Policy's formula gives, computed apart.
  @Test(arguments: [
    (1, 0.0), (2, 0.40540), (3, 0.56131), (10, 0.82217), (100, 0.96838), (1000, 0.99438), (100_000, 0.99982),
  ])
  func powerDecay(_ updates: Int, _ expected: Double) {
    #expect(abs(AverageDecay.power(0.75).value(updates: updates) - expected) < 1e-5)
  }

  @Test func averageFollowsItsFormulaAndKeepsItsCounter() throws {
    let parameter = Parameter(Tensor([0], shape: [1]))
    struct One: Module { let value: Parameter }
    let module = One(value: parameter)
    var average = ExponentialMovingAverage(.power(0.75), of: module)
    var expected = 0.0
    for update in 0..<20 {
      parameter.value = Tensor([Float(update)], shape: [1])
      if update == 10 {
        // A resumed run must go on with the same counter, not warm up again.
        var restored = ExponentialMovingAverage(.power(0.75), of: module)
        try restored.restore(average.state())
        average = restored
      }
      average.update()
      let s = Double(max(0, update - 1))
      let decay = s <= 0 ? 0 : 1 - pow(1 + s, -0.75)
      expected = decay * expected + (1 - decay) * Double(update)
    }
    #expect(abs(Double(average.weights["value"]!.item) - expected) < 1e-4)
    #expect(average.updates == 20)
  }
}
