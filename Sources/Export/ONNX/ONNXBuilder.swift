import Foundation
import Tensors

/// How weights are kept in a graph.
package enum WeightPrecision: String, Codable, Sendable, CaseIterable {
  /// 32 bits.
  case fp32
  /// 16 bits; computed with in 32.
  case fp16
  /// 8 bits and a scale for each output channel; computed with in 32.
  case int8
}

/// ONNX nodes of a graph, operation by operation, opset 17.
///
/// Our images are channels last and ONNX's convolutions channels first. A value of a convolution stays channels first as long as what
/// follows can use it so; it is transposed where something needs it otherwise.
struct ONNXBuilder {
  static let opset = 17

  let graph: ExportGraph
  let precision: WeightPrecision
  private(set) var nodes: [ONNXNodeProto] = []
  private(set) var initializers: [ONNXTensorProto] = []
  /// Names of values, and of those that are there with channels first.
  private var names: [Int: String] = [:]
  private var channelsFirst: [Int: String] = [:]
  private var constants: [String: String] = [:]
  private var used: Set<String> = []
  /// What the graph computes with instead of weights, by name.
  private(set) var rounded: [String: Tensor] = [:]
  private var batchName: String?
  /// At which nodes are added.
  var module = ""

  init(_ graph: ExportGraph, precision: WeightPrecision) {
    (self.graph, self.precision) = (graph, precision)
    for (number, value) in graph.values.enumerated() {
      if case .input(let name) = value.source {
        names[number] = name
        used.insert(name)
      }
    }
    used.formUnion(graph.outputs.map(\.name))
  }

  func shape(_ value: Int) -> [ExportGraph.Dimension] { graph.values[value].shape }
  func rank(_ value: Int) -> Int { graph.values[value].shape.count }

  /// The length of an axis that does not change with the batch.
  func length(_ value: Int, _ axis: Int) -> Int {
    guard case .fixed(let length) = shape(value)[axis] else { preconditionFailure("axis \(axis) is the batch's") }
    return length
  }

  func constant(_ value: Int) -> Tensor? {
    if case .constant(let tensor, _) = graph.values[value].source { tensor } else { nil }
  }

  private mutating func unique(_ name: String) -> String {
    let result = used.contains(name) ? (2...).lazy.map { "\(name)_\($0)" }.first { !used.contains($0) }! : name
    used.insert(result)
    return result
  }

  // MARK: Nodes

  /// Adds a node and gives the name of its output.
  mutating func node(
    _ type: String, _ inputs: [String], _ attributes: [ONNXAttributeProto] = [], output: String? = nil
  ) -> String {
    let name = unique(module.isEmpty ? type : "\(module)/\(type)")
    let output = output ?? name
    nodes.append(
      .with {
        ($0.name, $0.opType, $0.input, $0.output, $0.attribute) = (name, type, inputs, [output], attributes)
      })
    return output
  }

  /// A loop that carries two values and collects a third: the third.
  mutating func loop(_ inputs: [String], _ body: ONNXGraphProto) -> String {
    let result = node("Loop", inputs, [.graph("body", body)])
    nodes[nodes.count - 1].output = ["\(result)_1", "\(result)_2", result]
    return result
  }

  // MARK: Constants

  mutating func integers(_ values: [Int], shape: [Int]? = nil) -> String {
    let shape = shape ?? [values.count]
    let key = "int64 \(values) \(shape)"
    if let name = constants[key] { return name }
    let name = unique("integers_" + values.map { $0 < 0 ? "m\(-$0)" : String($0) }.prefix(8).joined(separator: "_"))
    add(name, .int64, shape, values.reduce(into: Data()) { $0.append(Int64($1).littleEndian) })
    constants[key] = name
    return name
  }

  mutating func numbers(_ values: [Float], shape: [Int] = []) -> String {
    let key = "float \(values.map(\.bitPattern)) \(shape)"
    if let name = constants[key] { return name }
    let name = unique(values.count == 1 ? "number_\(values[0])" : "numbers")
    add(name, .float, shape, ONNXBuilder.bytes(values))
    constants[key] = name
    return name
  }

