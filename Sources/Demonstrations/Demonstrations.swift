import Foundation
import Imitation
import Synchronization
import Tensors

/// What is wrong with a set of demonstrations.
package enum DemonstrationError: Error, Equatable, CustomStringConvertible {
  case unknownKey(file: String, key: String, available: [String])
  case emptyKey(file: String, key: String)
  case danglingKey(file: String, key: String, demo: String)
  case otherTask(file: String, expected: String, found: String)
  case missingObservation(file: String, demo: String, key: String, available: [String])
  case notAnImage(file: String, demo: String, key: String, shape: [Int])
  case notAVector(file: String, demo: String, key: String, shape: [Int])
  case differs(file: String, demo: String, key: String, expected: String, found: String)
  case rows(file: String, demo: String, key: String, expected: Int, found: Int)
  case notANumber(file: String, demo: String, key: String, row: Int)
  case noSuchColumn(Int, width: Int)
  case constants(given: Int, leftOut: [Int])
  case columnMoves(Int, low: Float, high: Float)
  case noRotation(Int)
  case noEpisodes

  package var description: String {
    switch self {
    case .unknownKey(let file, let key, let available):
      "\(file): no filter key '\(key)'; there are: \(available.isEmpty ? "none" : available.joined(separator: ", "))"
    case .emptyKey(let file, let key): "\(file): filter key '\(key)' names no demos"
    case .danglingKey(let file, let key, let demo): "\(file): filter key '\(key)' names '\(demo)', which is not there"
    case .otherTask(let file, let expected, let found):
      "\(file): holds demonstrations of '\(found)', not of '\(expected)'"
    case .missingObservation(let file, let demo, let key, let available):
      "\(file): \(demo) has no observation '\(key)'; it has: \(available.joined(separator: ", "))"
    case .notAnImage(let file, let demo, let key, let shape):
      "\(file): \(demo): '\(key)' has shape \(shape), not [rows, height, width, 3]"
    case .notAVector(let file, let demo, let key, let shape):
      "\(file): \(demo): '\(key)' has shape \(shape), not [rows, width]"
    case .differs(let file, let demo, let key, let expected, let found):
      "\(file): \(demo): '\(key)' is \(found), in the other demos \(expected)"
    case .rows(let file, let demo, let key, let expected, let found):
      "\(file): \(demo): '\(key)' has \(found) rows, the actions have \(expected)"
    case .notANumber(let file, let demo, let key, let row):
      "\(file): \(demo): '\(key)' is not a number in row \(row); leave this demo out of the filter key"
    case .noSuchColumn(let column, let width):
      "the recipe learns action \(column); the recorded ones are 0 to \(width - 1)"
    case .constants(let given, let leftOut):
      "the recipe gives \(given) constants for \(leftOut.count) actions left out: "
        + leftOut.map(String.init).joined(separator: ", ")
    case .columnMoves(let column, let low, let high):
      "action \(column) is left out but moves from \(low) to \(high) in the demonstrations; learn it, or give actions.constants"
    case .noRotation(let column):
      "actions \(column) to \(column + 2) are to be learned as a rotation, so actions.learned must name them in a row"
    case .noEpisodes: "no demonstrations were chosen"
    }
  }
}

