/// Processes that compute together, each on its part of a batch.
package protocol Collective: AnyObject {
  /// This one's number, counted from 0, and how many there are.
  var rank: Int { get }
  var count: Int { get }
  /// The rows of a batch that are this one's.
  func rows(of batch: Int) -> Range<Int>
  /// The sum of everyone's tensor, which have one shape, added in the order of the ranks: the same bits for all, and again each time.
  ///
  /// - Throws: what ended one of the others.
  func sum(_ x: Tensor) throws -> Tensor
}

extension Collective {
  /// The sums of several tensors, as one.
  package func sum(_ tensors: [Tensor]) throws -> [Tensor] {
    let all = try sum(.concatenated(tensors.map { $0.reshaped([$0.count]) }, axis: 0))
    var start = 0
    return tensors.map { tensor in
      defer { start += tensor.count }
      return all.sliced(axis: 0, start..<start + tensor.count).reshaped(tensor.shape)
    }
  }
}
