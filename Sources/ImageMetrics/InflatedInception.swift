import Files
import Tensors

/// I3D (Carreira and Zisserman 2017): Inception-v1 with every square window made a cube, trained on Kinetics-400; the
/// layout and names of the pytorch-i3d repository.
///
/// A clip is `[frames, height, width, channels]` all the way: its frames are a batch to two-dimensional operations. All
/// windows are padded as TensorFlow's SAME does, more behind than before where the padding is odd.
package struct InflatedInception: Sendable {
  package static let classes = 400
  /// Fewer leave the last pooling, two steps long, without a window.
  package static let fewestFrames = 9

  private let units: [String: Unit]
  /// `[1024, 400]`.
  private let weight: Tensor
  private let bias: Tensor

  /// - Parameter path: a safetensors file with the names and shapes of `shapes`.
  /// - Throws: `MetricWeightsError`, `SafetensorsError`.
  package init(contentsOf path: String) throws {
    try self.init(Safetensors.read(path).tensors, file: path)
  }

  /// - Parameter tensors: in PyTorch's layout; those not in `shapes` are ignored.
  /// - Throws: `MetricWeightsError`.
  package init(_ tensors: [String: Tensor], file: String) throws {
    let tensor = MetricWeights(tensors: tensors, shapes: InflatedInception.shapes, network: "I3D", file: file)
    var units: [String: Unit] = [:]
    for unit in InflatedInception.plan {
      // A normalization by fixed statistics is a scale and a shift, which the convolution takes over.
      let scale = try tensor("\(unit.name).bn.weight") / (tensor("\(unit.name).bn.running_var") + 1e-3).sqrt()
      let shift = try tensor("\(unit.name).bn.bias") - tensor("\(unit.name).bn.running_mean") * scale
      let kernel = try tensor("\(unit.name).conv3d.weight").permuted([3, 4, 2, 1, 0])
        .reshaped([unit.kernel, unit.kernel, unit.kernel * unit.inputs, unit.outputs])
      units[unit.name] = Unit(kernel: unit.kernel, stride: unit.stride, weight: kernel * scale, bias: shift)
    }
    self.units = units
    weight = try tensor("logits.conv3d.weight").reshaped([InflatedInception.classes, -1]).transposed(0, 1)
    bias = try tensor("logits.conv3d.bias")
  }

  /// The 400 numbers before the softmax, averaged over time.
  ///
  /// - Parameter clip: `[frames, height, width, 3]` in -1...1; the released network is made for 224x224 pixels.
  ///   Whatever the size, the last pooling spans the image.
  package func logits(_ clip: Tensor) -> Tensor {
    precondition(
      clip.rank == 4 && clip.shape[3] == 3 && clip.shape[0] >= InflatedInception.fewestFrames,
      "InflatedInception: shape \(clip.shape)")
    var x = clip
    for stage in InflatedInception.stages {
      switch stage {
      case .unit(let name, _, _, _): x = units[name]!(x)
      case .pool(let time, let space): x = pooled(x, time: time, space: space)
      case .mixed(let name, _):
        x = .concatenated(
          [
            units["\(name).b0"]!(x), units["\(name).b1b"]!(units["\(name).b1a"]!(x)),
            units["\(name).b2b"]!(units["\(name).b2a"]!(x)),
            units["\(name).b3b"]!(pooled(x, time: Window(size: 3, stride: 1), space: Window(size: 3, stride: 1))),
          ], axis: 3)
      }
    }
    let steps = x.mean(axes: [1, 2])
    let pairs = steps.sliced(axis: 0, 0..<steps.shape[0] - 1) + steps.sliced(axis: 0, 1..<steps.shape[0])
    return (pairs * 0.5).linear(weight, bias: bias).mean(axes: [0])
  }

  /// The largest of each window. What comes here has passed a ReLU, so that zeros around it never win.
  private func pooled(_ x: Tensor, time: Window, space: Window) -> Tensor {
    let flat = space.padded(x).maxPool2d(size: space.size, stride: space.stride)
    let (before, _, count) = time.same(x.shape[0])
    return (0..<time.size).map { tap in
      // Beyond the ends, the frame at the end: the window has it anyway.
      flat.gathered((0..<count).map { min(max($0 * time.stride + tap - before, 0), x.shape[0] - 1) })
    }.reduce(nil) { $0?.maximum($1) ?? $1 }!
  }
}

extension InflatedInception {
  private struct Window {
    var size: Int
    var stride: Int

    /// The padding of an axis of `length`, and how many windows that makes.
    func same(_ length: Int) -> (before: Int, after: Int, count: Int) {
      let count = (length + stride - 1) / stride
      let padding = max(0, (count - 1) * stride + size - length)
      return (padding / 2, padding - padding / 2, count)
    }

