/// Which rows of an episode a policy sees and predicts, relative to the present row 0.
///
/// BC-Transformer with ten frames of history and ten future actions is `observations: -9...0, actions: 0...9`;
/// Diffusion Policy with two frames and a horizon of sixteen is `observations: -1...0, actions: -1...14`.
/// Rows before the first or after the last repeat it, as robomimic pads.
public struct Window: Codable, Sendable, Hashable {
  public var observations: ClosedRange<Int>
  public var actions: ClosedRange<Int>

  public init(observations: ClosedRange<Int>, actions: ClosedRange<Int>) {
    self.observations = observations
    self.actions = actions
  }
}
