/// What is wrong with a set of demonstrations.
package enum DemonstrationError: Error, Equatable, CustomStringConvertible {
  case unknownKey(file: String, key: String, available: [String])
  case emptyKey(file: String, key: String)
  case danglingKey(file: String, key: String, demo: String)
  case otherTask(file: String, expected: String, found: String)
  case otherLayout(file: String, wanted: String)
  /// An attribute that is there and cannot be read.
  case metadata(file: String, place: String, reason: String)
  case noObservations(file: String, demo: String)
  case missingObservation(file: String, demo: String, key: String, available: [String])
  case noSteps(file: String, demo: String)
  /// An array that does not hold what it is asked for.
  case unusable(file: String, demo: String, key: String, reason: String)
  case rows(file: String, demo: String, key: String, expected: Int, found: Int)
  case notANumber(file: String, demo: String, key: String, row: Int, column: Int)
  case noSuchColumn(Int, width: Int)
  case constants(given: Int, leftOut: [Int])
  case columnMoves(Int, low: Float, high: Float)
  case noRotation(Int)
  case noEpisodes
  case allHeldOut(key: String)
  /// Trained on and held out.
  case inBoth(file: String, demo: String, key: String, heldOut: String)
  /// One file that is to be the demonstrations of two tasks.
  case sharedFile(file: String, tasks: [String])

  package var description: String {
    switch self {
    case .unknownKey(let file, let key, let available):
      "\(file): no filter key '\(key)'; there are: \(available.isEmpty ? "none" : available.joined(separator: ", "))"
    case .emptyKey(let file, let key): "\(file): filter key '\(key)' names no demos"
    case .danglingKey(let file, let key, let demo): "\(file): filter key '\(key)' names '\(demo)', which is not there"
    case .otherTask(let file, let expected, let found):
      "\(file): holds demonstrations of '\(found)', not of '\(expected)'"
    case .otherLayout(let file, let wanted):
      "\(file): not in the layout of '\(wanted)'; leave 'data.reader' out to read whichever layout it has"
    case .metadata(let file, let place, let reason): "\(file): \(place) \(reason)"
    case .noObservations(let file, let demo):
      "\(file): \(demo) holds no observations, only what was done; robomimic's dataset_states_to_obs.py adds them to such a file"
    case .missingObservation(let file, let demo, let key, let available):
      "\(file): \(demo) has no observation '\(key)'; it has: \(available.joined(separator: ", "))"
    case .unusable(let file, let demo, let key, let reason): "\(file): \(demo): '\(key)' \(reason)"
    case .noSteps(let file, let demo):
      "\(file): \(demo) has no steps; leave it out of the filter key, or delete it"
    case .rows(let file, let demo, let key, let expected, let found):
      "\(file): \(demo): '\(key)' has \(found) rows, the actions have \(expected)"
    case .notANumber(let file, let demo, let key, let row, let column):
      "\(file): \(demo): '\(key)' holds NaN or infinity in row \(row), column \(column); leave this demo out of the filter key"
    case .noSuchColumn(let column, let width):
      "the recipe learns action \(column); the recorded ones are 0 to \(width - 1)"
    case .constants(let given, let leftOut):
      "the recipe gives \(given) constants for \(leftOut.count) actions left out: "
        + leftOut.map(String.init).joined(separator: ", ")
    case .columnMoves(let column, let low, let high):
      "action \(column) is left out but moves from \(low) to \(high) in the demonstrations; learn it, or give actions.constants"
    case .noRotation(let column):
      "actions \(column) to \(column + 2) are to be learned as a rotation, so actions.active_dimensions must name them in a row"
    case .noEpisodes: "no demonstrations were chosen"
    case .inBoth(let file, let demo, let key, let heldOut):
      "\(file): \(demo) is in filter key '\(key)', to be trained on, and in '\(heldOut)', to be held out; choose others"
    case .sharedFile(let file, let tasks):
      "\(file): the file of \(tasks.joined(separator: " and of ")), by the registry; each task needs a file of its own"
    case .allHeldOut(let key): "data.validation: filter key '\(key)' holds out every demonstration of the split"
    }
  }
}
