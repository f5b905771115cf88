import CKernels
import Synchronization

/// What a buffer is held for.
public enum MemoryKind: String, Sendable, CaseIterable, Codable {
  /// Parameters, averaged weights, batches: what was made outside of a tape.
  case values
  /// What a tape that records holds for the backward pass.
  /// What operations gave, and what the backward pass gives.
  case activations, gradients
  /// An optimizer's state.
  case optimizer
  /// Held within one operation.
  case scratch
}

/// The memory that tensors took since `Memory.startCounting`: buffers of 32 KB and more, in bytes.
public struct MemoryReport: Sendable, Equatable {
  /// The most held at one time.
  public var peak: Int
  /// What that was made of.
  public var peakByKind: [MemoryKind: Int]
  /// Asked from the system rather than reused: 0 after a first step.
  public var fresh: Int
  /// Held now, in use or kept for reuse.
  public var reserved: Int
}

/// Counts what tensors hold.
public enum Memory {
  private static let current = Atomic<Int>(0)

  package static var kind: MemoryKind { MemoryKind.allCases[current.load(ordering: .relaxed)] }

  /// Counts what `body` makes as `kind`.
  package static func counting<Result>(as kind: MemoryKind, _ body: () throws -> Result) rethrows -> Result {
    let outer = current.exchange(MemoryKind.allCases.firstIndex(of: kind)!, ordering: .relaxed)
    defer { current.store(outer, ordering: .relaxed) }
    return try body()
  }

  /// Lets the C library keep what is freed, for the whole process. Batches of images are allocated and freed many times
  /// a second; it would give such blocks back to the system and pay for every page again.
  package static func keepFreed() { ck_keep_freed_memory() }

  /// Forgets the peak so far: call it before a step, and `report` after it.
  public static func startCounting() {
    BufferPool.shared.withAccount { $0.restart() }
    Device.current?.startCounting()
  }

  /// What is held now, and the most since `startCounting`.
  public static var report: MemoryReport { Device.current?.memory ?? BufferPool.shared.withAccount { $0.report } }
}

/// Bytes held, by kind, in the order of `MemoryKind.allCases`.
package struct MemoryAccount: Sendable {
  private var held = SIMD8<Int>()
  /// All that is held.
  package private(set) var total = 0
  private(set) var atPeak = SIMD8<Int>()
  private(set) var peak = 0
  private(set) var fresh = 0
  private(set) var reserved = 0

  package init() {}

  private func place(_ kind: MemoryKind) -> Int {
    switch kind {
    case .values: 0
    case .activations: 1
    case .gradients: 2
    case .optimizer: 3
    case .scratch: 4
    }
  }

  package mutating func took(_ bytes: Int, _ kind: MemoryKind, fresh unused: Int) {
    held[place(kind)] += bytes
    total += bytes
    fresh += unused
    reserved += unused
    if total > peak { (peak, atPeak) = (total, held) }
  }

  package mutating func gave(_ bytes: Int, _ kind: MemoryKind) {
    held[place(kind)] -= bytes
    total -= bytes
  }

  /// Gave memory that was free back to where it came from.
  package mutating func returned(_ bytes: Int) { reserved -= bytes }

  package mutating func restart() { (peak, atPeak, fresh) = (total, held, 0) }

  package var report: MemoryReport {
    MemoryReport(peak: peak, peakByKind: byKind(atPeak), fresh: fresh, reserved: reserved)
  }

  private func byKind(_ values: SIMD8<Int>) -> [MemoryKind: Int] {
    Dictionary(uniqueKeysWithValues: MemoryKind.allCases.map { ($0, values[place($0)]) })
  }
}
