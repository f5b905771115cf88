import Tensors

/// What a policy's graph gets beside features: examples while the graph is made.
public struct HeadInputs {
  private let batch: Int
  private let trace: GraphTrace?
  private var random: Random
  /// The examples by name.
  package private(set) var values: [String: Tensor] = [:]

  /// - Parameter trace: what the graph is made of; nil to compute alone.
  package init(batch: Int, trace: GraphTrace?, random: Random) {
    (self.batch, self.trace, self.random) = (batch, trace, random)
  }

  /// An input of standard normal numbers, `[batch] + shape`.
  public mutating func tensor(_ name: String, _ shape: [Int]) -> Tensor {
    let tensor = Tensor.normal([batch] + shape, random: &random)
    trace?.input(tensor, named: name)
    values[name] = tensor
    return tensor
  }

  /// An input of one whole number an item, from 0 to below `bound`.
  public mutating func wholeNumbers(_ name: String, below bound: Int) -> [Float] {
    let numbers = (0..<batch).map { _ in Float(random.below(bound)) }
    trace?.input(numbers, below: bound, named: name)
    values[name] = Tensor(numbers, shape: [batch])
    return numbers
  }
}

/// What a policy's graph gives.
public struct HeadOutput {
  /// What its last axis is.
  public enum Kind: Sendable {
    /// Normalized actions; the graph gives them as recorded.
    case action
    /// Standard deviations of normalized actions; the graph gives those of actions as recorded.
    case deviation
    /// Anything else, given as it is.
    case plain
  }

  /// As whoever runs the graph sees it.
  public let name: String
  /// Its first axis is the batch.
  public let tensor: Tensor
  /// What its last axis is.
  public let kind: Kind

  /// An output of that name.
  public init(_ name: String, _ tensor: Tensor, _ kind: Kind) {
    (self.name, self.tensor, self.kind) = (name, tensor, kind)
  }
}
