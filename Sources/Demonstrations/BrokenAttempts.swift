/// Attempts that crashed while others came to their end. One that crashes among others has failed for a reason of its own;
/// when many in a row do, something is wrong with all of them, and none of those is held against its attempt.
package struct BrokenAttempts: Sendable {
  /// So many in a row stop everything.
  package let limit: Int
  private var streak: [(attempt: Int, reason: String)] = []

  package init(limit: Int) { self.limit = limit }

  /// - Returns: whether that is the last straw.
  package mutating func add(_ attempt: Int, reason: String) -> Bool {
    streak.append((attempt, reason))
    return streak.count >= limit
  }

  /// Another attempt came to its end.
  /// - Returns: those before it, which have failed by themselves.
  package mutating func settle() -> [(attempt: Int, reason: String)] {
    defer { streak = [] }
    return streak
  }
}
