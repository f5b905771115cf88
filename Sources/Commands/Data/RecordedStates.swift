import Foundation
import ImitationKit

/// Demonstrations whose states a simulator is to be put into.
struct RecordedStates {
  let source: DemonstrationFile
  let demos: [String]
  let simulator: any StateRestoring
  /// What is written of the simulator.
  let arguments: String

  /// Whether the simulator that recorded the file is this one, in these versions: then a seed makes the same scene again.
  var areOfThisSimulator: Bool {
    let (recorded, present) = (source.environmentArguments, (try? PythonJSON.object(arguments)) ?? [:])
    func same<Value: Equatable>(_ key: String, _: Value.Type) -> Bool {
      recorded[key] as? Value == present[key] as? Value
    }
    return recorded["env_version"] != nil && same("env_version", String.self) && same("versions", [String: String].self)
  }

  /// Of the parts of a run: whatever decides what is in them.
  func identity(_ simulator: Choice) -> String {
    let options = ProcessOptions.local.reduce(simulator.options) { $0.without($1) }
    let files = source.filesBehind.map { FileIdentity($0)?.text ?? $0 }
    return (["observe \(areOfThisSimulator)", arguments, simulator.kind, options.json] + files).joined(separator: "\n")
  }

  /// Refuses demonstrations of another task, and those that have no states, or no scene that the simulator can make.
  /// - Parameter task: the one that was asked for by name.
  func check(naming task: String?) throws {
    let (path, spec) = (source.path, simulator.spec)
    guard simulator.canRestore || simulator.readsModels else {
      throw CommandFailure("\(spec.name) cannot be put into recorded states")
    }
    if let task, task != source.task, spec.tasks.contains(where: { $0.name == source.task }) {
      throw CommandFailure("\(path): its demonstrations are of \(source.task), not of \(task); leave out ':\(task)'")
    }
    var needsSeed = false
    for demo in demos {
      let (group, hdf5) = (source.group(demo), source.hdf5)
      let states = hdf5.exists("\(group)/states") ? try hdf5.shape("\(group)/states") : []
      guard states.count == 2, states[0] == (try source.length(demo)), states[1] > 0 else {
        throw CommandFailure("\(path): \(demo) has no 'states' with one row for each action")
      }
      let hasModel = try simulator.readsModels && hdf5.textIfPresent(of: group, "model_file")?.isEmpty == false
      let hasSeed = (try? hdf5.integer(of: group, "seed")).map { $0 >= 0 } ?? false
      guard hasModel || hasSeed else {
        let model = simulator.readsModels ? "'model_file' or " : ""
        throw CommandFailure("\(path): \(demo) has no \(model)'seed', so nothing says what its scene is")
      }
      needsSeed = needsSeed || !hasModel
    }
    if needsSeed, !areOfThisSimulator {
      tell(note: "not recorded with this \(spec.name) in these versions: a seed may make another scene here")
    }
  }
}
