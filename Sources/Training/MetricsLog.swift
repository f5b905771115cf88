import Foundation

/// `metrics.jsonl` and the TensorBoard events beside it, one row a line, complete lines only.
package final class MetricsLog {
  private let handle: FileHandle
  private let events: EventFile
  /// Rows that survived from before, oldest first.
  package private(set) var rows: [TrainingMetrics]

  /// Opens the log of a run that continues after `step`: rows past it are dropped, since they will be written again, and a
  /// half-written last line with them. The event file is rewritten from the rows that stay.
  package init(folder: String, after step: Int) throws {
    let path = folder + "/metrics.jsonl"
    rows = MetricsLog.read(folder: folder).filter { $0.step <= step }
    let temporary = path + ".partial"
    let text = try rows.reduce(into: Data()) { $0.append(try MetricsLog.line($1)) }
    try text.write(to: URL(fileURLWithPath: temporary))
    guard rename(temporary, path) == 0, let handle = FileHandle(forWritingAtPath: path) else {
      throw CocoaError(.fileWriteUnknown, userInfo: [NSFilePathErrorKey: path])
    }
    try handle.seekToEnd()
    self.handle = handle
    for name in try FileManager.default.contentsOfDirectory(atPath: folder) where name.hasPrefix("events.out.tfevents")
    {
      try FileManager.default.removeItem(atPath: folder + "/" + name)
    }
    let now = Date().timeIntervalSince1970
    events = try EventFile(path: "\(folder)/events.out.tfevents.\(Int(now)).imitationkit", wallTime: now)
    for row in rows { try events.add(MetricsLog.scalars(row), step: row.step, wallTime: now) }
  }

  deinit { try? handle.close() }

  package func append(_ row: TrainingMetrics) throws {
    rows.append(row)
    try handle.write(contentsOf: MetricsLog.line(row))
    try events.add(MetricsLog.scalars(row), step: row.step, wallTime: Date().timeIntervalSince1970)
  }

  /// The rows of a run's log; a damaged line is left out.
  package static func read(folder: String) -> [TrainingMetrics] {
    let text = (try? String(contentsOfFile: folder + "/metrics.jsonl", encoding: .utf8)) ?? ""
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return text.split(separator: "\n").compactMap { try? decoder.decode(TrainingMetrics.self, from: Data($0.utf8)) }
  }

  private static func line(_ row: TrainingMetrics) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    // A part may well be infinite or no number while the loss is one.
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return try encoder.encode(row) + Data("\n".utf8)
  }

  private static func scalars(_ row: TrainingMetrics) -> [String: Double] {
    var scalars: [String: Double] = [:]
    // What has a name of its own below keeps it.
    for (name, value) in row.parts ?? [:] { scalars["train/\(name)"] = value }
    for (name, value) in row.validationParts ?? [:] { scalars["validation/\(name)"] = value }
    func set(_ tag: String, _ value: Double?) { if let value { scalars[tag] = value } }
    set("train/loss", row.loss)
    set("train/gradient_norm", row.gradientNorm)
    set("train/learning_rate", row.learningRate)
    set("train/samples_per_second", row.samplesPerSecond)
    set("train/waiting", row.waiting)
    for (kind, bytes) in row.memoryBytes ?? [:] { scalars["memory/\(kind)_megabytes"] = Double(bytes) / 1e6 }
    set("validation/loss", row.validationLoss)
    set("validation/averaged_loss", row.averagedValidationLoss)
    return scalars
  }
}
