import ImitationKit

/// A policy and a simulator that do not mean the same by their numbers, or may not.
enum ActingError: Error, Equatable, CustomStringConvertible {
  case differs(SchemaDifference, simulator: String)
  case unknown(String, simulator: String)

  var description: String {
    switch self {
    case .differs(let difference, let simulator):
      "\(difference.what) is \(difference.first) for the policy and \(difference.second) for \(simulator): it must not act there"
    case .unknown(let what, let simulator):
      "nobody knows of the policy's actions \(what), so they may mean something else to \(simulator); state it when training "
        + "(actions.schema in the recipe), or act all the same with --trust-actions"
    }
  }
}

extension PolicyBlueprint {
  /// Holds what the policy's numbers mean against the simulator of a recipe, before anything moves.
  ///
  /// - Parameter trusting: whether what nobody knows is no hindrance; contradictions always are.
  /// - Returns: what nobody knows; nil when all is known.
  /// - Throws: `ActingError`, `SettingError`.
  func check(acting recipe: Recipe, trusting: Bool, catalog: Catalog) throws -> String? {
    let simulator = try SettingError.naming(recipe.path) { try catalog.makeSimulator(recipe.evaluation.simulator) }
    let name = recipe.evaluation.simulator.kind
    if let difference = difference(from: simulator) { throw ActingError.differs(difference, simulator: name) }
    let unknown = wholeAction.unknown(comparedTo: simulator.spec.actions)
    if let unknown, !trusting { throw ActingError.unknown(unknown, simulator: name) }
    return unknown
  }

  /// What an evaluation would be refused for, reported when training starts; nil when there is nothing, or no such simulator in
  /// this build.
  func actingNote(_ recipe: Recipe, _ catalog: Catalog) -> String? {
    guard let simulator = try? catalog.makeSimulator(recipe.evaluation.simulator) else { return nil }
    let name = recipe.evaluation.simulator.kind
    if let difference = difference(from: simulator) {
      return "\(difference.what) is \(difference.first) in the demonstrations and \(difference.second) for \(name): "
        + "`imitate evaluate` will refuse to act there"
    }
    return wholeAction.unknown(comparedTo: simulator.spec.actions).map {
      "the demonstrations do not say \($0): `imitate evaluate` will need --trust-actions"
    }
  }

  private func difference(from simulator: any Environment) -> SchemaDifference? {
    if let difference = wholeAction.difference(from: simulator.spec.actions) { return difference }
    let theirs = simulator.spec.recorded.observations
    for (key, schema) in (vectorSchemas ?? [:]).sorted(by: { $0.key < $1.key }) {
      if let other = theirs[key], let difference = schema.difference(from: other, key: key) { return difference }
    }
    return nil
  }
}
