import Foundation
import SwiftProtobuf
import Tensors

extension ONNXModelProto {
  /// A model of a graph.
  ///
  /// - Parameters:
  ///   - metadata: what whoever runs it should know.
  ///   - rounded: gets what the graph computes with instead of weights, by their names.
  /// - Throws: `PolicyGraphs.Problem`.
  package init(
    _ graph: ExportGraph, name: String, precision: WeightPrecision = .fp32, producer: String,
    metadata: [String: String] = [:], rounded: inout [String: Tensor]
  ) throws {
    var builder = ONNXBuilder(graph, precision: precision)
    do {
      for step in graph.steps { try builder.add(step) }
      if let bad = builder.rounded.first(where: { !$1.scalars.allSatisfy(\.isFinite) }) {
        throw GraphError.tooLargeForHalf(weight: bad.key)
      }
    } catch let error as GraphError {
      throw PolicyGraphs.Problem.part(graph.part, error)
    }
    builder.module = ""
    rounded.merge(builder.rounded) { first, _ in first }
    for (name, value) in graph.outputs { _ = builder.node("Identity", [builder.name(value)], output: name) }
    self.init()
    irVersion = 8
    opsetImport = [.with { $0.version = Int64(ONNXBuilder.opset) }]
    (producerName, producerVersion) = ("ImitationKit", producer)
    metadataProps = metadata.sorted { $0.key < $1.key }.map { pair in
      .with { ($0.key, $0.value) = (pair.key, pair.value) }
    }
    self.graph.name = name
    let used = Set(builder.nodes.flatMap { $0.input + $0.attribute.flatMap { $0.g.node.flatMap(\.input) } })
    self.graph.node = builder.nodes
    self.graph.initializer = builder.initializers.filter { used.contains($0.name) }
    self.graph.input = graph.values.compactMap { value in
      if case .input(let name) = value.source { ONNXValueInfoProto(name, value) } else { nil }
    }
    self.graph.output = graph.outputs.map { ONNXValueInfoProto($0.name, graph.values[$0.value]) }
  }

  /// The file's bytes.
  /// - Throws: `GraphError.tooLarge`.
  package func bytes() throws -> Data {
    let size = graph.initializer.reduce(0) { $0 + $1.rawData.count }
    guard size < 2_000_000_000 else { throw GraphError.tooLarge(bytes: size) }
    return try serializedBytes()
  }
}

extension ONNXValueInfoProto {
  fileprivate init(_ name: String, _ value: ExportGraph.Value) {
    self.init()
    self.name = name
    let element: ONNXTensorProto.DataType =
      switch value.element {
      case .float: .float
      case .byte: .uint8
      case .integer: .int64
      }
    type.tensorType.elemType = Int32(element.rawValue)
    type.tensorType.shape.dim = value.shape.map { dimension in
      .with {
        switch dimension {
        case .fixed(let length): $0.dimValue = Int64(length)
        case .batch(1): $0.dimParam = "batch"
        case .batch(let times): $0.dimParam = "\(times) * batch"
        }
      }
    }
  }
}
