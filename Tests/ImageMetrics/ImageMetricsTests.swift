import Foundation
import ImageMetrics
import Layers
import Support
import Tensors
import Testing

/// The weights that make_metrics.py gives a network of these tensors.
private func weights(_ shapes: [String: [Int]]) -> [String: Tensor] {
  var tensors: [String: Tensor] = [:]
  for (k, name) in shapes.keys.sorted().enumerated() {
    let shape = shapes[name]!
    if name.hasPrefix("lin") || name.hasSuffix("running_var") {
      tensors[name] = wave(shape, k, scale: 0.5, offset: name.hasPrefix("lin") ? 0.5 : 1)
    } else if shape.count > 1 {
      tensors[name] = wave(shape, k, scale: (6 / Double(shape.dropFirst().reduce(1, *))).squareRoot())
    } else {
      tensors[name] = wave(shape, k, offset: name.hasSuffix("bn.weight") ? 1 : 0)
    }
  }
  return tensors
}

/// Zeros of these shapes: enough to be asked for by name.
private func zeros(_ shapes: [String: [Int]]) -> [String: Tensor] { shapes.mapValues { .zeros($0) } }

@Suite struct ImageMetricsTests {
  let golden: Golden

  init() throws {
    golden = try Golden("metrics")
  }

  private func images(_ name: String) -> (Tensor, Tensor) {
    switch name {
    case "noise":
      let a = wave([24, 31, 3], 1, scale: 0.5, offset: 0.5)
      return (a, a + wave([24, 31, 3], 2, scale: 0.2))
    case "smooth":
      let a = Tensor((0..<40 * 33 * 3).map { Float(0.5 + 0.4 * sin(0.003 * Double($0))) }, shape: [40, 33, 3])
      return (a, a + wave([40, 33, 3], 3, scale: 0.03))
    case "window":
      return (wave([11, 11, 3], 4, scale: 0.5, offset: 0.5), wave([11, 11, 3], 5, scale: 0.5, offset: 0.5))
    default: return (wave([16, 12, 3], 6, scale: 0.5, offset: 0.5), wave([16, 12, 3], 6, scale: 0.5, offset: 0.5))
    }
  }

  @Test(arguments: ["noise", "smooth", "window", "equal"]) func equalTheirDefinitions(_ name: String) {
    let (a, b) = images(name)
    for (a, b) in [(a, b), (b, a)] {
      let (psnr, ssim) = (ImageMetrics.psnr(a, b), ImageMetrics.ssim(a, b))
      #expect(abs(psnr - Double(golden["\(name)/psnr"].item)) < 1e-5)
      #expect(abs(ssim - Double(golden["\(name)/ssim"].item)) < 1e-6)
    }
  }

  /// What can be computed by hand: one value off everywhere.
  @Test func flatPicturesHaveTheFormulasValues() {
    let (a, b) = (Tensor.filled([12, 13, 3], with: 0.25), Tensor.filled([12, 13, 3], with: 0.75))
    #expect(abs(ImageMetrics.psnr(a, b) - 10 * log10(1 / (0.25 + 1e-8))) < 1e-9)
    #expect(abs(ImageMetrics.ssim(a, b) - (2 * 0.1875 + 1e-4) / (0.625 + 1e-4)) < 1e-9)
    // Beyond 0...1 is clipped: black against white.
    #expect(abs(ImageMetrics.psnr(a * 0 - 3, b * 0 + 9)) < 1e-6)
    #expect(ImageMetrics.psnr(a, b * .nan).isNaN && ImageMetrics.ssim(a, b * .nan).isNaN)
  }
}

@Suite struct LPIPSTests {
  @Test(arguments: [(LPIPS.Trunk.alexNet, [3, 70, 51, 3]), (.vgg16, [2, 35, 49, 3])])
  func equalsPyTorch(_ trunk: LPIPS.Trunk, _ shape: [Int]) throws {
    let metric = try LPIPS(weights(trunk.shapes), file: "waves")
    #expect(metric.trunk == trunk)
    let a = wave(shape, 300, scale: 0.5, offset: 0.5)
    let b = a + wave(shape, 301, scale: 0.2)
    let expected = try Golden("metrics")["lpips/\(trunk.rawValue)"]
    let found = metric.distances(a, b)
    #expect(relativeError(Tensor(found.map { Float($0) }, shape: [found.count]), expected) < 1e-5)
    #expect(metric.distances(a, a) == Array(repeating: 0, count: shape[0]))
    // Frame by frame is the same as all at once.
    let last = shape[0] - 1..<shape[0]
    let alone = metric.distances(a.sliced(axis: 0, last), b.sliced(axis: 0, last))
    #expect(abs(alone[0] - found.last!) < 1e-6)
  }

