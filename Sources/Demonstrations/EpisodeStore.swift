import CHDF5
import Foundation
import Imitation
import Layers
import Tensors

/// Episodes being recorded: each in a small file of its own, written whole or not at all, put together at the end.
///
/// A recording that is killed loses at most the episodes that were in the making, and one that goes on ends in the same
/// bytes as one that was never stopped.
package struct EpisodeStore: Sendable {
  package let folder: String
  /// The attribute of `data` that says how many steps follow the one that solved the task.
  package static let afterSuccess = "after_success"
  /// The attribute of `data` that says by which seed, a recipe's, the scenes of a recording were chosen.
  package static let seed = "recording_seed"

  /// - Parameters:
  ///   - folder: where the parts are kept until `assemble`.
  ///   - identity: what they are made from and how: parts of something else are never mixed in.
  ///   - earlier: how versions before called the same: such parts are gone on with.
  ///   - replacing: remove parts of something else.
  /// - Throws: `EpisodeStoreError.otherParts`, unless they are replaced.
  package init(folder: String, identity: String, earlier: String? = nil, replacing: Bool = false) throws {
    self.folder = folder
    let path = folder + "/identity"
    let isKnown = FileManager.default.fileExists(atPath: path)
    let found = isKnown ? FileManager.default.contents(atPath: path) : nil
    if found == Data(identity.utf8) { return }
    if let found, let earlier, found == Data(earlier.utf8) {
      try AtomicFile.write(Data(identity.utf8), to: path)
      return
    }
    guard !isKnown || replacing else { throw EpisodeStoreError.otherParts(folder: folder) }
    // Parts without an identity are what is left of a folder that was being removed: nobody knows whose they are. Anything
    // else of that name is somebody's own.
    var facts = stat()
    if lstat(folder, &facts) == 0 {
      guard facts.st_mode & S_IFMT == S_IFDIR,
        try FileManager.default.contentsOfDirectory(atPath: folder).allSatisfy(EpisodeStore.isOurs)
      else { throw EpisodeStoreError.notOurs(folder: folder) }
      try FileManager.default.removeItem(atPath: folder)
    }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try AtomicFile.write(Data(identity.utf8), to: path)
  }

  /// Whether a store has files of such a name.
  private static func isOurs(_ name: String) -> Bool {
    name == "identity" || name == "whole.hdf5" || name.hasSuffix(".failed") || name.hasSuffix(".partial")
      || name.hasSuffix(".hdf5") && (name.hasPrefix("episode-") || name.hasPrefix("demo_"))
  }

  /// A store that someone else has opened: for workers.
  package init(opened folder: String) {
    self.folder = folder
  }

  package func path(_ index: Int) -> String { "\(folder)/episode-\(index).hdf5" }

  /// Which of `0..<count` are not there yet.
  package func missing(of count: Int) -> [Int] {
    (0..<count).filter { !FileManager.default.fileExists(atPath: path($0)) }
  }

  /// Attempts that did not succeed and need not be made again.
  package var failedAttempts: [Int] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
      .filter { $0.hasSuffix(".failed") }.compactMap { Int($0.dropLast(7)) }.sorted()
  }

  /// - Parameter reason: "" when it just did not solve the task.
  package func markFailed(_ attempt: Int, reason: String = "") throws {
    try AtomicFile.write(Data(reason.utf8), to: "\(folder)/\(attempt).failed")
  }

  package func write(_ episode: RecordedEpisode, at index: Int) throws {
    try HDF5File.atomically(path(index)) { try $0.write(episode, as: "episode") }
  }

  /// Writes an episode of another file with new observations.
  ///
  /// - Parameter draw: what is seen in each of its states, given the seed of its scene, where that is recorded, and what else is.
  /// - Returns: its steps.
  package func redraw(
    _ name: String, of source: DemonstrationFile, at index: Int,
    _ draw: (_ seed: UInt64?, _ description: EpisodeDescription, _ states: [[Double]]) throws -> [Observation]
  ) throws -> Int {
    let (file, demo, states) = (source.hdf5, source.group(name), try source.states(name))
    func text(_ name: String) throws -> String { try file.textIfPresent(of: demo, name) ?? "" }
    let seen = try draw(
      (try? file.integer(of: demo, "seed")).flatMap { UInt64(exactly: $0) },
      EpisodeDescription(metadata: text("ep_meta"), model: text("model_file")), states)
    var episode = RecordedEpisode(actionWidth: 0, description: EpisodeDescription(metadata: "", model: ""))
    for observation in seen { episode.append(observation, action: [], state: [], success: false) }
    try HDF5File.atomically(path(index), room: file.storedBytes(demo)) { new in
      try new.createGroup("episode", like: file, demo)
      // What was seen after each step would be of the old observations.
      for part in try file.children(demo) where part != "obs" && part != "next_obs" {
        try new.copyTree("\(demo)/\(part)", from: file, as: "episode/\(part)")
      }
      try new.setInteger(states.count, of: "episode", "num_samples")
      try new.writeObservations(of: episode, "episode")
    }
    return states.count
  }

  /// Puts parts together in the place of another file's demonstrations, and removes the store. All else of that file is copied:
  /// names, attributes, filter keys.
  ///
  /// - Parameters:
  ///   - indices: the parts of the demonstrations, by name; others of the file are left out.
  ///   - observations: what the new numbers mean.
  package func assemble(
    _ indices: [String: Int], like source: DemonstrationFile, to path: String, environmentArguments: String,
    observations: [String: VectorSchema]
  ) throws {
    let old = source.hdf5
    let room = indices.values.reduce(0) { $0 + HDF5File.size(self.path($1)) }
    let places = Set(source.demos.map { "data/\($0)" })
    let masks = Set(indices.count == source.demos.count ? [] : source.maskNames.map { "mask/\($0)" })
    try HDF5File.atomically(path, room: room) { file in
      try file.createGroup("/", like: old, "/")
      for name in try old.children("/") {
        try file.copyTree(name, from: old, as: name) { places.contains($0) || masks.contains($0) }
      }
      var total = 0
      for demo in source.demos {
        guard let index = indices[demo] else { continue }
        let part = try HDF5File(forReading: self.path(index))
        try file.copy("episode", from: part, as: "data/\(demo)")
        total += try part.shape("episode/actions")[0]
      }
      for mask in masks.sorted() {
        let kept = try source.mask(String(mask.dropFirst(5)))?.filter { indices[$0] != nil } ?? []
        if !kept.isEmpty { try file.write(kept, to: mask) }
      }
      try file.setInteger(total, of: "data", "total")
      try file.setText(environmentArguments, of: "data", "env_args")
      try file.write(DemonstrationSchema(observations: observations))
      // What the new `env_args` say is of who observes, not of who acted.
      if let actions = try source.derivedActionSchemas() {
        try file.setText(actions, of: "data", DemonstrationFile.actionAttribute)
      }
    }
    try? FileManager.default.removeItem(atPath: folder)
  }

  /// Puts the parts `indices` together as `demo_0`, `demo_1`, ... and removes the store.
  ///
  /// Filter keys: `N_demos` for each usual N up to the count and for the count itself (nested: the first N of one seeded
  /// shuffle), `train` and `valid` (nine to one).
  ///
  /// - Parameters:
  ///   - schema: what their numbers mean.
  ///   - seed: what the shuffle follows from; written of those that were recorded.
  ///   - origin: how they were generated, JSON; nil when they were not.
  ///   - afterSuccess: steps that were kept after the one that solved the task.
  package func assemble(
    _ indices: [Int], to path: String, environmentArguments: String, schema: DemonstrationSchema = .init(),
    seed: UInt64, origin: String? = nil, afterSuccess: Int = 0
  ) throws {
    // An assembled file is no larger than its parts, each with a header of its own.
    let room = indices.reduce(0) { $0 + HDF5File.size(self.path($1)) }
    try HDF5File.atomically(path, room: room) { file in
      try file.createGroup("data")
      var total = 0
      for (number, index) in indices.enumerated() {
        let part = try HDF5File(forReading: self.path(index))
        try file.copy("episode", from: part, as: "data/demo_\(number)")
        total += try part.integer(of: "episode", "num_samples")
      }
      try file.setInteger(total, of: "data", "total")
      try file.setText(environmentArguments, of: "data", "env_args")
      try file.write(schema)
      if let origin {
        try file.setText(origin, of: "data", "generation")
      } else {
        try file.setInteger(Int(truncatingIfNeeded: seed), of: "data", EpisodeStore.seed)
      }
      if afterSuccess > 0 { try file.setInteger(afterSuccess, of: "data", EpisodeStore.afterSuccess) }
      try file.createGroup("mask")
      var random = Random(seed: seed).split("filter keys")
      let order = random.permutation(indices.count)
      func write(_ key: String, _ chosen: some Sequence<Int>) throws {
        try file.write(chosen.map { "demo_\($0)" }.sorted(), to: "mask/\(key)")
      }
      let usual = [10, 20, 30, 40, 50, 75, 100, 150, 200, 300, 500, 1000, 2000, 3000]
      for count in Set(usual.filter { $0 < indices.count } + [indices.count]).sorted() {
        try write("\(count)_demos", order.prefix(count))
      }
      let held = max(1, indices.count / 10)
      if indices.count > 1 {
        try write("train", order.dropLast(held))
        try write("valid", order.suffix(held))
      }
    }
    // A worker of a killed recording may be writing here still; what it leaves does no harm.
    try? FileManager.default.removeItem(atPath: folder)
  }
}

