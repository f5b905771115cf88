/// Which rows of an episode a policy sees and predicts, relative to the present row 0.
///
/// BC-Transformer with ten frames of history and ten future actions is `observations: -9...0, actions: 0...9`;
/// Diffusion Policy with two frames and a horizon of sixteen is `observations: -1...0, actions: -1...14`.
/// Rows before the first or after the last repeat it, as robomimic pads.
public struct Window: Codable, Sendable, Hashable {
  /// Rows, counted from the present one.
  public var observations, actions: ClosedRange<Int>

  /// Counts rows from the present one, which is 0.
  public init(observations: ClosedRange<Int>, actions: ClosedRange<Int>) {
    self.observations = observations
    self.actions = actions
  }
}
