import Synchronization

/// Bytes with a shape, row-major and contiguous: the pixels of a batch. They never change, so a device that uses them gets them
/// once, whoever asks, and as bytes.
public struct ByteTensor: Sendable {
  /// The length of every axis.
  public let shape: [Int]
  /// The last axis fastest.
  public let bytes: [UInt8]
  private let copy = DeviceCopy()

  /// - Parameter bytes: as many as `shape` has places, the last axis fastest.
  public init(_ bytes: [UInt8], shape: [Int]) {
    precondition(bytes.count == shape.reduce(1, *), "ByteTensor: \(bytes.count) bytes for shape \(shape)")
    (self.bytes, self.shape) = (bytes, shape)
  }

  /// The bytes in a device's memory: `upload` brings them there at the first use.
  package func memory<Kind: DeviceMemory>(where isOurs: (Kind) -> Bool, _ upload: ([UInt8]) -> Kind) -> Kind {
    copy.memory.withLock { memory in
      if let there = memory as? Kind, isOurs(there) { return there }
      let there = upload(bytes)
      memory = there
      return there
    }
  }

  /// Where a device keeps them.
  private final class DeviceCopy: Sendable {
    let memory = Mutex<(any DeviceMemory)?>(nil)
  }
}
