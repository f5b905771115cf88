import Foundation
import Synchronization

/// Numbers of a storage in the memory of a device.
package protocol DeviceMemory: AnyObject, Sendable {
  /// Waits for whoever writes them and copies the first `count`.
  func read(into host: UnsafeMutablePointer<Float>, count: Int)
}

/// The numbers of a tensor: filled once by whoever makes it; written again by its sole owner only (`Tensor.mutate`).
///
/// That rule makes `@unchecked Sendable` true. They lie in the processor's memory, in a device's, or in both: what never
/// changes never gets stale, so the other side copies them at its first use and keeps both. Large buffers come from a pool and
/// go back to it, so that a training step after the first asks the system for no memory.
package final class Storage: @unchecked Sendable {
  package let count: Int
  package let kind: MemoryKind
  /// Null while only the device has the numbers.
  private let host: Atomic<UnsafeMutablePointer<Float>?>
  private let remote: Mutex<(any DeviceMemory)?>

  /// Smaller ones are the C library's business, and not counted.
  private static let smallest = 8192

  package init(count: Int, kind: MemoryKind? = nil) {
    self.count = count
    self.kind = kind ?? Memory.kind
    host = Atomic(Storage.take(count, self.kind))
    remote = Mutex(nil)
  }

  /// What a device computed.
  package init(count: Int, on device: any DeviceMemory) {
    self.count = count
    kind = Memory.kind
    host = Atomic(nil)
    remote = Mutex(device)
  }

  deinit {
    if GraphTrace.isWriting { GraphTrace.forget(ObjectIdentifier(self)) }
    give()
  }

  /// The numbers in the processor's memory; waits for a device that computes them.
  @inline(__always) package var pointer: UnsafeMutablePointer<Float> { host.load(ordering: .acquiring) ?? copied() }

  private func copied() -> UnsafeMutablePointer<Float> {
    remote.withLock { remote in
      if let pointer = host.load(ordering: .acquiring) { return pointer }
      let pointer = Storage.take(count, kind)
      remote!.read(into: pointer, count: count)
      host.store(pointer, ordering: .releasing)
      return pointer
    }
  }

  /// The numbers in a device's memory: `upload` brings them there at the first use, also from another device's.
  package func memory<Kind: DeviceMemory>(
    where isOurs: (Kind) -> Bool, _ upload: (UnsafePointer<Float>) -> Kind
  ) -> Kind {
    if let there = remote.withLock({ $0 }) as? Kind, isOurs(there) { return there }
    let here = pointer
    return remote.withLock { remote in
      if let there = remote as? Kind, isOurs(there) { return there }
      let there = upload(here)
      remote = there
      return there
    }
  }

  /// Whether a device has the numbers.
  var isOnDevice: Bool { remote.withLock { $0 != nil } }

  /// Says that the sole owner writes the numbers in the processor's memory.
  package func writtenHere() {
    _ = pointer
    remote.withLock { $0 = nil }
  }

  /// Says that the sole owner writes the numbers in the memory of the device that has them.
  package func writtenThere() { give() }

  private func give() {
    guard let pointer = host.exchange(nil, ordering: .acquiringAndReleasing) else { return }
    if count >= Storage.smallest {
      BufferPool.shared.give(pointer, bytes: count * MemoryLayout<Float>.stride, kind)
    } else {
      free(pointer)
    }
  }

  private static func take(_ count: Int, _ kind: MemoryKind) -> UnsafeMutablePointer<Float> {
    guard count < smallest else {
      return BufferPool.shared.take(bytes: count * MemoryLayout<Float>.stride, kind).assumingMemoryBound(to: Float.self)
    }
    var raw: UnsafeMutableRawPointer?
    let bytes = max(64, (count * MemoryLayout<Float>.stride + 63) / 64 * 64)
    guard posix_memalign(&raw, 64, bytes) == 0, let raw else { fatalError("out of memory: \(bytes) bytes") }
    return raw.assumingMemoryBound(to: Float.self)
  }
}

extension Tensor {
  /// The numbers in the processor's memory, to be changed: copied first when another tensor shares them.
  mutating func mutate() -> UnsafeMutablePointer<Float> {
    if isKnownUniquelyReferenced(&storage) {
      storage.writtenHere()
    } else {
      let copy = Storage(count: count)
      nonisolated(unsafe) let (from, to) = (storage.pointer, copy.pointer)
      parallel(count: count, grain: 262_144) {
        (to + $0.lowerBound).update(from: from + $0.lowerBound, count: $0.count)
      }
      storage = copy
    }
    return storage.pointer
  }
}
