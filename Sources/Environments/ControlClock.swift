import Foundation

/// The time that a robot is asked by: one that cannot be set back, or a test's own.
package protocol ControlClock: Sendable {
  /// Seconds since some moment.
  var now: Double { get }
  /// Returns at that time; at once when it has passed.
  func sleep(until time: Double)
  /// Calls `body` again and again, about so many seconds apart, until what is returned is released.
  func repeating(every seconds: Double, _ body: @escaping @Sendable () -> Void) -> AnyObject
}

/// The system's monotonic clock.
package struct MonotonicClock: ControlClock {
  package init() {}

  package var now: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  package func sleep(until time: Double) {
    let whole = time.rounded(.down)
    var deadline = timespec(tv_sec: Int(whole), tv_nsec: min(Int((time - whole) * 1e9), 999_999_999))
    while clock_nanosleep(CLOCK_MONOTONIC, Int32(TIMER_ABSTIME), &deadline, nil) == EINTR {}
  }

  package func repeating(every seconds: Double, _ body: @escaping @Sendable () -> Void) -> AnyObject {
    Ticking(seconds, body)
  }

  private final class Ticking {
    private let timer: any DispatchSourceTimer

    init(_ seconds: Double, _ body: @escaping @Sendable () -> Void) {
      // Its own queue: the shared ones may be full of work when the robot has to be held.
      timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "hold", qos: .userInteractive))
      timer.schedule(deadline: .now() + seconds, repeating: seconds)
      timer.setEventHandler(handler: body)
      timer.activate()
    }

    deinit { timer.cancel() }
  }
}
