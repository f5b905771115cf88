import Foundation
import Layers
import Tensors

/// What a pass computes for a batch of any size, from traces of two sizes.
///
/// An axis whose length differs between them is as many times the batch in both. What depends on no input is a constant, computed
/// here once; it has the name of the parameter that it comes from.
package struct ExportGraph {
  /// The length of an axis.
  package enum Dimension: Equatable, Sendable {
    case fixed(Int)
    /// So many times the batch.
    case batch(Int)

    var isBatch: Bool { if case .batch = self { true } else { false } }
  }

  /// Where a value comes from.
  package enum Source {
    case input(String)
    case constant(Tensor, name: String)
    /// A constant whose rows are the same for each item of the batch: those of one item.
    case repeated(Tensor, name: String)
    case operation

    var isConstant: Bool {
      switch self {
      case .constant, .repeated: true
      case .input, .operation: false
      }
    }
  }

  package struct Value {
    package let shape: [Dimension]
    package let element: GraphTrace.Element
    package let source: Source
  }

  /// An operation and the module at which it happens.
  package struct Step {
    package let operation: GraphTrace.Operation
    package let module: String
  }

  package private(set) var values: [Value] = []
  /// What the outputs need, in order.
  package private(set) var steps: [Step] = []
  package let outputs: [(name: String, value: Int)]
  /// Shapes of parameters and buffers.
  package let weights: [String: [Int]]
  /// What it is a graph of, for complaints.
  package let part: String
  /// How many items the first trace had.
  package let batch: Int

  /// - Parameters:
  ///   - traces: of the same pass with other values and batches of `sizes`.
  ///   - tensors: parameters and buffers by name.
  ///   - part: what it is a graph of.
  /// - Throws: `GraphError`.
  package init(
    _ traces: (GraphTrace.Record, GraphTrace.Record), sizes: (Int, Int), tensors: [(name: String, tensor: Tensor)],
    part: String
  ) throws {
    let (first, second) = traces
    self.part = part
    weights = Dictionary(tensors.map { ($0.name, $0.tensor.shape) }) { first, _ in first }
    outputs = first.outputs
    batch = sizes.0
    if let bad = tensors.first(where: { !$0.tensor.scalars.allSatisfy(\.isFinite) }) {
      throw GraphError.notFinite(weight: bad.name)
    }
    let names = Dictionary(tensors.map { ($0.tensor.buffer, $0.name) }) { first, _ in first }
    let modules = ExportGraph.modules(first, names: names)
    for (place, operation) in first.operations.enumerated() {
      let other = place < second.operations.count ? second.operations[place] : nil
      guard let other, operation.name == other.name, operation.inputs == other.inputs, operation.output == other.output
      else {
        throw GraphError.changes(operation: operation.name, other: other?.name ?? "none", module: modules[place])
      }
    }
    guard first.operations.count == second.operations.count, first.values.count == second.values.count else {
      throw GraphError.changes(
        operation: "none", other: second.operations[first.operations.count...].first?.name ?? "none",
        module: modules.last ?? ExportGraph.start)
    }
    // The first operation that uses a value, for complaints about it.
    var user = [Int](repeating: 0, count: first.values.count)
    for (place, operation) in first.operations.enumerated().reversed() {
      for input in operation.inputs.compactMap(\.self) { user[input] = place }
    }
    for output in first.outputs { user[output.value] = max(0, first.operations.count - 1) }
    var isDependent = [Bool](repeating: false, count: first.values.count)
    for (number, value) in first.values.enumerated() {
      isDependent[number] =
        value.input != nil
        || value.operation.map { first.operations[$0].inputs.contains { $0.map { isDependent[$0] } ?? false } } ?? false
    }
    for read in first.reads where isDependent[read.value] {
      let place = max(0, min(read.after, modules.count) - 1)
      throw GraphError.readOutside(module: modules.isEmpty ? ExportGraph.start : modules[place])
    }
    /// Needs the outputs only: what nobody needs may be anything.
    let isNeeded = ExportGraph.needed(first)
    for (number, (a, b)) in zip(first.values, second.values).enumerated() {
      let place = a.operation ?? user[number]
      let operation = first.operations.isEmpty ? "none" : first.operations[place].name
      let module = modules.isEmpty ? ExportGraph.start : modules[place]
      let shape = ExportGraph.shape(a.shape, b.shape, sizes)
      if isNeeded[number], shape == nil { throw GraphError.dependsOnBatch(operation: operation, module: module) }
      guard isNeeded[number], let shape else {
        values.append(Value(shape: [], element: a.element, source: .operation))
        continue
      }
      let isFixed = !shape.contains { $0.isBatch }
      let source: Source
      if let input = a.input {
        source = .input(input)
      } else if a.operation != nil {
        if isDependent[number] || !isFixed {
          source = .operation
        } else if let tensor = a.tensor, let other = b.tensor {
          // Of one pass only it would be a constant that depends on the batch, or on what was read elsewhere.
          guard ExportGraph.isEqual(tensor, other) else {
            throw GraphError.computedOutside(operation: operation, module: module)
          }
          source = .constant(tensor, name: self.name(of: first.operations[place]))
        } else {
          source = .operation
        }
      } else {
        let name = names[a.tensor!.buffer] ?? "constant_\(number)"
        if isFixed, ExportGraph.isEqual(a.tensor!, b.tensor!) {
          source = .constant(a.tensor!, name: name)
        } else if let row = ExportGraph.repeatedRows(a.tensor!, b.tensor!, shape, sizes) {
          source = .repeated(row, name: name)
        } else {
          throw GraphError.computedOutside(operation: operation, module: module)
        }
      }
      values.append(Value(shape: shape, element: a.element, source: source))
    }
    for (place, operation) in first.operations.enumerated()
    where isNeeded[operation.output] && first.values[operation.output].operation == place {
      guard case .operation = values[operation.output].source else { continue }
      let other = second.operations[place]
      for (key, attribute) in operation.attributes where other.attributes[key] != attribute {
        guard key == "indices", isSame(attribute, other.attributes[key], of: operation) else {
          throw GraphError.dependsOnBatch(operation: operation.name, module: modules[place])
        }
      }
      steps.append(Step(operation: operation, module: modules[place]))
    }
    dropUnneeded()
  }

  /// Whether another graph of the same pass computes the same: of traces with other observations still.
  package func isSame(as other: ExportGraph) -> Bool {
    values.map(\.shape) == other.values.map(\.shape)
      && steps.map(\.operation.output) == other.steps.map(\.operation.output)
      && zip(values, other.values).allSatisfy { $0.source.isConstant == $1.source.isConstant }
  }

  /// Whether indices of both passes are those of one item, moved on by as many rows as each item has: `rows` of `gathered`.
  private func isSame(_ a: GraphAttribute, _ b: GraphAttribute?, of operation: GraphTrace.Operation) -> Bool {
    guard case .ints(let a) = a, case .ints(let b)? = b, case .int(let axis)? = operation.attributes["axis"],
      let source = operation.inputs[0], case .batch(let count) = values[operation.output].shape[axis], axis == 0
    else { return false }
    var rows = 0
    if case .batch(let times) = values[source].shape[0] { rows = times }
    let pattern = a.prefix(count)
    guard pattern.allSatisfy({ rows == 0 || $0 < rows }) else { return false }
    return [a, b].allSatisfy { indices in
      indices.enumerated().allSatisfy { place, index in index == pattern[place % count] + place / count * rows }
    }
  }

  /// The module of what happens before any.
  static let start = "the start"

  /// Constants were folded: what they were computed from is needed no more.
  private mutating func dropUnneeded() {
    var needed = Set(outputs.map(\.value))
    for step in steps.reversed() where needed.contains(step.operation.output) {
      needed.formUnion(step.operation.inputs.compactMap(\.self))
    }
    steps.removeAll { !needed.contains($0.operation.output) }
  }

  /// The name of a constant that an operation gave: its first named input's, and what was done.
  private func name(of operation: GraphTrace.Operation) -> String {
    let names = operation.inputs.compactMap { input -> String? in
      guard let input, case .constant(_, let name) = values[input].source else { return nil }
      return name
    }
    let name = names.first { !$0.hasPrefix("constant_") } ?? names.first ?? "constant"
    return operation.name == "reshaped" ? name : name + "." + operation.name.replacingOccurrences(of: " ", with: "_")
  }

  /// Which values the outputs need.
  private static func needed(_ record: GraphTrace.Record) -> [Bool] {
    var needed = [Bool](repeating: false, count: record.values.count)
    for output in record.outputs { needed[output.value] = true }
    for (place, operation) in record.operations.enumerated().reversed()
    where needed[operation.output] && record.values[operation.output].operation == place {
      for input in operation.inputs.compactMap(\.self) { needed[input] = true }
    }
    return needed
  }

  /// The module of each operation: that of its own parameter, or of the last one before it.
  private static func modules(_ record: GraphTrace.Record, names: [ObjectIdentifier: String]) -> [String] {
    var module = ExportGraph.start
    return record.operations.map { operation in
      let own = operation.inputs.compactMap { input in
        input.flatMap { record.values[$0].tensor }.flatMap { names[$0.buffer] }
      }.first
      if let own { module = own.split(separator: ".").dropLast().joined(separator: ".") }
      return module.isEmpty ? own ?? ExportGraph.start : module
    }
  }

  private static func shape(_ a: [Int], _ b: [Int], _ sizes: (Int, Int)) -> [Dimension]? {
    guard a.count == b.count else { return nil }
    var shape: [Dimension] = []
    for (a, b) in zip(a, b) {
      if a == b {
        shape.append(.fixed(a))
      } else if a % sizes.0 == 0, a / sizes.0 * sizes.1 == b {
        shape.append(.batch(a / sizes.0))
      } else {
        return nil
      }
    }
    return shape
  }

  private static func isEqual(_ a: Tensor, _ b: Tensor) -> Bool {
    a.shape == b.shape && zip(a.scalars, b.scalars).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN }
  }

  /// The rows of one item of the batch, where all items of both passes have the same: `[times] + rest`.
  private static func repeatedRows(_ a: Tensor, _ b: Tensor, _ shape: [Dimension], _ sizes: (Int, Int)) -> Tensor? {
    guard case .batch(let times)? = shape.first, !shape.dropFirst().contains(where: \.isBatch) else { return nil }
    let row = a.sliced(axis: 0, 0..<times)
    func holds(_ tensor: Tensor, _ size: Int) -> Bool {
      (0..<size).allSatisfy { isEqual(tensor.sliced(axis: 0, $0 * times..<($0 + 1) * times), row) }
    }
    return holds(a, sizes.0) && holds(b, sizes.1) ? row : nil
  }
}
