/// Which recorded numbers are the actions.
public struct ActionColumns: Sendable, Equatable {
  /// Arrays of a demo, put side by side: `["actions"]`, `["actions_abs"]`, or parts such as `action_dict/rel_pos`.
  public var arrays: [String]
  /// The columns to learn, nil for all.
  public var learned: [Int]?
  /// What the other columns are when the policy acts, in order; nil for what they are, always the same, in the demonstrations.
  public var constants: [Float]?
  /// Where three columns are an axis times an angle, to be learned as six numbers.
  public var rotations: [Int]

  /// Names the arrays and which of their columns are learned.
  public init(
    arrays: [String] = ["actions"], learned: [Int]? = nil, constants: [Float]? = nil, rotations: [Int] = []
  ) {
    self.arrays = arrays
    self.learned = learned
    self.constants = constants
    self.rotations = rotations
  }
}