/// Demonstrations of one or more files, checked whole when opened and cut into windows later.
///
/// Low-dimensional values are read at once. Images are kept as bytes up to a budget, whole episodes in order; those beyond
/// it are read row by row when asked for.
package final class Demonstrations: DemonstrationSource {
  /// One file and which of its demos to take.
  package struct Selection: Sendable {
    package var path: String
    /// The task it must hold, or nil for whatever it does.
    package var task: String?
    /// The filter key, or nil for every demo.
    package var key: String?

    package init(path: String, task: String? = nil, key: String? = nil) {
      self.path = path
      self.task = task
      self.key = key
    }
  }

  package var actionWidth: Int { actionLayout.width }

  private struct Place: Sendable {
    var file: Int
    var demo: String
  }

  package let schema: ObservationSchema
  package let actionLayout: ActionLayout
  package let episodes: [Episode]
  private let files: [DemonstrationFile]
  private let places: [Place]
  private let values: [[String: [Float]]]
  private let recordedActions: [[Float]]
  private let cache: Mutex<(frames: [String: [UInt8]], room: Int)>

  /// - Parameters:
  ///   - memory: how many bytes of images to keep.
  /// - Throws: `HDF5Error` or `DemonstrationError`.
  package init(
    _ selections: [Selection], images: [String], vectors: [String], actions columns: ActionColumns = .init(),
    memory: Int,
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws {
    var found = Findings(columns: columns)
    var files: [DemonstrationFile] = []
    var places: [Place] = []
    for selection in selections {
      let file = try DemonstrationFile(path: selection.path)
      if let task = selection.task, file.task != task {
        throw DemonstrationError.otherTask(file: selection.path, expected: task, found: file.task)
      }
      places += try Demonstrations.demos(of: file, key: selection.key).map { Place(file: files.count, demo: $0) }
      files.append(file)
    }
    guard !places.isEmpty else { throw DemonstrationError.noEpisodes }
    var episodes: [Episode] = []
    var values: [[String: [Float]]] = []
    var actions: [[Float]] = []
    for (number, place) in places.enumerated() {
      let file = files[place.file]
      let read = try found.read(file, place.demo, images: images, vectors: vectors)
      episodes.append(
        Episode(
          name: place.demo, file: file.path, task: file.task, instruction: file.instruction(place.demo),
          length: read.length))
      actions.append(read.actions)
      values.append(read.vectors)
      progress(number + 1, places.count)
    }
    schema = ObservationSchema(images: found.sizes, vectors: found.widths)
    let layout = try ActionLayout(columns, ranges: found.ranges!)
    actionLayout = layout
    self.episodes = episodes
    self.files = files
    self.places = places
    self.values = values
    recordedActions = layout.isWhole ? actions : actions.map { Demonstrations.select(layout, from: $0) }
    cache = Mutex(([:], memory))
  }

  private static func select(_ layout: ActionLayout, from actions: [Float]) -> [Float] {
    let width = layout.template.count
    return (0..<actions.count / width).flatMap { layout.learned(from: Array(actions[$0 * width..<($0 + 1) * width])) }
  }

  private static func demos(of file: DemonstrationFile, key: String?) throws -> [String] {
    guard let key else { return file.demos }
    guard let names = try file.mask(key) else {
      throw DemonstrationError.unknownKey(file: file.path, key: key, available: file.maskNames)
    }
    guard !names.isEmpty else { throw DemonstrationError.emptyKey(file: file.path, key: key) }
    let known = Set(file.demos)
    if let missing = names.first(where: { !known.contains($0) }) {
      throw DemonstrationError.danglingKey(file: file.path, key: key, demo: missing)
    }
    return names
  }

  package func images(_ key: String, episode: Int, rows: [Int]) throws -> [UInt8] {
    let size = schema.images[key]!
    let count = rows.count * size.height * size.width * 3
    return try [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
      try copyImages(key, episode: episode, rows: rows, to: .init(rebasing: buffer[..<count]))
      written = count
    }
  }

  package func copyImages(
    _ key: String, episode: Int, rows: [Int], to target: UnsafeMutableBufferPointer<UInt8>
  ) throws {
    guard let first = rows.min(), let last = rows.max() else { return }
    let size = schema.images[key]!
    let frame = size.height * size.width * 3
    let place = places[episode]
    let file = files[place.file].hdf5
    let path = "data/\(place.demo)/obs/\(key)"
    let all = try cached("\(episode)/\(key)", bytes: episodes[episode].length * frame) { try file.pictures(path) }
    // Without room for the episode: a window's rows lie together, its ends perhaps repeated, so one read has them all.
    let (read, start) = try all.map { ($0, 0) } ?? (try file.pictures(path, rows: first..<last + 1), first)
    read.withUnsafeBufferPointer { read in
      for (number, row) in rows.enumerated() {
        (target.baseAddress! + number * frame).update(from: read.baseAddress! + (row - start) * frame, count: frame)
      }
    }
  }

  /// The whole array from memory, read now if there is room for it; nil without room.
  private func cached(_ name: String, bytes: Int, read: () throws -> [UInt8]) throws -> [UInt8]? {
    let (known, room) = cache.withLock { ($0.frames[name], $0.room) }
    if let known { return known }
    guard room >= bytes else { return nil }
    let all = try read()
    cache.withLock { cache in
      guard cache.frames[name] == nil, cache.room >= bytes else { return }
      cache.frames[name] = all
      cache.room -= bytes
    }
    return all
  }

  package func vectors(_ key: String, episode: Int) throws -> [Float] { values[episode][key]! }

  package func actions(episode: Int) throws -> [Float] { recordedActions[episode] }

  /// `[length]`: as recorded, or where nothing is, 1 for the last step and 0 before it.
  package func rewards(episode: Int) throws -> [Float] {
    let (place, length) = (places[episode], episodes[episode].length)
    let (file, path) = (files[place.file], "data/\(place.demo)/rewards")
    guard file.hdf5.exists(path) else { return (0..<length).map { $0 == length - 1 ? 1 : 0 } }
    let rewards = try file.hdf5.floats(path)
    guard rewards.count == length else {
      throw DemonstrationError.rows(
        file: file.path, demo: place.demo, key: "rewards", expected: length, found: rewards.count)
    }
    return rewards
  }
}

/// Reads demos one by one and holds each against the first.
private struct Findings {
  var sizes: [String: ObservationSchema.ImageSize] = [:]
  var widths: [String: Int] = [:]
  let columns: ActionColumns
  /// Of every action read so far.
  private(set) var ranges: ActionRanges?
  /// The width of each array of actions.
  private var actionWidths: [Int]?

  init(columns: ActionColumns) { self.columns = columns }

  mutating func read(
    _ file: DemonstrationFile, _ demo: String, images: [String], vectors: [String]
  ) throws -> (length: Int, actions: [Float], vectors: [String: [Float]]) {
    let available = file.observationKeys(demo)
    let (length, actions) = try readActions(file, demo)
    func shapeOf(_ key: String) throws -> [Int] {
      guard available.contains(key) else {
        throw DemonstrationError.missingObservation(file: file.path, demo: demo, key: key, available: available)
      }
      let found = try file.hdf5.shape("data/\(demo)/obs/\(key)")
      guard found.first == length else {
        throw DemonstrationError.rows(file: file.path, demo: demo, key: key, expected: length, found: found.first ?? 0)
      }
      return found
    }
    for key in images {
      let found = try shapeOf(key)
      guard let frame = try file.hdf5.frameShape("data/\(demo)/obs/\(key)") else {
        throw DemonstrationError.notAnImage(file: file.path, demo: demo, key: key, shape: found)
      }
      let size = ObservationSchema.ImageSize(height: frame.height, width: frame.width)
      if let known = sizes[key], known != size {
        throw DemonstrationError.differs(
          file: file.path, demo: demo, key: key, expected: "\(known.width)x\(known.height)",
          found: "\(size.width)x\(size.height)")
      }
      sizes[key] = size
    }
    var values: [String: [Float]] = [:]
    for key in vectors {
      let found = try shapeOf(key)
      let isDepth = found.count == 4 && found[3] == 1
      guard found.count <= 2 || isDepth else {
        throw DemonstrationError.notAVector(file: file.path, demo: demo, key: key, shape: found)
      }
      let width = found.dropFirst().reduce(1, *)
      if let known = widths[key], known != width {
        throw DemonstrationError.differs(
          file: file.path, demo: demo, key: key, expected: "\(known) wide", found: "\(width) wide")
      }
      widths[key] = width
      values[key] = try finite(file.hdf5.floats("data/\(demo)/obs/\(key)"), file, demo, key, width: width)
    }
    return (length, actions, values)
  }

  /// The arrays of actions side by side, as many rows as the first has.
  private mutating func readActions(
    _ file: DemonstrationFile, _ demo: String
  ) throws -> (length: Int, values: [Float]) {
    var parts: [[Float]] = []
    var widths: [Int] = []
    var length: Int?
    for (place, key) in columns.arrays.enumerated() {
      let shape = try file.hdf5.shape("data/\(demo)/\(key)")
      guard shape.count <= 2, let rows = shape.first, rows > 0, case let width = shape.count == 2 ? shape[1] : 1,
        width > 0
      else { throw DemonstrationError.notAVector(file: file.path, demo: demo, key: key, shape: shape) }
      if let known = actionWidths?[place], known != width {
        throw DemonstrationError.differs(
          file: file.path, demo: demo, key: key, expected: "\(known) wide", found: "\(width) wide")
      }
      if let length, length != rows {
        throw DemonstrationError.rows(file: file.path, demo: demo, key: key, expected: length, found: rows)
      }
      length = rows
      widths.append(width)
      parts.append(try finite(file.hdf5.floats("data/\(demo)/\(key)"), file, demo, key, width: width))
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

  private func finite(
    _ values: [Float], _ file: DemonstrationFile, _ demo: String, _ key: String, width: Int
  ) throws -> [Float] {
    if let bad = values.firstIndex(where: { !$0.isFinite }) {
      throw DemonstrationError.notANumber(file: file.path, demo: demo, key: key, row: bad / max(width, 1))
    }
    return values
  }
}
