import Imitation

/// Reads demos one by one and holds each against the first.
struct Findings {
  var sizes: [String: ObservationSchema.ImageSize] = [:]
  var widths: [String: Int] = [:]
  let columns: ActionColumns
  /// Of every action read so far.
  private(set) var ranges: ActionRanges?
  /// The width of each array of actions.
  private var actionWidths: [Int]?

  init(columns: ActionColumns) { self.columns = columns }

  mutating func read(
    _ file: DemonstrationFile, _ demo: String, images: [String], vectors: [String], keep: Int
  ) throws -> (length: Int, actions: [Float], vectors: [String: [Float]]) {
    let check = EpisodeCheck(file: file, demo: demo)
    let (length, actions) = try readActions(check)
    for key in images {
      let size = try check.image(key, rows: length)
      if let known = sizes[key], known != size {
        throw DemonstrationError.differs(
          file: file.path, demo: demo, key: key, expected: "\(known.width)x\(known.height)",
          found: "\(size.width)x\(size.height)")
      }
      sizes[key] = size
    }
    var values: [String: [Float]] = [:]
    for key in vectors {
      let (width, narrow) = try check.vector(key, rows: length, keep: keep)
      if let known = widths[key], known != width {
        throw DemonstrationError.differs(
          file: file.path, demo: demo, key: key, expected: "\(known) wide", found: "\(width) wide")
      }
      widths[key] = width
      values[key] = narrow
    }
    return (length, actions, values)
  }

  /// The arrays of actions side by side, as many rows as the first has.
  private mutating func readActions(_ check: EpisodeCheck) throws -> (length: Int, values: [Float]) {
    var parts: [[Float]] = []
    var widths: [Int] = []
    var length: Int?
    for (place, key) in columns.arrays.enumerated() {
      let (rows, width) = try check.actionShape(key)
      if let known = actionWidths?[place], known != width {
        throw DemonstrationError.differs(
          file: check.file.path, demo: check.demo, key: key, expected: "\(known) wide", found: "\(width) wide")
      }
      if let length, length != rows {
        throw DemonstrationError.rows(
          file: check.file.path, demo: check.demo, key: key, expected: length, found: rows)
      }
      length = rows
      widths.append(width)
      parts.append(try check.actions(key, width: width))
    }
    actionWidths = widths
    let values: [Float]
    if parts.count == 1 {
      values = parts[0]
    } else {
      values = (0..<length!).flatMap { row in
        zip(parts, widths).flatMap { part, width in part[row * width..<(row + 1) * width] }
      }
    }
    if ranges == nil { ranges = ActionRanges(width: widths.reduce(0, +)) }
    ranges!.include(values)
    return (length!, values)
  }
}
