import Imitation

/// A demonstration that others are generated from, cut into its subtasks.
package struct SourceDemonstration: Sendable {
  package let name: String
  /// In the environment's own form, as they were recorded.
  package let actions: [[Float]]
  /// Where each action was to take the gripper, in the world.
  package let targets: [Pose]
  /// Where the frames of subtasks were in each row.
  package let frames: [[String: Pose]]
  /// The rows of each subtask.
  package let segments: [Range<Int>]

  /// - Throws: `GenerationError`, or `HDF5Error`.
  package init(_ file: DemonstrationFile, demo: String, subtasks: [Subtask]) throws {
    name = demo
    let group = "data/\(demo)/datagen_info"
    let hdf5 = file.hdf5
    func refusal(_ reason: String) -> GenerationError { .unusable(file: file.path, demo: demo, reason: reason) }
    guard hdf5.exists("\(group)/target_pose") else {
      throw refusal("no datagen_info to generate from; move the file away and record again with `imitate record`")
    }
    let length = try file.length(demo)
    func poses(_ path: String) throws -> [Pose] {
      let numbers = try hdf5.doubles("\(group)/\(path)")
      guard numbers.count == 16 * length else {
        throw refusal("datagen_info/\(path) has \(numbers.count / 16) rows, the actions have \(length)")
      }
      return (0..<length).map { Pose(matrix: Array(numbers[16 * $0..<16 * ($0 + 1)])) }
    }
    targets = try poses("target_pose")
    let values = try hdf5.floats("data/\(demo)/actions")
    let width = values.count / max(1, length)
    actions = (0..<length).map { Array(values[$0 * width..<($0 + 1) * width]) }
    var frames = [[String: Pose]](repeating: [:], count: length)
    for frame in Set(subtasks.map(\.frame)) {
      guard hdf5.exists("\(group)/object_poses/\(frame)") else {
        throw refusal("datagen_info has no pose of '\(frame)'")
      }
      for (row, pose) in try poses("object_poses/\(frame)").enumerated() { frames[row][frame] = pose }
    }
    self.frames = frames
    var segments: [Range<Int>] = []
    var start = 0
    for subtask in subtasks {
      var end = length
      if let signal = subtask.signal {
        let path = "\(group)/subtask_term_signals/\(signal)"
        let signals = hdf5.exists(path) ? try hdf5.doubles(path) : []
        guard let rise = signals.indices.first(where: { $0 >= start && signals[$0] > 0 }), rise + 1 < length else {
          throw refusal("the signal '\(signal)' never rises: it cannot be cut into subtasks")
        }
        end = rise + 1
      }
      guard end > start else { throw refusal("the subtask at '\(subtask.frame)' has no rows") }
      segments.append(start..<end)
      start = end
    }
    self.segments = segments
  }
}

/// Why nothing can be recorded, or generated from a demonstration.
package enum GenerationError: Error, Equatable, CustomStringConvertible {
  case unusable(file: String, demo: String, reason: String)
  case notRecordable(String)
  case notRestorable(String)
  case notGenerative(String)

  package var description: String {
    switch self {
    case .unusable(let file, let demo, let reason): "\(file): \(demo): \(reason)"
    case .notRecordable(let kind): "the simulator '\(kind)' does not tell what recording demonstrations needs"
    case .notRestorable(let kind): "the simulator '\(kind)' cannot be put into a recorded state"
    case .notGenerative(let kind): "the simulator '\(kind)' does not tell what generating demonstrations needs"
    }
  }
}

extension Environment {
  /// Itself, as one whose episodes can be recorded.
  /// - Throws: `GenerationError.notRecordable`.
  package func recording() throws -> any EpisodeRecording {
    guard let able = self as? any EpisodeRecording else { throw GenerationError.notRecordable(spec.name) }
    return able
  }

  /// Itself, as one that can be put into recorded states.
  /// - Throws: `GenerationError.notRestorable`.
  package func restoring() throws -> any StateRestoring {
    guard let able = self as? any StateRestoring else { throw GenerationError.notRestorable(spec.name) }
    return able
  }

  /// Itself, as one that demonstrations can be generated in.
  /// - Throws: `GenerationError.notGenerative`.
  package func generative() throws -> any GenerativeEnvironment {
    guard let able = self as? any GenerativeEnvironment else { throw GenerationError.notGenerative(spec.name) }
    return able
  }
}
