import Foundation
import Tensors

/// Every kernel and library path on a device against the processor's numbers: whether this GPU computes right.
package struct CUDACheck {
  /// One operation with its gradients.
  package struct Case: Sendable {
    package let name: String
    /// Of the inputs, drawn from a standard normal distribution.
    let shapes: [[Int]]
    /// Whether it multiplies matrices, which TF32 rounds.
    var isProduct = false
    /// The largest error there may be otherwise, over the size of the result.
    var bar = 2e-5
    /// What it reads back, and waits for, on its way.
    package var waits = 0
    let body: @Sendable ([Tensor]) -> Tensor
  }

  /// What one case gave.
  package struct Row: Sendable, Encodable {
    package let name: String
    /// Of the result and of each gradient: the norm of the difference to the processor's over the norm of the processor's.
    package let errors: [Double]
    package let bar: Double
    /// Whether a second run gave the same bits.
    package let isRepeated: Bool
    /// Copies from the device during the operation, and how many of them belong to it: more are numbers that the processor had to
    /// compute.
    package let downloads, waits: Int
    /// Kernels of one run there; products are cuBLASLt's.
    package let launches: Int
    package let milliseconds: Double
    /// The same on the processor.
    package let processorMilliseconds: Double
    package var isRight: Bool { errors.allSatisfy { $0 <= bar } && isRepeated && downloads == waits }
  }

  package let device: CUDADevice
  /// How many times larger the shapes are along the batch than in a test.
  private let size: Int

  package init(_ device: CUDADevice, size: Int) { (self.device, self.size) = (device, size) }

  package var cases: [Case] {
    let n = size
    let mask = Tensor((0..<17 * 17).map { $0 % 17 > $0 / 17 ? -.infinity : 0 }, shape: [17, 17])
    return [
      Case(name: "activations", shapes: [[n, 33]]) { x in
        let (a, b) = (x[0].gelu() + x[0].silu() + x[0].mish(), x[0].tanh() + x[0].sigmoid() + x[0].softplus())
        return a + b + x[0].exp() + x[0].geluTanh() + x[0].relu() + x[0].sin() * x[0].cos()
      },
      Case(name: "arithmetic, broadcast", shapes: [[n, 7, 5], [7, 1], [5]]) { x in
        (x[0] * x[1] - x[2]).maximum(x[0]) / (x[1].square() + 1) + x[0].clamped(to: -1...1)
      },
      Case(name: "sums", shapes: [[n, 6, 40], [n, 0, 40]]) { x in
        let empty = x[1].sum(axes: [1]).mean(axes: [0])
        return x[0].sum(axes: [0]).sum(axes: [0]) + x[0].sum(axes: [1]).mean(axes: [0]) + empty
      },
      Case(name: "long sums", shapes: [[n * 9000]]) { x in (x[0] * x[0]).sum() },
      Case(name: "movement", shapes: [[n, 6, 10], [n, 3, 10]]) { x in
        let joined = Tensor.concatenated([x[0], x[1]] + Array(repeating: x[1], count: 8), axis: 1)
          .sliced(axis: 1, 0..<9).permuted([1, 2, 0])
        return joined.sliced(axis: 1, 2..<7).padded(axis: 1, before: 1, after: 2).transposed(-1, -2)
      },
      Case(name: "gathered rows", shapes: [[40, 12], [5, 150]]) { x in
        x[0].gathered((0..<3 * n).map { $0 * 7 % 40 }).reshaped([n, 3, 12])
          + x[1].gathered((0..<70).map { $0 * 3 % 5 }).square().sum()
      },
      Case(name: "softmax", shapes: [[n, 5, 70]]) { x in
        x[0].softmax() + x[0].logSumExp(axis: -1, keepingDimensions: true)
      },
      Case(name: "long rows", shapes: [[n, 700], [n, 2500], [n, 5000]]) { x in
        let parts = x.map { $0.softmax() * $0 + $0.layerNorm(scale: nil, bias: nil) }
        return .concatenated(parts + x.map { $0.logSumExp(axis: -1, keepingDimensions: true) }, axis: 1)
      },
      Case(name: "layer norm", shapes: [[n, 9, 96], [96], [96]]) { x in
        x[0].layerNorm(scale: x[1], bias: x[2]) + x[0].rmsNorm(scale: x[1])
      },
      Case(name: "group norm", shapes: [[n, 6, 6, 32], [32], [32], [n, 6, 6, 32]]) { x in
        x[0].groupNorm(groups: 4, scale: x[1], bias: x[2], adding: x[3], finish: .silu)
      },
      Case(name: "group norm, large images", shapes: [[2, 70, 65, 8], [8], [8]]) { x in
        x[0].groupNorm(groups: 2, scale: x[1], bias: x[2])
      },
      Case(name: "batch norm", shapes: [[n, 5, 5, 24], [24], [24]]) { x in
        x[0].batchNormTraining(scale: x[1], bias: x[2], finish: .relu).output
      },
      Case(name: "modulated", shapes: [[n, 30, 48], [n, 48], [n, 48]]) { x in
        x[0].modulated(scale: x[1], bias: x[2], finish: .mish)
      },
      Case(name: "linear", shapes: [[n, 8, 40], [40, 72], [72]], isProduct: true) { x in
        x[0].linear(x[1], bias: x[2])
      },
      Case(name: "batched products", shapes: [[n, 12, 20], [n, 16, 20]], isProduct: true) { x in
        x[0].matmul(x[1], transposingOther: true)
      },
      Case(name: "attention", shapes: [[n, 17, 4, 32], [n, 17, 4, 32], [n, 17, 4, 32]], isProduct: true) { x in
        x[0].attention(keys: x[1], values: x[2], mask: mask)
      },
      Case(name: "attention, wide", shapes: [[n, 70, 2, 64], [n, 90, 2, 64], [n, 90, 2, 64]], isProduct: true) { x in
        x[0].attention(keys: x[1], values: x[2])
      },
      Case(name: "conv2d", shapes: [[n, 10, 9, 8], [3, 3, 8, 16], [16]], isProduct: true) { x in
        x[0].conv2d(x[1], bias: x[2], stride: 2, padding: 1)
      },
      Case(name: "conv1d", shapes: [[n, 16, 12], [5, 12, 20], [20]], isProduct: true) { x in
        x[0].conv1d(x[1], bias: x[2], padding: 2)
      },
      Case(name: "convTransposed1d", shapes: [[n, 8, 12], [4, 12, 10]], isProduct: true) { x in
        x[0].convTransposed1d(x[1], stride: 2, padding: 1)
      },
      Case(name: "max pool", shapes: [[n, 9, 9, 6]]) { x in x[0].maxPool2d(size: 3, stride: 2, padding: 1) },
      Case(name: "attention, all widths", shapes: [[n, 9, 2, 8], [n, 9, 2, 16], [n, 9, 2, 128]], isProduct: true) { x in
        Tensor.concatenated(
          x.map { $0.attention(keys: $0.tanh(), values: $0.sigmoid(), dropout: 0.1).reshaped([n, -1]) }, axis: 1)
      },
      Case(name: "dropout", shapes: [[n, 100]]) { x in x[0].dropout(0.3) },
      Case(name: "frames", shapes: [[n, 8, 7, 3]]) { x in
        let bytes = ByteTensor((0..<n * 12 * 10 * 3).map { UInt8($0 * 7 % 256) }, shape: [n, 12, 10, 3])
        let offsets = (0..<n).map { (y: $0 % 5, x: $0 % 4) }
        return .images(bytes, crop: (8, 7), offsets: offsets) * x[0]
      },
      Case(name: "largest of an axis", shapes: [[n, 11, 6], [n, 6, 11]]) { x in
        x[0].maximum(axis: 1) + x[1].maximum(axis: 2)
      },
      Case(name: "points", shapes: [[n, 40, 3], [n, 30, 3]]) { x in
        x[0].chamferDistance(to: x[1]) + x[0].gathered(perItem: x[0].detached.farthestPoints(9)).sum(axes: [1, 2])
      },
      Case(name: "weighted distances", shapes: [[n, 40, 3], [n, 300, 3], [40, 3]]) { x in
        // No gradient goes through the distances.
        x[0].squaredDistances(to: x[1], weights: x[2]) + x[0].sum(axes: [2]).unsqueezed(2)
          + x[1].sum(axes: [2]).unsqueezed(1) + x[2].sum(axes: [1]).unsqueezed(1)
      },
      Case(name: "Gaussians", shapes: [[40, 3], [40, 3], [40, 4], [40, 3], [40]], bar: 1e-3, waits: 1) { x in
        .splatted(
          means: x[0] * 0.4 + Tensor([0, 0, 2], shape: [3]), scales: x[1].sigmoid() * 0.2, rotations: x[2],
          colors: x[3],
          opacities: x[4].sigmoid(),
          view: SplattingView(width: 40, height: 33, focal: SIMD2(40, 42), center: SIMD2(20, 16)))
      },
      Case(name: "spherical harmonics", shapes: [[n, 3], [n, 9, 3]]) { x in
        .sphericalHarmonicColors(means: x[0], coefficients: x[1], from: SIMD3(0.5, -0.25, -4))
      },
      Case(name: "optimizer", shapes: [[n, 333], [n, 333], [n, 333]], waits: 1) { x in
        let values = x.map(\.detached)
        let parameter = Parameter(values[0], trainable: false)
        var targets = [
          AdamWStep.Target(
            parameter: parameter, gradient: values[1], first: values[2], second: values[2].square(),
            average: values[1], share: 0.1, weightDecay: 0.01, learningRate: 1e-2, step: 3)
        ]
        // Clipped to a fraction of the norm; the one that is read is of all numbers.
        var log = GradientLog(rows: 3)
        let factor = log.clip([values[1], values[2]], maximum: 10, loss: values[0].mean(), step: 4)
        AdamWStep.update(&targets, betas: (0.9, 0.999), epsilon: 1e-8, gradientScale: factor)
        let size = Float(Tensor.sumOfSquares(values).squareRoot())
        var average = targets[0].average!
        average.mix(values[0], share: 0.2)
        return .stacked([parameter.value, targets[0].first, targets[0].second, average * size], axis: 0)
      },
    ]
  }

  /// Runs one case on the processor and twice on the device.
  package func run(_ one: Case) throws -> Row {
    var random = Random(seed: 9).split(one.name)
    let inputs = one.shapes.map { Tensor.normal($0, random: &random) }
    func measured(_ device: CUDADevice?) -> (numbers: [[Float]], seconds: Double, downloads: Int, launches: Int) {
      Device.with(device) {
        let parameters = inputs.map { Parameter($0) }
        let before = (device?.transfers.downloads ?? 0, device?.launches ?? 0)
        let start = ContinuousClock.now
        var result = Tensor(0)
        let (_, gradients) = withGradients(random: Random(seed: 3)) {
          result = one.body(parameters.map(\.value))
          // A weight for each number, so that no gradient is the same everywhere.
          var random = Random(seed: 2)
          return (result * .normal(result.shape, random: &random)).sum()
        }
        device?.synchronize()
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let counts = ((device?.transfers.downloads ?? 0) - before.0, (device?.launches ?? 0) - before.1)
        let numbers = [result.scalars] + parameters.compactMap { gradients[$0]?.scalars }
        return (numbers, seconds, counts.0, counts.1)
      }
    }
    let expected = measured(nil)
    let first = measured(device)
    let second = measured(device)
    try device.check()
    let errors = zip(first.numbers, expected.numbers).map { found, expected in
      var (difference, size) = (0.0, 0.0)
      for (a, b) in zip(found, expected) {
        difference += Double(a - b) * Double(a - b)
        size += Double(b) * Double(b)
      }
      return (difference / max(size, 1e-30)).squareRoot()
    }
    let bar = one.isProduct ? device.precision.bar ?? one.bar : one.bar
    return Row(
      name: one.name, errors: errors, bar: bar,
      isRepeated: zip(first.numbers, second.numbers).allSatisfy {
        zip($0, $1).allSatisfy { $0.bitPattern == $1.bitPattern }
      },
      downloads: second.downloads, waits: one.waits, launches: second.launches, milliseconds: second.seconds * 1000,
      processorMilliseconds: expected.seconds * 1000)
  }
}

