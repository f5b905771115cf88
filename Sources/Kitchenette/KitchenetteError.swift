/// What can go wrong in the embedded simulator.
package enum KitchenetteError: Error, Equatable, CustomStringConvertible {
  case unknownTask(String, known: [String])
  case notStarted
  case actionWidth(expected: Int, found: Int)
  case actionNotFinite(index: Int, name: String)
  case compilation(String)
  case rendering(String)
  case unstable(time: Double)
  case stateSize(expected: Int, found: Int)

  package var description: String {
    switch self {
    case .unknownTask(let name, let known): "kitchenette has no task '\(name)'; known: \(known.joined(separator: ", "))"
    case .notStarted: "kitchenette: step before reset; reset the environment first"
    case .actionWidth(let expected, let found): "kitchenette: an action has \(expected) numbers, this one has \(found)"
    case .actionNotFinite(let index, let name): "kitchenette: action \(index) (\(name)) is not a number"
    case .compilation(let reason): "kitchenette: MuJoCo refused the scene: \(reason)"
    case .rendering(let reason): "kitchenette: cannot draw: \(reason); is libosmesa6 installed?"
    case .unstable(let time): "kitchenette: the physics became unstable at \(time) s; reset the environment"
    case .stateSize(let expected, let found):
      "kitchenette: a state of this episode has \(expected) numbers, this one has \(found)"
    }
  }
}
