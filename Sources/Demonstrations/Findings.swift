import Imitation

/// Reads demos one by one and holds each against the first.
struct Findings {
  var sizes: [String: ObservationSchema.ImageSize] = [:]
  var widths: [String: Int] = [:]
  /// Of vectors: a matrix and its transpose are as wide.
  private var shapes: [String: [Int]] = [:]
  let columns: ActionColumns
  /// Of every action read so far.
  private(set) var ranges: ActionRanges?
  /// The width of each array of actions.
  private var actionWidths: [Int]?

  init(columns: ActionColumns) { self.columns = columns }

  mutating func read(
    _ file: DemonstrationFile, _ demo: String, _ request: EpisodeRequest, keep: Int
  ) throws -> (length: Int, actions: [Float], vectors: [String: [Float]]) {
    let check = EpisodeCheck(file: file, demo: demo)
    let (length, actions) = try readActions(check)
    for key in request.images {
      let size = try check.image(key, rows: length)
      try agree(check, key, sizes[key], size) { "\($0.width)x\($0.height)" }
      sizes[key] = size
    }
    var values: [String: [Float]] = [:]
    for key in request.vectors {
      let (width, shape, narrow) = try check.vector(key, rows: length, keep: keep)
      try agree(check, key, widths[key], width) { "\($0) wide" }
      try agree(check, key, shapes[key], shape) { "\($0.map(String.init).joined(separator: "x")) a row" }
      shapes[key] = shape
      widths[key] = width
      values[key] = narrow
    }
    return (length, actions, values)
  }

  private func agree<Size: Equatable>(
    _ check: EpisodeCheck, _ key: String, _ known: Size?, _ found: Size, _ text: (Size) -> String
  ) throws {
    guard let known, known != found else { return }
    throw check.refusal(key, "is \(text(found)), in the other demos \(text(known))")
  }

  /// The arrays of actions side by side, as many rows as the first has.
  private mutating func readActions(_ check: EpisodeCheck) throws -> (length: Int, values: [Float]) {
    var parts: [[Float]] = []
    var widths: [Int] = []
    var length: Int?
    for (place, key) in columns.arrays.enumerated() {
      let (rows, width) = try check.actionShape(key)
      try agree(check, key, actionWidths?[place], width) { "\($0) wide" }
      if let length, length != rows {
        throw DemonstrationError.rows(file: check.file.path, demo: check.demo, key: key, expected: length, found: rows)
      }
      length = rows
      widths.append(width)
      parts.append(try check.actions(key, width: width))
    }
    actionWidths = widths
    let values =
      parts.count == 1
      ? parts[0]
      : (0..<length!).flatMap { row in
        zip(parts, widths).flatMap { part, width in part[row * width..<(row + 1) * width] }
      }
    if ranges == nil { ranges = ActionRanges(width: widths.reduce(0, +)) }
    ranges!.include(values)
    return (length!, values)
  }
}