  private mutating func add(_ name: String, _ type: ONNXTensorProto.DataType, _ shape: [Int], _ bytes: Data) {
    initializers.append(
      .with {
        ($0.name, $0.dataType, $0.dims) = (name, Int32(type.rawValue), shape.map(Int64.init))
        $0.rawData = bytes
      })
  }

  private static func bytes(_ values: [Float]) -> Data { values.withUnsafeBytes { Data($0) } }

  /// A constant in a form that a node needs.
  ///
  /// - Parameters:
  ///   - channels: the axis that has a scale for each of its places where weights are kept in 8 bits; nil for what is no weight.
  mutating func initializer(_ tensor: Tensor, _ name: String, channels: Int? = nil) -> String {
    let key = "tensor \(name) \(tensor.shape) \(tensor.buffer)"
    if let known = constants[key] { return known }
    let result: String
    if let channels, precision != .fp32 {
      result = stored(tensor, name, axis: channels)
    } else {
      result = unique(name)
      add(result, .float, tensor.shape, ONNXBuilder.bytes(tensor.scalars))
    }
    constants[key] = result
    kept.append(tensor)
    return result
  }
  /// Tensors whose buffers are part of keys.
  private var kept: [Tensor] = []

  /// A weight in 16 bits, or as whole numbers in -127...127 times a scale for each place of an axis. What that computes with is in
  /// `rounded`.
  private mutating func stored(_ tensor: Tensor, _ name: String, axis: Int) -> String {
    let scalars = tensor.scalars
    if precision == .fp16 {
      let halves = scalars.map { Float16($0) }
      rounded[name] = Tensor(halves.map { Float($0) }, shape: tensor.shape)
      let half = unique(name + ".fp16")
      add(half, .float16, tensor.shape, halves.map(\.bitPattern).withUnsafeBytes { Data($0) })
      return node("Cast", [half], [.int("to", ONNXTensorProto.DataType.float.rawValue)], output: unique(name))
    }
    let inner = tensor.shape[(axis + 1)...].reduce(1, *)
    let count = tensor.shape[axis]
    var scales = [Float](repeating: 0, count: count)
    for (place, value) in scalars.enumerated() {
      let channel = place / inner % count
      scales[channel] = max(scales[channel], abs(value))
    }
    scales = scales.map { $0 > 0 ? $0 / 127 : 1 }
    let values = scalars.enumerated().map { place, value in
      Int8(max(-127, min(127, (value / scales[place / inner % count]).rounded())))
    }
    rounded[name] = Tensor(
      values.enumerated().map { Float($1) * scales[$0 / inner % count] }, shape: tensor.shape)
    let (weight, scale) = (unique(name + ".int8"), unique(name + ".scale"))
    add(weight, .int8, tensor.shape, values.withUnsafeBytes { Data($0) })
    add(scale, .float, [count], ONNXBuilder.bytes(scales))
    return node("DequantizeLinear", [weight, scale], [.int("axis", axis)], output: unique(name))
  }

  // MARK: Values

  /// The name of a value as we have it, channels last.
  mutating func name(_ value: Int) -> String {
    if let name = names[value] { return name }
    let result: String
    switch graph.values[value].source {
    case .constant(let tensor, let name): result = initializer(tensor, name)
    case .repeated(let row, let name):
      let one = initializer(row.unsqueezed(0), name)
      let rest = row.shape.dropFirst().map { ExportGraph.Dimension.fixed($0) }
      let expanded = node(
        "Expand", [one, dimensions([.batch(1), .fixed(row.shape[0])] + rest)])
      result = node("Reshape", [expanded, integers([-1] + row.shape.dropFirst())])
    case .input, .operation:
      guard let first = channelsFirst[value] else { preconditionFailure("no value \(value)") }
      let rank = rank(value)
      result = node("Transpose", [first], [.ints("perm", [0] + Array(2..<rank) + [1])])
    }
    names[value] = result
    return result
  }

  /// The name of a value with its channels behind the first axis.
  mutating func nameChannelsFirst(_ value: Int) -> String {
    if let name = channelsFirst[value] { return name }
    let rank = rank(value)
    guard rank > 2 else { return name(value) }
    if let tensor = constant(value), case .constant(_, let name) = graph.values[value].source {
      return initializer(tensor.permuted([0, rank - 1] + Array(1..<rank - 1)), name)
    }
    let result = node("Transpose", [name(value)], [.ints("perm", [0, rank - 1] + Array(1..<rank - 1))])
    channelsFirst[value] = result
    return result
  }