    /// Frames with zeros around them.
    func padded(_ x: Tensor) -> Tensor {
      let (rows, columns) = (same(x.shape[1]), same(x.shape[2]))
      return x.padded(axis: 1, before: rows.before, after: rows.after)
        .padded(axis: 2, before: columns.before, after: columns.after)
    }
  }

  /// A convolution, its normalization and a ReLU.
  private struct Unit: Sendable {
    var kernel: Int
    var stride: Int
    /// `[rows, columns, frames * inputs, outputs]`.
    var weight: Tensor
    var bias: Tensor

    func callAsFunction(_ x: Tensor) -> Tensor {
      guard kernel > 1 else { return x.conv2d(weight, bias: bias).relu() }
      let window = Window(size: kernel, stride: stride)
      // The frames of a window, one behind the other as channels, make it a two-dimensional convolution.
      let (before, after, count) = window.same(x.shape[0])
      let long = x.padded(axis: 0, before: before, after: after)
      let stacked = Tensor.concatenated(
        (0..<kernel).map { tap in long.gathered((0..<count).map { $0 * stride + tap }) }, axis: 3)
      let convolved =
        stride == 1
        ? stacked.conv2d(weight, bias: bias, padding: kernel / 2)
        : window.padded(stacked).conv2d(weight, bias: bias, stride: stride)
      return convolved.relu()
    }
  }

  private enum Stage {
    case unit(String, outputs: Int, kernel: Int, stride: Int)
    case pool(time: Window, space: Window)
    /// Four branches: 1; 1 and 3; 1 and 3; a pooling and 1. The numbers are the convolutions' outputs, in that order.
    case mixed(String, [Int])
  }

  private static let stages: [Stage] = [
    .unit("Conv3d_1a_7x7", outputs: 64, kernel: 7, stride: 2),
    .pool(time: Window(size: 1, stride: 1), space: Window(size: 3, stride: 2)),
    .unit("Conv3d_2b_1x1", outputs: 64, kernel: 1, stride: 1),
    .unit("Conv3d_2c_3x3", outputs: 192, kernel: 3, stride: 1),
    .pool(time: Window(size: 1, stride: 1), space: Window(size: 3, stride: 2)),
    .mixed("Mixed_3b", [64, 96, 128, 16, 32, 32]),
    .mixed("Mixed_3c", [128, 128, 192, 32, 96, 64]),
    .pool(time: Window(size: 3, stride: 2), space: Window(size: 3, stride: 2)),
    .mixed("Mixed_4b", [192, 96, 208, 16, 48, 64]),
    .mixed("Mixed_4c", [160, 112, 224, 24, 64, 64]),
    .mixed("Mixed_4d", [128, 128, 256, 24, 64, 64]),
    .mixed("Mixed_4e", [112, 144, 288, 32, 64, 64]),
    .mixed("Mixed_4f", [256, 160, 320, 32, 128, 128]),
    .pool(time: Window(size: 2, stride: 2), space: Window(size: 2, stride: 2)),
    .mixed("Mixed_5b", [256, 160, 320, 32, 128, 128]),
    .mixed("Mixed_5c", [384, 192, 384, 48, 128, 128]),
  ]

  private struct PlannedUnit {
    var name: String
    var inputs: Int
    var outputs: Int
    var kernel: Int
    var stride = 1
  }

  /// Every unit and, at the end, the channels that the logits see.
  private static let (plan, features): ([PlannedUnit], Int) = {
    var (units, channels): ([PlannedUnit], Int) = ([], 3)
    for stage in stages {
      switch stage {
      case .unit(let name, let outputs, let kernel, let stride):
        units.append(PlannedUnit(name: name, inputs: channels, outputs: outputs, kernel: kernel, stride: stride))
        channels = outputs
      case .mixed(let name, let widths):
        for (branch, inputs, outputs, kernel) in [
          ("b0", channels, widths[0], 1), ("b1a", channels, widths[1], 1), ("b1b", widths[1], widths[2], 3),
          ("b2a", channels, widths[3], 1), ("b2b", widths[3], widths[4], 3), ("b3b", channels, widths[5], 1),
        ] {
          units.append(PlannedUnit(name: "\(name).\(branch)", inputs: inputs, outputs: outputs, kernel: kernel))
        }
        channels = widths[0] + widths[2] + widths[4] + widths[5]
      case .pool: break
      }
    }
    return (units, channels)
  }()

  /// What a file must hold, in PyTorch's layout.
  package static var shapes: [String: [Int]] {
    var shapes = ["logits.conv3d.weight": [classes, features, 1, 1, 1], "logits.conv3d.bias": [classes]]
    for unit in plan {
      shapes["\(unit.name).conv3d.weight"] = [unit.outputs, unit.inputs, unit.kernel, unit.kernel, unit.kernel]
      for part in ["weight", "bias", "running_mean", "running_var"] {
        shapes["\(unit.name).bn.\(part)"] = [unit.outputs]
      }
    }
    return shapes
  }
}
