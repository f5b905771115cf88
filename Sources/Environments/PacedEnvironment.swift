import Foundation
import Imitation

/// Asks an environment at its control rate, by a clock: a robot moves on whether there is an action or not.
///
/// Step k is sent at its own time, counted from the first step of the episode, so that small delays do not add up. An action
/// that comes too late for its time is sent at once, times that have passed altogether are left out, and without an action
/// for longer than `holdAfter` the environment is asked to hold.
public final class PacedEnvironment: RealTimeEnvironment, Sendable {
  private nonisolated(unsafe) let environment: any Environment
  private let limits: ActionLimits?
  private let clock: any ControlClock
  private let period: Double
  private let holdAfter: Double
  /// How much later than its time an action may come without being counted: as a share of the period.
  private static let tolerance = 0.05

  /// What the thread that acts and the one that watches share; the lock is held while the environment is asked.
  private struct State {
    var report = PaceReport()
    /// When the next action is due; nil before the first step and when the episode is over.
    var due: Double?
    var isHolding = true
    var lastSent: Double?
    /// Of the steps that followed another without a hold between.
    var intervals = (count: 0, seconds: 0.0)
    var reference = ActionLimits.Reference()
    /// The action of the last step, as it was sent.
    var sent: [Float]?
    /// What went wrong when it was to hold.
    var failure: (any Error)?

    /// It stays where it is, not where it was sent.
    mutating func holds() {
      isHolding = true
      reference.forgetGoal()
    }
  }

  /// Only touched under the lock.
  private nonisolated(unsafe) var state = State()
  private nonisolated(unsafe) var ticking: AnyObject?
  private let lock = NSLock()

  /// Wraps an environment.
  ///
  /// - Parameters:
  ///   - environment: one that can hold (`RealTimeEnvironment`), or one that has nothing to hold.
  ///   - limits: what actions are clipped to; not at all when nil.
  ///   - holdAfter: how late an action may be before the environment is asked to hold, in seconds.
  /// - Throws: `RobotError.noRate` when the environment does not say its control rate.
  package init(
    _ environment: any Environment, limits: ActionLimits?, holdAfter: Double = 0.5,
    clock: any ControlClock = MonotonicClock()
  ) throws {
    guard let hertz = environment.spec.actions.controlHertz else { throw RobotError.noRate(environment.spec.name) }
    (self.environment, self.limits, self.clock) = (environment, limits, clock)
    (period, self.holdAfter) = (1 / hertz, holdAfter)
    ticking = clock.repeating(every: min(holdAfter, period) / 4) { [weak self] in self?.watch() }
  }

  public var spec: EnvironmentSpec { environment.spec }
  public var pace: PaceReport { lock.withLock { state.report } }
  public var sent: [Float]? { lock.withLock { state.sent } }

  public func reset(_ episode: EpisodeSpec) throws -> Observation {
    try lock.withLock {
      state = State()
      let observation = try environment.reset(episode)
      state.reference.see(observation)
      return observation
    }
  }

  /// Waits for the action's time, sends what the limits leave of it, and returns what is seen after it.
  public func step(_ action: [Float]) throws -> Transition {
    if let due = lock.withLock({ state.isHolding ? nil : state.due }) { clock.sleep(until: due) }
    return try lock.withLock {
      if let failure = state.failure { throw failure }
      do { return try send(action) } catch {
        state.due = nil
        throw error
      }
    }
  }

  /// The action as it would be sent now.
  func allowed(_ action: [Float]) -> [Float] {
    lock.withLock { limits?.clipped(action, from: state.reference, period: period) ?? action }
  }

  public func hold() throws {
    try lock.withLock {
      state.due = nil
      state.holds()
      try (environment as? any RealTimeEnvironment)?.hold()
    }
  }

  /// Asks the environment something else while nobody else does.
  func exclusively<Result>(_ body: () throws -> Result) rethrows -> Result { try lock.withLock(body) }

  private func send(_ action: [Float]) throws -> Transition {
    let allowed = limits?.clipped(action, from: state.reference, period: period) ?? action
    let sent = clock.now
    if let due = state.due {
      let lateness = sent - due
      if lateness > period * PacedEnvironment.tolerance {
        state.report.lateActions += 1
        state.report.worstActionLateness = max(state.report.worstActionLateness, lateness)
      }
      // The next time that leaves half a period: those before it are lost, and the ones after it stay where they are.
      state.due = due + period * max(1, (lateness / period + 0.5).rounded(.up))
    }
    if state.isHolding || state.due == nil {
      state.due = sent + period
    } else if let last = state.lastSent {
      state.intervals.count += 1
      state.intervals.seconds += sent - last
      state.report.rate = Double(state.intervals.count) / state.intervals.seconds
    }
    (state.isHolding, state.lastSent) = (false, sent)
    state.report.steps += 1
    if allowed != action { state.report.clipped += 1 }
    state.reference.sent(allowed)
    state.sent = allowed
    let transition = try environment.step(allowed)
    let lateness = clock.now - sent - period
    if lateness > 0 {
      state.report.lateAnswers += 1
      state.report.worstLateness = max(state.report.worstLateness, lateness)
    }
    state.reference.see(transition.observation)
    if transition.isLast { state.due = nil }
    return transition
  }

  /// Asks to hold when no action has come for too long. While the environment is asked something there is nothing to watch:
  /// it holds by itself when it hears nothing.
  private func watch() {
    guard lock.try() else { return }
    defer { lock.unlock() }
    guard !state.isHolding, let due = state.due, clock.now > due + holdAfter else { return }
    state.holds()
    state.report.holds += 1
    do { try (environment as? any RealTimeEnvironment)?.hold() } catch { state.failure = error }
  }
}