/// Parts of another recording, or of another generation.
package enum EpisodeStoreError: Error, Equatable, CustomStringConvertible {
  case otherParts(folder: String)
  case notOurs(folder: String)

  package var description: String {
    switch self {
    case .notOurs(let folder):
      "\(folder): is in the way, and holds other things than unfinished work; move it, or name another output"
    case .otherParts(let folder):
      "\(folder): holds unfinished work of other settings; go on with those, or start over with --replace"
    }
  }
}

extension HDF5File {
  /// Of a file, in bytes; 0 when it is not there.
  static func size(_ path: String) -> Int {
    (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
  }

  /// Creates a file under a temporary name, syncs it, and renames it when `body` has filled it.
  /// - Parameter room: how many bytes copies from other files will need, as far as that is known: a disk too full for them
  ///   is reported before anything is copied.
  /// - Throws: `WriteError`, or what `body` throws; then nothing is left behind.
  package static func atomically(_ path: String, room: Int = 0, _ body: (HDF5File) throws -> Void) throws {
    try AtomicFile.write(to: path) { descriptor in
      do {
        let file = try HDF5File(creating: AtomicFile.temporary(path))
        do {
          try reserve(room, descriptor, for: path)
          try body(file)
          try file.flush()
        } catch {
          file.abandon()
          throw error
        }
      }
      // Room that was kept and not needed is given back.
      ftruncate(descriptor, lseek(descriptor, 0, SEEK_END))
    }
  }

  /// Has the disk keep room for what will be written. The library itself crashes when a copy between files finds none.
  private static func reserve(_ bytes: Int, _ descriptor: Int32, for final: String) throws {
    guard bytes > 0 else { return }
    var limit = rlimit()
    var code: Int32 = 0
    if getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0, limit.rlim_cur < UInt64(bytes) {
      code = EFBIG
    } else if h5_reserve(descriptor, Int64(bytes)) != 0 {
      // Past the end, which stays where it is. Not every file system can; then the writing itself will tell.
      code = errno
    }
    guard [EFBIG, ENOSPC, EDQUOT].contains(code) else { return }
    let reason = "\(String(cString: strerror(code))): \((bytes + 999_999) / 1_000_000) MB are needed"
    throw WriteError.failed(path: final, reason: reason)
  }
}
