import Synchronization

/// How products of matrices round their factors on a device that has several ways.
public enum ProductPrecision: String, Sendable, CaseIterable, Codable {
  /// As they are.
  case float32
  /// To 10 bits of mantissa: what GPUs multiply eight times as fast. Sums and all else stay float32.
  case tf32
  /// To 7 bits of mantissa, twice as fast again. Sums, weights and all else stay float32.
  case bf16
}

/// Where operations compute.
package enum Device {
  @TaskLocal private static var chosen: (any Backend)?
  private static let users = Atomic<Int>(0)
  private static let processor = Processor()

  /// What the present task's operations run on: the processor's vector kernels unless something else was chosen.
  static var backend: any Backend {
    // One load, so that operations cost nothing more while there is no device.
    users.load(ordering: .relaxed) == 0 ? processor : chosen ?? processor
  }

  /// What was chosen for the present task; other threads have to be handed it.
  package static var current: (any Backend)? { users.load(ordering: .relaxed) == 0 ? nil : chosen }

  /// Throws what went wrong on the device since it was chosen: asked before anything is done with what was computed.
  package static func check() throws { try current?.check() }

  /// Runs `body` with operations on `backend`, wherever their inputs lie; on the processor when it is nil.
  package static func with<Result>(_ backend: (any Backend)?, _ body: () throws -> Result) rethrows -> Result {
    guard let backend else { return try onProcessor(body) }
    users.add(1, ordering: .relaxed)
    defer { users.subtract(1, ordering: .relaxed) }
    return try $chosen.withValue(backend, operation: body)
  }

  /// Runs `body`, whose operations are nearly always the same ones for a name: a device may launch them at once when it ends.
  package static func repeated<Result>(_ name: String, _ body: () throws -> Result) rethrows -> Result {
    guard let current else { return try body() }
    return try current.repeated(name, body)
  }

  /// Runs `body` on the processor.
  package static func onProcessor<Result>(_ body: () throws -> Result) rethrows -> Result {
    try $chosen.withValue(nil, operation: body)
  }
}

/// The processor: all of `Backend`'s own implementations.
package struct Processor: Backend {
  package init() {}
}