  @Test(arguments: [(LPIPS.Trunk.alexNet, 31), (.vgg16, 16)])
  func theSmallestPictureReachesTheLastLayer(_ trunk: LPIPS.Trunk, _ side: Int) throws {
    #expect(trunk.smallestSide == side)
    // Only the last layer counts.
    var tensors = weights(trunk.shapes)
    for layer in 0..<4 { tensors["lin\(layer).model.1.weight"]! = .zeros(trunk.shapes["lin\(layer).model.1.weight"]!) }
    let image = wave([1, side, side, 3], 300, scale: 0.5, offset: 0.5)
    #expect(try LPIPS(tensors, file: "waves").distances(image, 1 - image)[0] > 0.001)
  }

  @Test func saysWhatAFileLacks() throws {
    let shapes = LPIPS.Trunk.alexNet.shapes
    var tensors = zeros(shapes)
    tensors["features.3.bias"] = nil
    #expect(throws: MetricWeightsError.missing("features.3.bias", network: "LPIPS with AlexNet", file: "f")) {
      try LPIPS(tensors, file: "f")
    }
    tensors["features.3.bias"] = .zeros([191])
    #expect(
      throws: MetricWeightsError.shape(
        "features.3.bias", network: "LPIPS with AlexNet", file: "f", expected: [192], found: [191])
    ) { try LPIPS(tensors, file: "f") }
    tensors["features.3.bias"] = .filled([192], with: .nan)
    #expect(throws: MetricWeightsError.notFinite("features.3.bias", network: "LPIPS with AlexNet", file: "f")) {
      try LPIPS(tensors, file: "f")
    }
    tensors["features.0.weight"] = .zeros([64, 3, 7, 7])
    #expect(throws: MetricWeightsError.unknownTrunk(file: "f")) { try LPIPS(tensors, file: "f") }
    #expect(throws: MetricWeightsError.missing("features.0.weight", network: "LPIPS", file: "f")) {
      try LPIPS([:], file: "f")
    }
  }

  @Test func theFileIsNamed() throws {
    let path = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString).safetensors"
    defer { try? FileManager.default.removeItem(atPath: path) }
    #expect(throws: SafetensorsError.self) { try LPIPS(contentsOf: path) }
    try Safetensors.write(["features.0.weight": .zeros([64, 3, 11, 11])], to: path)
    let error = #expect(throws: MetricWeightsError.self) { try LPIPS(contentsOf: path) }
    let text = try #require(error?.description)
    #expect(text.hasPrefix("\(path): no 'features.0.bias' of LPIPS with AlexNet") && !text.contains("\n"))
    let other = #expect(throws: MetricWeightsError.self) { try VideoDistance(contentsOf: path) }
    #expect(other?.description.contains(" of I3D; docs/image-metrics.md") == true)
  }
}

@Suite struct VideoDistanceTests {
  let golden: Golden

  init() throws {
    golden = try Golden("metrics")
  }

  @Test func i3dEqualsPyTorch() throws {
    let distance = try VideoDistance(InflatedInception(weights(InflatedInception.shapes), file: "waves"))
    for (name, shape, side) in [("odd", [17, 36, 40, 3], 48), ("even", [16, 70, 45, 3], 32)] {
      let features = distance.features(wave(shape, 400, scale: 0.6, offset: 0.5), side: side)
      let found = Tensor(features.map { Float($0) }, shape: [features.count])
      #expect(relativeError(found, golden["i3d/\(name)"]) < 1e-4)
    }
  }

