import Synchronization

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

  /// Runs `body` with operations on `backend`, wherever their inputs lie.
  package static func with<Result>(_ backend: any Backend, _ body: () throws -> Result) rethrows -> Result {
    users.add(1, ordering: .relaxed)
    defer { users.subtract(1, ordering: .relaxed) }
    return try $chosen.withValue(backend, operation: body)
  }

  /// Runs `body` on the processor.
  package static func onProcessor<Result>(_ body: () throws -> Result) rethrows -> Result {
    try $chosen.withValue(nil, operation: body)
  }
}

/// The processor: all of `Backend`'s own implementations.
struct Processor: Backend {}
