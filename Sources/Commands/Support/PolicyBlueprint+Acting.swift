import ImitationKit

/// Actions and an environment that do not fit each other, or may not.
enum ActingError: Error, Equatable, CustomStringConvertible {
  case differs(SchemaDifference, of: Source = .policy, environment: String)
  /// A camera or a vector that the environment does not have.
  case lacks(String, of: Source = .policy, environment: String, available: [String])
  case unknown(String, of: Source = .policy, environment: String)

  /// Where actions come from.
  enum Source: Equatable {
    case policy, recording
    /// A server's policy, and its address.
    case server(String)

    fileprivate var words: String {
      switch self {
      case .policy: "the policy"
      case .recording: "the recording"
      case .server(let address): "the policy at \(address)"
      }
    }
    fileprivate var advice: String {
      self == .policy ? "state it when training (actions.schema in the recipe), or act" : "act"
    }
  }

  var description: String {
    switch self {
    case .differs(let difference, let source, let environment):
      "\(difference.what) is \(difference.first) for \(source.words) and \(difference.second) for \(environment): it must not act there"
    case .lacks(let what, let source, let environment, let available):
      "\(source.words) needs \(what), which \(environment) does not have; it has: "
        + (available.isEmpty ? "none" : available.joined(separator: ", "))
    case .unknown(let what, let source, let environment):
      "nobody knows of \(source.words)'s actions \(what), so they may mean something else to \(environment); "
        + "\(source.advice) all the same with --trust-actions"
    }
  }
}

extension ActionSchema {
  /// Holds what recorded actions mean against an environment, before anything moves.
  ///
  /// - Parameter trusting: whether what nobody knows is no hindrance; contradictions always are.
  /// - Returns: what nobody knows; nil when all is known.
  /// - Throws: `ActingError`.
  func check(
    acting spec: EnvironmentSpec, of source: ActingError.Source = .recording, trusting: Bool
  ) throws -> String? {
    if let difference = difference(from: spec.actions) {
      throw ActingError.differs(difference, of: source, environment: spec.name)
    }
    let unknown = unknown(comparedTo: spec.actions)
    if let unknown, !trusting { throw ActingError.unknown(unknown, of: source, environment: spec.name) }
    return unknown
  }
}

extension PolicyBlueprint {
  /// Holds what the policy looks at and what its numbers mean against an environment, before anything moves.
  ///
  /// - Parameter trusting: whether what nobody knows is no hindrance; contradictions always are.
  /// - Returns: what nobody knows; nil when all is known.
  /// - Throws: `ActingError`.
  func check(acting spec: EnvironmentSpec, trusting: Bool) throws -> String? {
    if let difference = difference(from: spec) { throw ActingError.differs(difference, environment: spec.name) }
    try encoder.schema.check(in: spec)
    return try wholeAction.check(acting: spec, of: .policy, trusting: trusting)
  }

  /// What an evaluation would be refused for, reported when training starts; nil when there is nothing, no such simulator in
  /// this build, or one that takes a while to start.
  func actingNote(_ recipe: Recipe, _ catalog: Catalog) -> String? {
    let kind = recipe.evaluation.simulator.kind
    guard catalog.processEnvironment(kind) == nil,
      let spec = try? catalog.makeSimulator(recipe.evaluation.simulator).spec
    else { return nil }
    if let difference = difference(from: spec) {
      return "\(difference.what) is \(difference.first) in the demonstrations and \(difference.second) for \(kind): "
        + "`imitate evaluate` will refuse to act there"
    }
    return wholeAction.unknown(comparedTo: spec.actions).map {
      "the demonstrations do not say \($0): `imitate evaluate` will need --trust-actions"
    }
  }

  private func difference(from spec: EnvironmentSpec) -> SchemaDifference? {
    wholeAction.difference(from: spec.actions) ?? (vectorSchemas ?? [:]).difference(from: spec)
  }
}

extension [String: VectorSchema] {
  /// What the numbers of vectors mean otherwise in an environment; nil when nothing does.
  func difference(from spec: EnvironmentSpec) -> SchemaDifference? {
    for (key, schema) in sorted(by: { $0.key < $1.key }) {
      guard let other = spec.recorded.observations[key] else { continue }
      if let difference = schema.difference(from: other, key: key) { return difference }
    }
    return nil
  }

  /// Units of vectors that these say and others do not: "the unit of 'dot_pos'"; nil for none.
  ///
  /// - Parameter keys: of the vectors that count.
  func unknown(to others: [String: VectorSchema], keys: [String]) -> String? {
    let silent = keys.filter { self[$0]?.unit != nil && others[$0]?.unit == nil }
    return silent.isEmpty ? nil : "the unit of " + silent.map { "'\($0)'" }.joined(separator: ", ")
  }
}

extension ObservationSchema {
  /// Whether all that the policy looks at is there, in the size that it was trained on.
  /// - Throws: `ActingError`.
  func check(in spec: EnvironmentSpec, of source: ActingError.Source = .policy) throws {
    func differs(_ what: String, _ mine: String, _ theirs: String) -> ActingError {
      .differs(SchemaDifference(what: what, first: mine, second: theirs), of: source, environment: spec.name)
    }
    for (key, size) in images.sorted(by: { $0.key < $1.key }) {
      guard let other = spec.schema.images[key] else {
        throw ActingError.lacks("camera '\(key)'", of: source, environment: spec.name, available: spec.schema.imageKeys)
      }
      guard other == size else {
        throw differs(
          "the size of camera '\(key)'", "\(size.width)x\(size.height)", "\(other.width)x\(other.height)")
      }
    }
    for (key, width) in vectors.sorted(by: { $0.key < $1.key }) {
      guard let other = spec.schema.vectors[key] else {
        throw ActingError.lacks("'\(key)'", of: source, environment: spec.name, available: spec.schema.vectorKeys)
      }
      guard other == width else { throw differs("the width of '\(key)'", "\(width)", "\(other)") }
    }
  }
}
