/// Places along an axis of a tensor, 32-bit whole numbers with a shape, row-major and contiguous.
///
/// They stay on the device that chose them: a step whose places only choose rows does not wait for them.
public struct IndexTensor: Sendable {
  /// The length of every axis.
  public let shape: [Int]
  /// What all places are below.
  public let bound: Int
  /// The bits of 32-bit whole numbers.
  package let storage: Storage

  package init(shape: [Int], bound: Int, storage: Storage) {
    (self.shape, self.bound, self.storage) = (shape, bound, storage)
  }

  /// - Parameters:
  ///   - places: the last axis fastest.
  ///   - bound: what all of them are below; they are not negative.
  public init(_ places: [Int], shape: [Int], below bound: Int) {
    precondition(places.count == shape.reduce(1, *), "IndexTensor: \(places.count) places for shape \(shape)")
    precondition(places.allSatisfy { (0..<bound).contains($0) }, "IndexTensor: a place outside 0..<\(bound)")
    self.init(shape: shape, below: bound) { buffer in
      for (index, place) in places.enumerated() { buffer[index] = Int32(place) }
    }
  }

  /// Places that `fill` writes, all of them.
  init(shape: [Int], below bound: Int, filledBy fill: (UnsafeMutableBufferPointer<Int32>) -> Void) {
    precondition(bound <= Int(Int32.max), "IndexTensor: places below \(bound) need more than 32 bits")
    let storage = Storage(count: shape.reduce(1, *))
    storage.pointer.withMemoryRebound(to: Int32.self, capacity: storage.count) {
      fill(UnsafeMutableBufferPointer(start: $0, count: storage.count))
    }
    self.init(shape: shape, bound: bound, storage: storage)
  }

  /// How many places there are.
  public var count: Int { storage.count }

  /// The places in order. Waits for a device that chooses them.
  public var places: [Int] {
    GraphTrace.noteRead(self)
    return withUnsafeBufferPointer { $0.map(Int.init) }
  }

  /// The same places in another shape. Not public: a graph that is traced knows places in the shape they were chosen in.
  func reshaped(_ shape: [Int]) -> IndexTensor {
    precondition(shape.reduce(1, *) == count, "IndexTensor.reshaped: \(self.shape) to \(shape)")
    return IndexTensor(shape: shape, bound: bound, storage: storage)
  }

  /// Lends the places in order. What a device could not compute is 0: it throws at the next `check`, and nothing may be read
  /// beyond an axis before.
  func withUnsafeBufferPointer<Result>(_ body: (UnsafeBufferPointer<Int32>) -> Result) -> Result {
    storage.pointer.withMemoryRebound(to: Int32.self, capacity: count) { places in
      let all = UnsafeBufferPointer(start: places, count: count)
      guard storage.isOnDevice, all.contains(where: { $0 < 0 || $0 >= bound }) else { return body(all) }
      return all.map { $0 < 0 || $0 >= bound ? 0 : $0 }.withUnsafeBufferPointer(body)
    }
  }
}
