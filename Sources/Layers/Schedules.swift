import Foundation

/// A learning rate as a pure function of the step, counted from 0.
public enum LearningRateSchedule: Sendable, Equatable {
  /// Linear warm-up, then constant.
  case constant(warmup: Int)
  /// Linear warm-up, then half a cosine down to 0 at step `total`.
  case cosine(warmup: Int, total: Int)

  /// The factor on the learning rate: in a warm-up of W steps, step `s` has `s / W` (Diffusion Policy, RoboCasa's robomimic).
  public func factor(at step: Int) -> Double {
    switch self {
    case .constant(let warmup):
      return step < warmup ? Double(step) / Double(warmup) : 1
    case .cosine(let warmup, let total):
      if step < warmup { return Double(step) / Double(warmup) }
      let share = Double(step - warmup) / Double(max(1, total - warmup))
      return max(0, 0.5 * (1 + cos(.pi * share)))
    }
  }
}
