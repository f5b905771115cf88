import Foundation
import Imitation
import Synchronization

/// Demonstrations of one or more files, checked whole when opened and cut into windows later.
///
/// Low-dimensional values are read at once. Images and wide vectors (depth images) are kept up to a budget, whole episodes in
/// order; those beyond it are read row by row when asked for.
package final class Demonstrations: EpisodeReader {
  package typealias Selection = EpisodeRequest.Selection

  private struct Place: Sendable {
    var file: Int
    var demo: String
  }

  package let schema: ObservationSchema
  package let actionLayout: ActionLayout
  package let episodes: [Episode]
  /// The episodes that the selections' keys hold out.
  package let heldOut: Set<Int>
  /// What the person who trains should know, a line each.
  package let notes: [String]
  /// By selection, the files that values come from besides the one selected.
  package let linkedFiles: [[String]]
  package let files: [DemonstrationFile]
  /// What each recorded number goes from and to, those that are not learned among them.
  let actionRanges: (low: [Float], high: [Float])
  let columns: ActionColumns
  private let selections: [Selection]
  private let places: [Place]
  /// Of narrow vectors.
  private let values: [[String: [Float]]]
  private let recordedActions: [[Float]]
  private let cache: Mutex<Cache>

  private struct Cache {
    var frames: [String: [UInt8]] = [:]
    var vectors: [String: [Float]] = [:]
    var room: Int
  }

  /// Vectors of up to so many values a row are kept without being asked for.
  private static let narrow = 1024

  /// - Throws: `HDF5Error` or `DemonstrationError`.
  package init(_ request: EpisodeRequest, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }) throws {
    let (selections, columns) = (request.selections, request.actions)
    var found = Findings(columns: columns)
    var files: [DemonstrationFile] = []
    var places: [Place] = []
    var heldOut: Set<Int> = []
    var notes: [String] = []
    for selection in selections {
      let file = try DemonstrationFile(path: selection.path, format: request.frames)
      if let problem = file.facts.problems.first {
        throw DemonstrationError.metadata(file: file.path, place: "data: \(problem.place)", reason: problem.reason)
      }
      if let task = selection.task, !file.mayHold(task: task) {
        throw DemonstrationError.otherTask(file: selection.path, expected: task, found: file.task)
      }
      let others = file.otherEntries
      if !others.isEmpty {
        let some = others.prefix(3).joined(separator: ", ") + (others.count > 3 ? ", ..." : "")
        notes.append("\(file.path): \(others.count) entries of data are passed over, not being named demo_N: \(some)")
      }
      let chosen = try Demonstrations.demos(of: file, key: selection.key, notes: &notes)
      var held: Set<String> = []
      if let key = selection.heldOutKey {
        held = Set(try Demonstrations.demos(of: file, key: key, notes: &notes))
        if let other = selection.key, let both = file.demos.first(where: { chosen.contains($0) && held.contains($0) }) {
          throw DemonstrationError.inBoth(file: file.path, demo: both, key: other, heldOut: key)
        }
      }
      for demo in file.demos where held.contains(demo) || chosen.contains(demo) {
        if held.contains(demo) { heldOut.insert(places.count) }
        places.append(Place(file: files.count, demo: demo))
      }
      files.append(file)
    }
    guard !places.isEmpty else { throw DemonstrationError.noEpisodes }
    try Demonstrations.refuseTwice(selections)
    if heldOut.count == places.count, let key = selections.first?.heldOutKey {
      throw DemonstrationError.allHeldOut(key: key)
    }
    var episodes: [Episode] = []
    var values: [[String: [Float]]] = []
    var actions: [[Float]] = []
    var linked = files.map { _ in Set<String>() }
    for (number, place) in places.enumerated() {
      let file = files[place.file]
      let read = try found.read(file, place.demo, request, keep: Demonstrations.narrow)
      let instruction = try file.instruction(place.demo)
      episodes.append(
        Episode(
          name: place.demo, file: file.path, task: selections[place.file].task ?? file.task, instruction: instruction,
          length: read.length))
      actions.append(read.actions)
      values.append(read.vectors)
      linked[place.file].formUnion(try file.linkedFiles(of: place.demo, request))
      progress(number + 1, places.count)
    }
    let without = episodes.count { $0.instruction.isEmpty }
    if without > 0 { notes.append("\(without) of \(episodes.count) demonstrations have no instruction") }
    schema = ObservationSchema(images: found.sizes, vectors: found.widths)
    let layout = try ActionLayout(columns, ranges: found.ranges!)
    actionLayout = layout
    actionRanges = (found.ranges!.low, found.ranges!.high)
    self.columns = columns
    self.selections = selections
    self.episodes = episodes
    self.files = files
    self.places = places
    self.values = values
    self.heldOut = heldOut
    self.notes = notes
    linkedFiles = linked.map { $0.sorted() }
    recordedActions = layout.isWhole ? actions : actions.map { Demonstrations.select(layout, from: $0) }
    let kept =
      values.reduce(0) { $0 + $1.values.reduce(0) { $0 + $1.count } } + recordedActions.reduce(0) { $0 + $1.count }
    cache = Mutex(Cache(room: request.memory - kept * MemoryLayout<Float>.size))
  }

  /// Of one file for two tasks, what one holds out the other would learn.
  private static func refuseTwice(_ selections: [Selection]) throws {
    var tasks: [String: String?] = [:]
    for selection in selections {
      let path = URL(fileURLWithPath: selection.path).resolvingSymlinksInPath().path
      if let other = tasks.updateValue(selection.task, forKey: path), let first = other, let second = selection.task {
        throw DemonstrationError.sharedFile(file: selection.path, tasks: [first, second])
      }
    }
  }

  package func fingerprints() throws -> [DatasetFingerprint] {
    let digests = DigestCache()
    return try zip(selections, linkedFiles).enumerated().map { number, selected in
      let (selection, linked) = selected
      let (bytes, sha) = try digests.digest(selection.path)
      return DatasetFingerprint(
        task: selection.task ?? files[number].task, file: (selection.path as NSString).lastPathComponent, bytes: bytes,
        sha256: sha, key: selection.key ?? "all", episodes: places.count { $0.file == number },
        linked: try linked.map { try digests.digest($0).sha256 })
    }
  }

  private static func select(_ layout: ActionLayout, from actions: [Float]) -> [Float] {
    let width = layout.template.count
    return (0..<actions.count / width).flatMap { layout.learned(from: Array(actions[$0 * width..<($0 + 1) * width])) }
  }

  private static func demos(of file: DemonstrationFile, key: String?, notes: inout [String]) throws -> Set<String> {
    guard let key else { return Set(file.demos) }
    // `mask/50` where there is no `mask/50_demos`.
    let number = key.hasSuffix("_demos") ? String(key.dropLast(6)) : key
    guard let names = try file.mask(key) ?? file.mask(number) else {
      throw DemonstrationError.unknownKey(file: file.path, key: key, available: file.maskNames)
    }
    guard !names.isEmpty else { throw DemonstrationError.emptyKey(file: file.path, key: key) }
    let known = Set(file.demos)
    if let missing = names.first(where: { !known.contains($0) }) {
      throw DemonstrationError.danglingKey(file: file.path, key: key, demo: missing)
    }
    let demos = Set(names)
    if demos.count < names.count {
      notes.append("\(file.path): filter key '\(key)' names demos more than once; each counts once")
    }
    return demos
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
    let file = files[place.file]
    let all = try cached(\.frames, "\(episode)/\(key)", bytes: episodes[episode].length * frame) {
      try file.images(key, of: place.demo)
    }
    // Without room for the episode: a window's rows lie together, its ends perhaps repeated, so one read has them all.
    let (read, start) = try all.map { ($0, 0) } ?? (try file.images(key, of: place.demo, rows: first..<last + 1), first)
    read.withUnsafeBufferPointer { read in
      for (number, row) in rows.enumerated() {
        (target.baseAddress! + number * frame).update(from: read.baseAddress! + (row - start) * frame, count: frame)
      }
    }
  }

  /// The whole array from memory, read now if there is room for it; nil without room.
  private func cached<Value>(
    _ kept: WritableKeyPath<Cache, [String: [Value]]> & Sendable, _ name: String, bytes: Int, read: () throws -> [Value]
  ) throws -> [Value]? {
    let (known, room) = cache.withLock { ($0[keyPath: kept][name], $0.room) }
    if let known { return known }
    guard room >= bytes else { return nil }
    let all = try read()
    cache.withLock { cache in
      guard cache[keyPath: kept][name] == nil, cache.room >= bytes else { return }
      cache[keyPath: kept][name] = all
      cache.room -= bytes
    }
    return all
  }

  package func vectors(_ key: String, episode: Int) throws -> [Float] {
    try vectors(key, episode: episode, rows: 0..<episodes[episode].length)
  }

  package func vectors(_ key: String, episode: Int, rows: Range<Int>) throws -> [Float] {
    let (width, length) = (schema.vectors[key]!, episodes[episode].length)
    if let narrow = values[episode][key] {
      return rows.count == length ? narrow : Array(narrow[rows.lowerBound * width..<rows.upperBound * width])
    }
    let (file, demo) = (files[places[episode].file], places[episode].demo)
    let path = file.observation(key, of: demo)
    let all = try cached(\.vectors, "\(episode)/\(key)", bytes: length * width * MemoryLayout<Float>.size) {
      try file.file(of: demo).floats(path)
    }
    return try all.map { Array($0[rows.lowerBound * width..<rows.upperBound * width]) }
      ?? file.file(of: demo).floats(path, rows: rows)
  }

  package func actions(episode: Int) throws -> [Float] { recordedActions[episode] }

  /// `[length]`: as recorded, or where nothing is, 1 for the last step and 0 before it.
  package func rewards(episode: Int) throws -> [Float] {
    let (place, length) = (places[episode], episodes[episode].length)
    let file = files[place.file]
    let path = file.array("rewards", of: place.demo)
    guard file.file(of: place.demo).exists(path) else { return (0..<length).map { $0 == length - 1 ? 1 : 0 } }
    let rewards = try file.file(of: place.demo).floats(path)
    guard rewards.count == length else {
      throw DemonstrationError.rows(
        file: file.path, demo: place.demo, key: "rewards", expected: length, found: rewards.count)
    }
    if let bad = rewards.firstIndex(where: { !$0.isFinite }) {
      throw DemonstrationError.notANumber(file: file.path, demo: place.demo, key: "rewards", row: bad, column: 0)
    }
    return rewards
  }
}