  @Test func i3dNeedsEveryTensorInItsShape() throws {
    var tensors = zeros(InflatedInception.shapes)
    tensors["Mixed_4c.b2b.bn.running_var"] = nil
    #expect(throws: MetricWeightsError.missing("Mixed_4c.b2b.bn.running_var", network: "I3D", file: "f")) {
      try InflatedInception(tensors, file: "f")
    }
    tensors = zeros(InflatedInception.shapes)
    // A network with other classes.
    tensors["logits.conv3d.weight"] = .zeros([600, 1024, 1, 1, 1])
    #expect(
      throws: MetricWeightsError.shape(
        "logits.conv3d.weight", network: "I3D", file: "f", expected: [400, 1024, 1, 1, 1],
        found: [600, 1024, 1, 1, 1])
    ) { try InflatedInception(tensors, file: "f") }
  }

  @Test(arguments: [7, 21]) func resizesAsPyTorchDoes(_ side: Int) {
    let frames = VideoDistance.resized(wave([2, 13, 9, 3], 401, scale: 0.5, offset: 0.5), to: side)
    #expect(relativeError(frames, golden["resized/\(side)"]) < 1e-6)
  }

  private func features(_ clips: Int, _ width: Int, _ k: Int, scale: Double, offset: Double) -> [[Double]] {
    let values = wave([clips, width], k, scale: scale, offset: offset).scalars.map(Double.init)
    return (0..<clips).map { Array(values[$0 * width..<($0 + 1) * width]) }
  }

  /// The golden numbers come from singular values of the features, without any covariance.
  @Test(arguments: [("many", 40, 30, 24), ("few", 10, 12, 24), ("wide", 64, 48, 400)])
  func distanceEqualsNumPy(_ name: String, _ first: Int, _ second: Int, _ width: Int) {
    let a = features(first, width, 500, scale: 1, offset: 0)
    let b = features(second, width, 501, scale: 0.7, offset: 0.2)
    let expected = Double(golden["frechet/\(name)"].item)
    #expect(abs(VideoDistance.distance(a, b) - expected) < 1e-6 * expected)
    #expect(abs(VideoDistance.distance(b, a) - expected) < 1e-6 * expected)
    // 0 up to the roots of rounding errors.
    #expect(VideoDistance.distance(a, a) < 1e-5 * Double(width))
  }

  @Test func momentsEqualNumPy() {
    let (mean, covariance) = VideoDistance.moments(features(40, 24, 500, scale: 1, offset: 0))
    #expect(relativeError(Tensor(mean.map { Float($0) }, shape: [24]), golden["moments/mean"]) < 1e-6)
    #expect(
      relativeError(Tensor(covariance.map { Float($0) }, shape: [24, 24]), golden["moments/covariance"]) < 1e-6)
  }

  /// Of diagonal covariances it is the sum of `(m₁ - m₂)² + (σ₁ - σ₂)²`.
  @Test func diagonalCovariancesHaveTheFormulasValue() {
    let (deviations, others, means) = ([1.0, 2, 0, 0.5, 3], [2.0, 2, 1, 0, 1.5], [0.5, -1, 0, 2, 1])
    func diagonal(_ deviations: [Double]) -> [Double] {
      var matrix = [Double](repeating: 0, count: 25)
      for (place, deviation) in deviations.enumerated() { matrix[place * 6] = deviation * deviation }
      return matrix
    }
    let found = VideoDistance.frechet(
      mean: means, covariance: diagonal(deviations), otherMean: Array(repeating: 0, count: 5),
      otherCovariance: diagonal(others))
    var expected = 0.0
    for i in 0..<5 {
      let spread = deviations[i] - others[i]
      expected += means[i] * means[i] + spread * spread
    }
    #expect(abs(found - expected) < 1e-12)
  }

  /// Covariances with other axes, two by two: `tr √(S₁S₂) = √(tr S₁S₂ + 2 √(det S₁S₂))`.
  @Test func turnedCovariancesHaveTheFormulasValue() {
    let (a, b) = ([2.0, 0.9, 0.9, 1], [0.5, -0.3, -0.3, 1.5])
    let trace = a[0] * b[0] + a[1] * b[2] + a[2] * b[1] + a[3] * b[3]
    let determinant = (a[0] * a[3] - a[1] * a[2]) * (b[0] * b[3] - b[1] * b[2])
    let root = (trace + 2 * determinant.squareRoot()).squareRoot()
    let found = VideoDistance.frechet(mean: [1, 0], covariance: a, otherMean: [0, 1], otherCovariance: b)
    #expect(abs(found - (2 + 3 + 2 - 2 * root)) < 1e-12)
    #expect(
      VideoDistance.frechet(mean: [.nan, 0], covariance: a, otherMean: [0, 1], otherCovariance: b).isNaN)
  }
}
