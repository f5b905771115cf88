/// An immutable array of 32-bit floating-point numbers with a shape, row-major and contiguous.
///
/// Operations make new tensors. While a tape records (`withGradients`), results that depend on parameters remember how
/// they came about, so that gradients can be found.
public struct Tensor: Sendable {
  /// The length of every axis; empty for a single number.
  public let shape: [Int]
  package var storage: Storage
  let slot: Tape.Slot?

  init(shape: [Int], storage: Storage, slot: Tape.Slot?) {
    self.shape = shape
    self.storage = storage
    self.slot = slot
  }

  package init(shape: [Int], storage: Storage) { self.init(shape: shape, storage: storage, slot: nil) }

  /// How many axes there are.
  public var rank: Int { shape.count }
  /// How many numbers there are.
  public var count: Int { storage.count }

  /// Copies `values`, the last axis fastest.
  public init(_ values: [Float], shape: [Int]) {
    precondition(values.count == shape.reduce(1, *), "Tensor: \(values.count) values for shape \(shape)")
    let storage = Storage(count: values.count)
    values.withUnsafeBufferPointer {
      if $0.count > 0 { storage.pointer.update(from: $0.baseAddress!, count: $0.count) }
    }
    self.init(shape: shape, storage: storage)
  }

  /// A single number, without axes.
  public init(_ value: Float) { self.init([value], shape: []) }

  /// A tensor whose numbers `fill` writes, all of them.
  public init(shape: [Int], filledBy fill: (UnsafeMutableBufferPointer<Float>) -> Void) {
    let storage = Storage(count: shape.reduce(1, *))
    fill(UnsafeMutableBufferPointer(start: storage.pointer, count: storage.count))
    self.init(shape: shape, storage: storage)
  }

  /// One value everywhere.
  public static func filled(_ shape: [Int], with value: Float) -> Tensor {
    Tensor(shape: shape) { $0.update(repeating: value) }
  }
  /// 0 everywhere.
  public static func zeros(_ shape: [Int]) -> Tensor { filled(shape, with: 0) }
  /// 1 everywhere.
  public static func ones(_ shape: [Int]) -> Tensor { filled(shape, with: 1) }

  /// Normally distributed numbers, drawn in order.
  public static func normal(
    _ shape: [Int], mean: Float = 0, deviation: Float = 1, random: inout Random
  ) -> Tensor {
    Tensor(shape: shape) { buffer in
      for index in buffer.indices { buffer[index] = mean + deviation * Float(random.normal()) }
    }
  }

  /// Evenly distributed numbers, drawn in order.
  public static func uniform(_ shape: [Int], _ range: ClosedRange<Float>, random: inout Random) -> Tensor {
    Tensor(shape: shape) { buffer in
      for index in buffer.indices {
        buffer[index] = range.lowerBound + (range.upperBound - range.lowerBound) * Float(random.uniform())
      }
    }
  }

  /// Lends the numbers in order, without a copy.
  public func withUnsafeBufferPointer<Result>(
    _ body: (UnsafeBufferPointer<Float>) throws -> Result
  ) rethrows -> Result {
    GraphTrace.noteRead(self)
    return try body(UnsafeBufferPointer(start: storage.pointer, count: storage.count))
  }

  /// The numbers in order.
  public var scalars: [Float] { withUnsafeBufferPointer(Array.init) }

  /// The only number.
  public var item: Float {
    precondition(count == 1, "Tensor.item: shape \(shape) holds \(count) values")
    GraphTrace.noteRead(self)
    return storage.pointer[0]
  }

  /// The same values as a constant.
  public var detached: Tensor { Tensor(shape: shape, storage: storage) }

  /// Whether every value is a number.
  public var isFinite: Bool { withUnsafeBufferPointer { $0.allSatisfy(\.isFinite) } }
}
