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
    guard hdf5.exists("\(group)/target_pose") else {
      throw GenerationError.noGenerationInfo(file: file.path, demo: demo)
    }
    let length = try file.length(demo)
    func poses(_ path: String) throws -> [Pose] {
      let numbers = try hdf5.doubles("\(group)/\(path)")
      guard numbers.count == 16 * length else {
        throw GenerationError.wrongRows(
          file: file.path, path: "\(group)/\(path)", rows: numbers.count / 16, actions: length)
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
        throw GenerationError.noFrame(frame, file: file.path, demo: demo)
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
        guard hdf5.exists(path) else { throw GenerationError.noSignal(signal, file: file.path, demo: demo) }
        let signals = try hdf5.doubles(path)
        guard let rise = signals.indices.first(where: { $0 >= start && signals[$0] > 0 }), rise + 1 < length else {
          throw GenerationError.noSignal(signal, file: file.path, demo: demo)
        }
        end = rise + 1
      }
      guard end > start else { throw GenerationError.emptySubtask(subtask.frame, file: file.path, demo: demo) }
      segments.append(start..<end)
      start = end
    }
    self.segments = segments
  }
}

/// Why nothing can be generated from a demonstration.
package enum GenerationError: Error, Equatable, CustomStringConvertible {
  case noGenerationInfo(file: String, demo: String)
  case noFrame(String, file: String, demo: String)
  case noSignal(String, file: String, demo: String)
  case emptySubtask(String, file: String, demo: String)
  case wrongRows(file: String, path: String, rows: Int, actions: Int)
  case notAnEnvironment(String)

  package var description: String {
    switch self {
    case .noGenerationInfo(let file, let demo):
      "\(file): '\(demo)' has no datagen_info to generate from; move the file away and record again with `imitate record`"
    case .noFrame(let frame, let file, let demo): "\(file): datagen_info of '\(demo)' has no pose of '\(frame)'"
    case .noSignal(let signal, let file, let demo):
      "\(file): the signal '\(signal)' never rises in '\(demo)': it cannot be cut into subtasks"
    case .emptySubtask(let frame, let file, let demo): "\(file): the subtask at '\(frame)' of '\(demo)' has no rows"
    case .wrongRows(let file, let path, let rows, let actions):
      "\(file): \(path) has \(rows) rows, the actions have \(actions)"
    case .notAnEnvironment(let kind): "the simulator '\(kind)' does not tell what generating demonstrations needs"
    }
  }
}