  /// Whether a value is there with channels first alone.
  func isChannelsFirst(_ value: Int) -> Bool { channelsFirst[value] != nil && names[value] == nil }

  mutating func set(_ value: Int, _ name: String) { names[value] = name }
  mutating func setChannelsFirst(_ value: Int, _ name: String) {
    if rank(value) > 2 { channelsFirst[value] = name } else { names[value] = name }
  }

  /// A weight with its axes in ONNX's order.
  mutating func weight(_ value: Int, axes: [Int], channels: Int) -> String {
    guard case .constant(let tensor, let name) = graph.values[value].source else {
      return node("Transpose", [self.name(value)], [.ints("perm", axes)])
    }
    let key = "weight \(value) \(axes)"
    if let known = constants[key] { return known }
    let isTurned = axes != Array(axes.indices)
    // What is computed, such as the places of a map, is no weight.
    let isWeight = graph.weights[name] == tensor.shape
    let result = initializer(isTurned ? tensor.permuted(axes) : tensor, name, channels: isWeight ? channels : nil)
    constants[key] = result
    if isTurned, isWeight { rounded[name] = rounded[name]?.permuted(axes.indices.map { axes.firstIndex(of: $0)! }) }
    return result
  }

  /// One number a channel, in a shape that meets channels first of so many axes.
  mutating func channelVector(_ value: Int, rank: Int) -> String {
    let after = Array(repeating: 1, count: rank - 2)
    guard case .constant(let tensor, let name) = graph.values[value].source else {
      return node("Reshape", [self.name(value), integers([-1] + after)])
    }
    return initializer(tensor.reshaped([-1] + after), name)
  }

  // MARK: Shapes

  /// A shape as a graph computes it.
  mutating func dimensions(_ shape: [ExportGraph.Dimension]) -> String {
    var parts: [String] = []
    for dimension in shape {
      switch dimension {
      case .fixed(let length): parts.append(integers([length]))
      case .batch(1): parts.append(batchSize())
      case .batch(let times): parts.append(node("Mul", [batchSize(), integers([times])]))
      }
    }
    if !shape.contains(where: \.isBatch) {
      return integers(shape.map { if case .fixed(let length) = $0 { length } else { 0 } })
    }
    return parts.count == 1 ? parts[0] : node("Concat", parts, [.int("axis", 0)])
  }

  /// A shape to reshape to: with one axis that follows from the others it is a constant.
  mutating func target(_ shape: [ExportGraph.Dimension]) -> String {
    guard shape.filter(\.isBatch).count == 1, !shape.contains(.fixed(0)) else { return dimensions(shape) }
    return integers(shape.map { if case .fixed(let length) = $0 { length } else { -1 } })
  }

  /// How many items there are, `[1]`.
  private mutating func batchSize() -> String {
    if let batchName { return batchName }
    let input = graph.values.indices.first { number in
      if case .input = graph.values[number].source { shape(number).first == .batch(1) } else { false }
    }!
    let outer = module
    module = ""
    let result = node("Gather", [node("Shape", [name(input)]), integers([0])], output: unique("batch_size"))
    module = outer
    batchName = result
    return result
  }
}

extension ONNXAttributeProto {
  static func int(_ name: String, _ value: Int) -> Self {
    .with { ($0.name, $0.type, $0.i) = (name, .int, Int64(value)) }
  }
  static func ints(_ name: String, _ values: [Int]) -> Self {
    .with { ($0.name, $0.type, $0.ints) = (name, .ints, values.map(Int64.init)) }
  }
  static func float(_ name: String, _ value: Float) -> Self {
    .with { ($0.name, $0.type, $0.f) = (name, .float, value) }
  }
  static func graph(_ name: String, _ value: ONNXGraphProto) -> Self {
    .with { ($0.name, $0.type, $0.g) = (name, .graph, value) }
  }
}

extension Data {
  fileprivate mutating func append(_ value: Int64) { Swift.withUnsafeBytes(of: value) { append(contentsOf: $0) } }
}
