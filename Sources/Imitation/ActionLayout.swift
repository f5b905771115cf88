/// Which numbers of a recorded action a policy learns and in what form, and what the others are when it acts.
///
/// RoboCasa's fixed-base tasks move 7 of 12 numbers; the base, the torso and the mode stand still. A policy that learns the
/// 7 still acts with 12. A rotation recorded as an axis times an angle can be learned as six numbers.
public struct ActionLayout: Codable, Sendable, Equatable {
  /// The numbers learned, as places in the whole action, in the order the policy has them.
  public let learned: [Int]
  /// The whole action with the constants in place; what is learned goes over it.
  public let template: [Float]
  /// Where in the whole action three numbers are an axis times an angle, learned as the first two rows of the rotation's matrix.
  public let rotations: [Int]

  /// - Parameter rotations: places whose three numbers stand one after another in `learned`.
  public init(learned: [Int], template: [Float], rotations: [Int] = []) {
    self.learned = learned
    self.template = template
    self.rotations = rotations
    precondition(isSound)
  }

  /// Layouts written before rotations were known have none.
  public init(from decoder: any Decoder) throws {
    let keys = try decoder.container(keyedBy: CodingKeys.self)
    learned = try keys.decode([Int].self, forKey: .learned)
    template = try keys.decode([Float].self, forKey: .template)
    rotations = try keys.decodeIfPresent([Int].self, forKey: .rotations) ?? []
    guard isSound else {
      throw DecodingError.dataCorruptedError(
        forKey: .learned, in: keys, debugDescription: "does not fit \(template.count) actions")
    }
  }

  private var isSound: Bool {
    Set(learned).count == learned.count && learned.allSatisfy(template.indices.contains)
      && rotations.allSatisfy { ActionLayout.holds(rotation: $0, learned) }
  }

  /// Whether the three numbers from `place` on are learned one after another.
  package static func holds(rotation place: Int, _ learned: [Int]) -> Bool {
    guard let start = learned.firstIndex(of: place), start + 3 <= learned.count else { return false }
    return Array(learned[start..<start + 3]) == [place, place + 1, place + 2]
  }

  /// All of `width` numbers learned as they are.
  public static func whole(width: Int) -> ActionLayout {
    ActionLayout(learned: Array(0..<width), template: Array(repeating: 0, count: width))
  }

  /// Whether the policy has the whole action as it was recorded.
  public var isWhole: Bool { learned == Array(template.indices) && rotations.isEmpty }

  /// How many numbers the policy has.
  public var width: Int { learned.count + 3 * rotations.count }

  /// What is learned, in order: its place in the whole action, where the policy's numbers begin, and if it is a rotation.
  private var parts: [(column: Int, start: Int, isRotation: Bool)] {
    var (parts, place, start): ([(column: Int, start: Int, isRotation: Bool)], Int, Int) = ([], 0, 0)
    while place < learned.count {
      let isRotation = rotations.contains(learned[place])
      parts.append((learned[place], start, isRotation))
      place += isRotation ? 3 : 1
      start += isRotation ? 6 : 1
    }
    return parts
  }

  /// Where the policy has those numbers of the whole action that it learns as they are.
  var places: [Int: Int] {
    Dictionary(uniqueKeysWithValues: parts.filter { !$0.isRotation }.map { ($0.column, $0.start) })
  }

  /// The policy's places that hold rotations: their numbers are within -1...1 by themselves.
  public var rotationColumns: [Int] { parts.filter(\.isRotation).flatMap { $0.start..<$0.start + 6 } }

  /// What the policy learns of a whole action.
  public func learned(from action: [Float]) -> [Float] {
    guard !rotations.isEmpty else { return learned.map { action[$0] } }
    return parts.flatMap { column, _, isRotation in
      isRotation
        ? AxisAngle.firstTwoRows(action[column..<column + 3].map(Double.init)).map(Float.init) : [action[column]]
    }
  }

  /// The whole action around what the policy gave.
  public func whole(_ action: [Float]) -> [Float] {
    var whole = template
    for (column, start, isRotation) in parts {
      if isRotation {
        let turn = AxisAngle.from(firstTwoRows: action[start..<start + 6].map(Double.init))
        for axis in 0..<3 { whole[column + axis] = Float(turn[axis]) }
      } else {
        whole[column] = action[start]
      }
    }
    return whole
  }
}
