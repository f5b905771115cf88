/// A function as a value that tasks can hold.
package final class WaitingListener: Sendable {
  let isWaiting: @Sendable () -> Void

  package init(_ isWaiting: @escaping @Sendable () -> Void) { self.isWaiting = isWaiting }
}
