import Files
import Tensors

/// A file without the weights that a metric's network needs.
package enum MetricWeightsError: Error, Equatable, CustomStringConvertible {
  case unknownTrunk(file: String)
  case missing(String, network: String, file: String)
  case shape(String, network: String, file: String, expected: [Int], found: [Int])
  case notFinite(String, network: String, file: String)

  package var description: String {
    switch self {
    case .unknownTrunk(let file):
      "\(file): 'features.0.weight' has neither AlexNet's shape nor VGG16's; \(MetricWeightsError.help)"
    case .missing(let name, let network, let file):
      "\(file): no '\(name)' of \(network); \(MetricWeightsError.help)"
    case .shape(let name, let network, let file, let expected, let found):
      "\(file): '\(name)' has shape \(found), \(network) needs \(expected); \(MetricWeightsError.help)"
    case .notFinite(let name, let network, let file):
      "\(file): '\(name)' of \(network) holds values that are not numbers; write the file again"
    }
  }

  private static let help = "docs/image-metrics.md tells how to write the file"
}

/// The tensors of a metric's file, asked for by name.
struct MetricWeights {
  var tensors: [String: Tensor]
  var shapes: [String: [Int]]
  var network: String
  var file: String

  /// - Throws: `MetricWeightsError`.
  func callAsFunction(_ name: String) throws -> Tensor {
    let shape = shapes[name]!
    guard let tensor = tensors[name] else {
      throw MetricWeightsError.missing(name, network: network, file: file)
    }
    guard tensor.shape == shape else {
      throw MetricWeightsError.shape(name, network: network, file: file, expected: shape, found: tensor.shape)
    }
    guard tensor.isFinite else { throw MetricWeightsError.notFinite(name, network: network, file: file) }
    return tensor
  }
}

/// How different two images look to a network (Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as
/// a Perceptual Metric"), version 0.1. 0 is equal.
///
/// Five of the trunk's layers are compared: each place's channels divided by their length, squared differences weighted
/// by a learned number a channel, the mean over places; the sum over layers. The weights are the user's, see
/// docs/image-metrics.md; with any others than the published ones the number is no LPIPS.
package struct LPIPS: Sendable {
  package enum Trunk: String, Sendable, CaseIterable {
    case alexNet = "AlexNet"
    case vgg16 = "VGG16"
  }

  /// Which of the two published metrics it is; their numbers do not compare.
  package let trunk: Trunk
  private let convolutions: [(weight: Tensor, bias: Tensor)]
  /// `[channels, 1]` for each layer that is compared.
  private let heads: [Tensor]

  /// - Parameter path: a safetensors file of torchvision's `features.…` and LPIPS's own `lin0.model.1.weight` to `lin4…`.
  /// - Throws: `MetricWeightsError`, `SafetensorsError`.
  package init(contentsOf path: String) throws {
    try self.init(Safetensors.read(path).tensors, file: path)
  }

  /// - Parameter tensors: by the names above, in PyTorch's layout; others are ignored.
  /// - Throws: `MetricWeightsError`.
  package init(_ tensors: [String: Tensor], file: String) throws {
    guard let first = tensors["features.0.weight"] else {
      throw MetricWeightsError.missing("features.0.weight", network: "LPIPS", file: file)
    }
    guard let trunk = Trunk.allCases.first(where: { $0.shapes["features.0.weight"] == first.shape }) else {
      throw MetricWeightsError.unknownTrunk(file: file)
    }
    let tensor = MetricWeights(
      tensors: tensors, shapes: trunk.shapes, network: "LPIPS with \(trunk.rawValue)", file: file)
    self.trunk = trunk
    convolutions = try trunk.steps.map {
      // PyTorch has [outputs, inputs, rows, columns].
      (try tensor("\($0.name).weight").permuted([2, 3, 1, 0]), try tensor("\($0.name).bias"))
    }
    heads = try (0..<5).map { try tensor("lin\($0).model.1.weight").reshaped([-1, 1]) }
  }

  /// The distance of each frame of `a` from the same one of `b`: `[frames, height, width, 3]`, clipped to 0...1, no side
  /// shorter than `trunk.smallestSide`.
  package func distances(_ a: Tensor, _ b: Tensor) -> [Double] {
    precondition(
      a.rank == 4 && a.shape[3] == 3 && a.shape == b.shape && min(a.shape[1], a.shape[2]) >= trunk.smallestSide,
      "LPIPS: shapes \(a.shape) and \(b.shape)")
    // A few frames at a time, so that VGG16's first layers stay below 100 MB.
    let batch = max(1, (1 << 16) / (a.shape[1] * a.shape[2]))
    return stride(from: 0, to: a.shape[0], by: batch).flatMap { start in
      let range = start..<min(start + batch, a.shape[0])
      return some(a.sliced(axis: 0, range), b.sliced(axis: 0, range))
    }
  }

  private func some(_ a: Tensor, _ b: Tensor) -> [Double] {
    let frames = a.shape[0]
    let shift = Tensor([-0.030, -0.088, -0.188], shape: [3])
    let scale = Tensor([0.458, 0.448, 0.450], shape: [3])
    var x = (Tensor.concatenated([a, b], axis: 0).clamped(to: 0...1) * 2 - 1 - shift) / scale
    var distances = [Double](repeating: 0, count: frames)
    var layer = 0
    for (step, (weight, bias)) in zip(trunk.steps, convolutions) {
      if step.pools { x = x.maxPool2d(size: trunk.pool, stride: 2) }
      x = x.conv2d(weight, bias: bias, stride: step.stride, padding: step.padding).relu()
      guard step.isCompared else { continue }
      let features = x / (x.square().sum(axes: [3], keepingDimensions: true).sqrt() + 1e-10)
      let squares = (features.sliced(axis: 0, 0..<frames) - features.sliced(axis: 0, frames..<2 * frames)).square()
      let means = squares.matmul(heads[layer]).mean(axes: [1, 2, 3]).scalars
      for frame in 0..<frames { distances[frame] += Double(means[frame]) }
      layer += 1
    }
    return distances
  }
}

