/// Which numbers of a recorded action a policy learns, and what the others are when it acts.
///
/// RoboCasa's fixed-base tasks move 7 of 12 numbers; the base, the torso and the mode stand still. A policy that learns the
/// 7 still acts with 12.
public struct ActionLayout: Codable, Sendable, Equatable {
  /// The numbers learned, as places in the whole action, in the order the policy has them.
  public let learned: [Int]
  /// The whole action with the constants in place; what is learned goes over it.
  public let template: [Float]

  public init(learned: [Int], template: [Float]) {
    precondition(Set(learned).count == learned.count && learned.allSatisfy(template.indices.contains))
    self.learned = learned
    self.template = template
  }

  /// All of `width` numbers learned.
  public static func whole(width: Int) -> ActionLayout {
    ActionLayout(learned: Array(0..<width), template: Array(repeating: 0, count: width))
  }

  /// The whole action around what the policy gave.
  public func whole(_ action: [Float]) -> [Float] {
    var whole = template
    for (place, value) in zip(learned, action) { whole[place] = value }
    return whole
  }
}
