import Foundation
import Imitation

/// Demonstrations of one task, open to read: a file in RoboCasa's (robomimic's) layout, or episodes in ACT's, a file each.
package struct DemonstrationFile: Sendable {
  package enum Layout: String, Sendable {
    /// `/data/demo_N` with `actions` and `obs`.
    case robomimic
    /// `/action` and `/observations` of one episode, as ACT and ALOHA record.
    case act
  }

  package let path: String
  package let layout: Layout
  /// The file; of several episodes in ACT's layout the first.
  package let hdf5: HDF5File
  /// `demo_N` in the order of N, gaps and 1-based names as they are; of ACT's episodes the files' names.
  package let demos: [String]
  package let format: FrameFormat
  /// What the file says of its task, and what of that cannot be read.
  let facts: TaskFacts
  /// ACT's episodes by name.
  private let episodes: [String: HDF5File]

  /// - Parameter path: an HDF5 file, or a folder of episodes in ACT's layout.
  /// - Throws: `HDF5Error`.
  package init(path: String, format: FrameFormat = FrameFormat()) throws {
    self.path = path
    self.format = format
    var files: [(name: String, file: HDF5File)] = []
    if let names = try HDF5File.names(in: path) {
      files = try DemonstrationFile.episodes(names, in: path)
      hdf5 = files[0].file
    } else {
      hdf5 = try HDF5File(forReading: path)
      let name = ((path as NSString).lastPathComponent as NSString).deletingPathExtension
      if DemonstrationFile.isEpisode(hdf5) { files = [(name, hdf5)] }
    }
    layout = files.isEmpty ? .robomimic : .act
    episodes = Dictionary(uniqueKeysWithValues: files.map { ($0.name, $0.file) })
    guard files.isEmpty else {
      (demos, facts) = (files.map(\.name), TaskFacts())
      return
    }
    guard hdf5.exists("data") else {
      throw HDF5Error.missing(file: path, path: "data", available: try hdf5.children("/"))
    }
    let names = try hdf5.children("data")
    demos = names.filter { DemonstrationFile.number($0) != nil }
      .sorted { DemonstrationFile.number($0)! < DemonstrationFile.number($1)! }
    guard !demos.isEmpty else {
      throw HDF5Error.missing(file: path, path: "data/demo_0", available: names)
    }
    facts = TaskFacts(hdf5)
  }

  private static func isEpisode(_ file: HDF5File) -> Bool {
    !file.exists("data") && file.kind(of: "observations") == .group && (file.exists("action") || file.exists("actions"))
  }

  private static func episodes(_ names: [String], in folder: String) throws -> [(name: String, file: HDF5File)] {
    let names = names.sorted { $0.compare($1, options: .numeric) == .orderedAscending }
    guard !names.isEmpty else {
      throw HDF5Error.notOpened(folder, reason: "it is a folder, and no episodes in ACT's layout (*.hdf5) are in it")
    }
    var limit = rlimit()
    if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur < UInt(names.count) + 256 {
      limit.rlim_cur = min(limit.rlim_max, UInt(names.count) + 256)
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
    let stems = names.map { ($0 as NSString).deletingPathExtension }
    if let twice = names.indices.first(where: { stems[..<$0].contains(stems[$0]) }) {
      throw HDF5Error.notOpened(
        folder, reason: "two of its episodes are called '\(stems[twice])', which nothing else tells apart; rename one")
    }
    return try names.map { name in
      let file = try HDF5File(forReading: "\(folder)/\(name)")
      guard isEpisode(file) else {
        throw HDF5Error.notOpened(
          folder, reason: "it is a folder, and '\(name)' is no episode in ACT's layout; name a file of it instead")
      }
      return ((name as NSString).deletingPathExtension, file)
    }
  }

  static func number(_ name: String) -> Int? {
    guard name.hasPrefix("demo_"), case let digits = name.dropFirst(5), !digits.isEmpty,
      digits.allSatisfy({ ("0"..."9").contains($0) })
    else { return nil }
    return Int(digits) ?? .max
  }

  /// All files that values come from, as far as links can be followed.
  package var filesBehind: [String] {
    [path] + episodes.values.map(\.path) + ((try? hdf5.allLinkedFiles()) ?? [])
  }

  /// The task: `env_name` of `env_args` without MimicGen's `MG_`; empty when the file does not say.
  package var task: String { facts.names.first ?? "" }

  /// Whether this may be a file of `task`: one that does not name its task is what its path says.
  package func mayHold(task: String) -> Bool { facts.names.isEmpty || facts.names.contains(task) }

  /// The rows of `data` that are no demos.
  package var otherEntries: [String] {
    guard layout == .robomimic else { return [] }
    return ((try? hdf5.children("data")) ?? []).filter { DemonstrationFile.number($0) == nil }
  }
}

// Where things are.
extension DemonstrationFile {
  /// The file that holds a demo.
  package func file(of demo: String) -> HDF5File { episodes[demo] ?? hdf5 }

  /// The group of a demo.
  package func group(_ demo: String) -> String { layout == .act ? "/" : "data/\(demo)" }

  /// The path of an array of a demo, for example `actions` or `action_dict/rel_pos`.
  package func array(_ key: String, of demo: String) -> String {
    guard layout == .act else { return "data/\(demo)/\(key)" }
    return key == "actions" && !file(of: demo).exists("actions") ? "action" : key
  }

  /// The path of an observation of a demo, groups within `obs` included: `datagen_info/eef_pose/franka`.
  package func observation(_ key: String, of demo: String) -> String {
    guard layout == .act else { return "data/\(demo)/obs/\(key)" }
    let image = "observations/images/\(key)"
    return file(of: demo).exists(image) ? image : "observations/\(key)"
  }

  /// The observation keys of a demo; groups within them are passed over.
  /// - Throws: `HDF5Error`.
  package func observationKeys(_ demo: String) throws -> [String] {
    let file = file(of: demo)
    guard layout == .act else { return try file.arrays("data/\(demo)/obs") }
    return try file.arrays("observations/images") + file.arrays("observations")
  }

  /// The files that the values of a demo come from besides its own.
  /// - Throws: `HDF5Error`.
  func linkedFiles(of demo: String, _ request: EpisodeRequest) throws -> [String] {
    let keys = request.images + request.vectors
    let arrays = request.actions.arrays.map { array($0, of: demo) }
    return try (keys.map { observation($0, of: demo) } + arrays).flatMap { try linkedFiles(of: demo, $0) }
  }

  /// The files that an array's values come from besides its own. A library that does not find one takes fill values for what
  /// is in it.
  /// - Throws: `HDF5Error` when one of them is not there.
  func linkedFiles(of demo: String, _ path: String) throws -> [String] {
    let file = file(of: demo)
    try file.withDataset(path) { try file.refuseMissingSources($0, path) }
    return try file.linkedFiles(path)
  }

  /// Rows of the actions.
  package func length(_ demo: String) throws -> Int {
    try file(of: demo).shape(array("actions", of: demo)).first ?? 0
  }

  /// Some of a demo's recorded states, a row each; none where there are none.
  /// - Throws: `HDF5Error`, or `DemonstrationError.notANumber`: a simulator would start over without a word.
  package func states(_ demo: String, rows: Range<Int>? = nil) throws -> [[Double]] {
    let (file, path) = (file(of: demo), "\(group(demo))/states")
    guard file.exists(path), case let shape = try file.shape(path), shape.count == 2, shape[1] > 0 else { return [] }
    let rows = rows.map { $0.clamped(to: 0..<shape[0]) } ?? 0..<shape[0]
    let values = try file.doubles(path, rows: rows)
    if let wrong = values.firstIndex(where: { !$0.isFinite }) {
      throw DemonstrationError.notANumber(
        file: self.path, demo: demo, key: "states", row: rows.lowerBound + wrong / shape[1],
        column: wrong % shape[1])
    }
    return stride(from: 0, to: values.count, by: shape[1]).map { Array(values[$0..<$0 + shape[1]]) }
  }

  /// How the frames of an observation are stored; nil when it is no camera.
  /// - Throws: `HDF5Error`.
  package func camera(_ key: String, of demo: String) throws -> StoredCamera? {
    try file(of: demo).camera(observation(key, of: demo), format)
  }

  /// Frames of a camera, `[rows, height, width, 3]`.
  /// - Throws: `HDF5Error`.
  package func images(_ key: String, of demo: String, rows: Range<Int>? = nil) throws -> [UInt8] {
    try file(of: demo).images(observation(key, of: demo), rows: rows, format)
  }

  /// A demo's cameras, and its rows of numbers.
  /// - Throws: `HDF5Error`.
  package func observations(of demo: String) throws -> (images: [String], vectors: [String]) {
    var (images, vectors): ([String], [String]) = ([], [])
    for key in try observationKeys(demo) {
      if try camera(key, of: demo) != nil {
        images.append(key)
      } else if try file(of: demo).shape(observation(key, of: demo)).count <= 2 {
        vectors.append(key)
      }
    }
    return (images, vectors)
  }
}

// What is said of demos.
extension DemonstrationFile {
  /// The filter keys.
  package var maskNames: [String] { layout == .act ? [] : (try? hdf5.children("mask")) ?? [] }

  /// The demos that filter key `key` names, in the order of their numbers, as often as it names them; nil when there is no
  /// such key.
  /// - Throws: `HDF5Error`.
  package func mask(_ key: String) throws -> [String]? {
    guard layout == .robomimic, hdf5.exists("mask/\(key)") else { return nil }
    guard try hdf5.valueKind("mask/\(key)") == .text else {
      throw HDF5Error.wrongType(file: path, path: "mask/\(key)", wanted: "names of demos")
    }
    return try hdf5.strings("mask/\(key)").filter { !$0.isEmpty }.sorted {
      (DemonstrationFile.number($0) ?? .max, $0) < (DemonstrationFile.number($1) ?? .max, $1)
    }
  }

  /// `env_args`, as far as it can be read.
  package var environmentArguments: [String: Any] {
    ((try? hdf5.textIfPresent(of: "data", "env_args")) ?? nil).flatMap { try? PythonJSON.object($0) } ?? [:]
  }

  /// `ep_meta` of a demo, empty when there is none; the instruction may come from LIBERO's `problem_info`.
  /// - Throws: `DemonstrationError.metadata`, or `HDF5Error`.
  package func metadata(_ demo: String) throws -> EpisodeMetadata {
    var metadata = EpisodeMetadata()
    if let text = try file(of: demo).textIfPresent(of: group(demo), "ep_meta") {
      do {
        metadata = try EpisodeMetadata(text)
      } catch {
        throw DemonstrationError.metadata(file: path, place: "\(demo): ep_meta", reason: error.description)
      }
    }
    metadata.instruction = metadata.instruction ?? facts.instruction
    return metadata
  }

  /// Empty when there is none.
  /// - Throws: as `metadata`.
  package func instruction(_ demo: String) throws -> String { try metadata(demo).instruction ?? "" }
}