extension LPIPS.Trunk {
  /// A convolution and the ReLU behind it.
  struct Step {
    /// Its place among torchvision's `features`.
    var place: Int
    var inputs: Int
    var outputs: Int
    var kernel = 3
    var stride = 1
    var padding = 1
    /// Whether a pooling comes before it.
    var pools = false
    var isCompared = false

    var name: String { "features.\(place)" }
  }

  var steps: [Step] {
    switch self {
    case .alexNet:
      return [
        Step(place: 0, inputs: 3, outputs: 64, kernel: 11, stride: 4, padding: 2, isCompared: true),
        Step(place: 3, inputs: 64, outputs: 192, kernel: 5, padding: 2, pools: true, isCompared: true),
        Step(place: 6, inputs: 192, outputs: 384, pools: true, isCompared: true),
        Step(place: 8, inputs: 384, outputs: 256, isCompared: true),
        Step(place: 10, inputs: 256, outputs: 256, isCompared: true),
      ]
    case .vgg16:
      var (steps, place, inputs): ([Step], Int, Int) = ([], 0, 3)
      for (width, depth) in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)] {
        for number in 1...depth {
          steps.append(
            Step(
              place: place, inputs: inputs, outputs: width, pools: number == 1 && place > 0,
              isCompared: number == depth))
          (place, inputs) = (place + 2, width)
        }
        // The pooling counts as well.
        place += 1
      }
      return steps
    }
  }

  var pool: Int { self == .alexNet ? 3 : 2 }

  /// The shortest side of an image that reaches the last layer.
  package var smallestSide: Int {
    steps.reversed().reduce(1) { side, step in
      let before = (side - 1) * step.stride + step.kernel - 2 * step.padding
      return step.pools ? (before - 1) * 2 + pool : before
    }
  }

  /// What a file must hold, in PyTorch's layout.
  package var shapes: [String: [Int]] {
    var shapes: [String: [Int]] = [:]
    var heads = 0
    for step in steps {
      shapes["\(step.name).weight"] = [step.outputs, step.inputs, step.kernel, step.kernel]
      shapes["\(step.name).bias"] = [step.outputs]
      guard step.isCompared else { continue }
      shapes["lin\(heads).model.1.weight"] = [1, step.outputs, 1, 1]
      heads += 1
    }
    return shapes
  }
}