extension CUDACheck {
  /// Runs all cases and prints a line for each.
  ///
  /// - Returns: how many there are, and the names of those that are not right.
  package func report(_ print: (String) -> Void) throws -> (count: Int, wrong: [String]) {
    func line(_ cells: [String]) -> String {
      let first = cells[0].padding(toLength: 26, withPad: " ", startingAt: 0)
      return cells.dropFirst().reduce(first) { $0 + String(repeating: " ", count: max(1, 11 - $1.count)) + $1 }
    }
    print(line(["operation", "error", "bar", "same bits", "copies", "ms", "processor"]))
    var wrong: [String] = []
    for one in cases {
      let row = try run(one)
      if !row.isRight { wrong.append(row.name) }
      print(
        line([
          row.name, String(format: "%.1e", row.errors.max() ?? 0), String(format: "%.0e", row.bar),
          row.isRepeated ? "yes" : "NO", "\(row.downloads)", String(format: "%.2f", row.milliseconds),
          String(format: "%.2f", row.processorMilliseconds),
        ]))
    }
    return (cases.count, wrong)
  }
}

extension ProductPrecision {
  /// The largest error that rounding the factors of products leaves; nil where they are not rounded.
  fileprivate var bar: Double? {
    switch self {
    case .float32: nil
    case .tf32: 5e-3
    case .bf16: 4e-2
    }
  }
}
