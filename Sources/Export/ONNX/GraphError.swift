/// A pass that no graph can be made of, with the module at which it happened.
package enum GraphError: Error, Equatable, CustomStringConvertible {
  /// An operation that ONNX has no nodes for, as far as we know.
  case notDescribed(operation: String, module: String)
  /// A tensor that is computed outside of tensor operations from what differs between passes.
  case computedOutside(operation: String, module: String)
  /// Values that depend on an input and are read outside of tensor operations.
  case readOutside(module: String)
  /// An operation whose settings or sizes change with the batch in a way that a graph cannot say.
  case dependsOnBatch(operation: String, module: String)
  /// A pass that computes other things for another batch.
  case changes(operation: String, other: String, module: String)
  /// A weight that holds values that are not numbers.
  case notFinite(weight: String)
  /// A weight that is too large for 16 bits.
  case tooLargeForHalf(weight: String)
  /// Weights that one file cannot hold.
  case tooLarge(bytes: Int)

  package var description: String {
    switch self {
    case .notDescribed(let operation, let module): "at \(module): operation '\(operation)' has no ONNX description"
    case .computedOutside(let operation, let module):
      "at \(module): operation '\(operation)' uses values that are computed outside of tensor operations"
    case .readOutside(let module):
      "at \(module): values that depend on the observation are read outside of tensor operations"
    case .dependsOnBatch(let operation, let module):
      "at \(module): operation '\(operation)' depends on the size of the batch"
    case .changes(let operation, let other, let module):
      "at \(module): operation '\(operation)' is '\(other)' for another batch; a graph has always the same ones"
    case .notFinite(let weight): "'\(weight)' holds values that are not numbers; train it again"
    case .tooLargeForHalf(let weight): "'\(weight)' is too large for 16 bits; leave out --precision fp16"
    case .tooLarge(let bytes):
      "weights of \(bytes / 1_000_000) MB; an ONNX file holds at most 2147: try --precision fp16 or int8"
    }
  }
}
