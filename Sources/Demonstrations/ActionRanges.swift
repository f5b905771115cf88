import Imitation

/// What the columns of some actions range over, to see which of them stand still.
struct ActionRanges {
  private(set) var low: [Float]
  private(set) var high: [Float]

  init(width: Int) {
    low = Array(repeating: .infinity, count: width)
    high = Array(repeating: -.infinity, count: width)
  }

  mutating func include(_ values: [Float]) {
    for (index, value) in values.enumerated() {
      let column = index % low.count
      low[column] = min(low[column], value)
      high[column] = max(high[column], value)
    }
  }

  /// A column counts as standing still below robomimic's threshold of normalization, 1e-4.
  func varies(_ column: Int) -> Bool { high[column] - low[column] >= 1e-4 }
}

extension ActionLayout {
  /// - Throws: `DemonstrationError` when a column is not there, or is left out although it moves.
  init(_ columns: ActionColumns, ranges: ActionRanges) throws {
    let width = ranges.low.count
    let learned = columns.learned ?? Array(0..<width)
    if let outside = learned.first(where: { !(0..<width).contains($0) }) {
      throw DemonstrationError.noSuchColumn(outside, width: width)
    }
    let others = (0..<width).filter { !learned.contains($0) }
    var template = [Float](repeating: 0, count: width)
    if let constants = columns.constants {
      guard constants.count == others.count else {
        throw DemonstrationError.constants(given: constants.count, leftOut: others)
      }
      for (column, value) in zip(others, constants) { template[column] = value }
    } else {
      for column in others {
        guard !ranges.varies(column) else {
          throw DemonstrationError.columnMoves(column, low: ranges.low[column], high: ranges.high[column])
        }
        template[column] = ranges.low[column]
      }
    }
    if let wrong = columns.rotations.first(where: { !ActionLayout.holds(rotation: $0, learned) }) {
      throw DemonstrationError.noRotation(wrong)
    }
    self.init(learned: learned, template: template, rotations: columns.rotations)
  }
}
