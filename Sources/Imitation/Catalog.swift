import Tensors

/// The plug-ins that recipes can name. Adding one is one word: `.standard.adding(MyEncoder.self)`.
public struct Catalog: PartFactory {
  private struct EncoderEntry: Sendable {
    let make: @Sendable (Setting, String, EncoderContext, inout Random) throws -> any ObservationEncoder
  }
  private struct PolicyEntry: Sendable {
    let wantsTokens: @Sendable (Setting, String) throws -> Bool
    let make: @Sendable (Setting, String, any ObservationEncoder, Int, inout Random) throws -> any Policy
  }
  private struct LiftEntry: Sendable {
    let needsDepth: Bool
    let make: @Sendable (Setting, String, LiftContext, inout Random) throws -> any GaussianLift
  }
  private struct SimulatorEntry: Sendable {
    let tasks: [SimulatedTask]
    let check: @Sendable (Setting, String) throws -> Void
    let make: @Sendable (Setting, String, _ drawing: Bool) throws -> any Environment
  }

  private var encoders: [String: EncoderEntry] = [:]
  private var policies: [String: PolicyEntry] = [:]
  private var lifts: [String: LiftEntry] = [:]
  private var simulators: [String: SimulatorEntry] = [:]

  /// A catalog without plug-ins.
  public init() {}

  public func adding<E: ObservationEncoder>(_ type: E.Type) -> Catalog {
    var catalog = self
    catalog.encoders[type.name] = EncoderEntry { setting, path, context, random in
      try type.init(
        options: SettingDecoder().decode(E.Options.self, from: setting, path: path), context: context, random: &random)
    }
    return catalog
  }

  public func adding<P: Policy>(_ type: P.Type) -> Catalog {
    var catalog = self
    catalog.policies[type.name] = PolicyEntry(
      wantsTokens: { try type.wantsTokens(SettingDecoder().decode(P.Options.self, from: $0, path: $1)) },
      make: { setting, path, encoder, width, random in
        try type.init(
          options: SettingDecoder().decode(P.Options.self, from: setting, path: path), encoder: encoder,
          actionWidth: width, random: &random)
      })
    return catalog
  }

  public func adding<L: GaussianLift>(_ type: L.Type) -> Catalog {
    var catalog = self
    catalog.lifts[type.name] = LiftEntry(needsDepth: type.needsDepth) { setting, path, context, random in
      try type.init(
        options: SettingDecoder().decode(L.Options.self, from: setting, path: path), context: context, random: &random)
    }
    return catalog
  }

  public func adding<S: Simulator>(_ type: S.Type) -> Catalog {
    var catalog = self
    catalog.simulators[type.name] = SimulatorEntry(
      tasks: type.tasks,
      check: { setting, path in _ = try SettingDecoder().decode(S.Options.self, from: setting, path: path) },
      make: { setting, path, drawing in
        let options = try SettingDecoder().decode(S.Options.self, from: setting, path: path)
        return try type.init(options: drawing ? options : type.withoutImages(options))
      })
    return catalog
  }

  public var encoderNames: [String] { encoders.keys.sorted() }
  public var policyNames: [String] { policies.keys.sorted() }
  public var liftNames: [String] { lifts.keys.sorted() }
  public var simulatorNames: [String] { simulators.keys.sorted() }

  /// - Throws: `SettingError` when the kind is unknown or its options do not fit.
  public func makeEncoder(
    _ choice: Choice, context: EncoderContext, path: String = "encoder", random: inout Random
  ) throws -> any ObservationEncoder {
    let entry = try find(choice, in: encoders, path: path)
    var context = context
    context.parts = self
    return try placing(choice, path: path) { try entry.make(choice.options, path, context, &random) }
  }

  /// Whether a lift needs depths and calibrations wherever it is used.
  /// - Throws: `SettingError` when the kind is unknown.
  public func needsDepth(_ choice: Choice, path: String = "world.lift") throws -> Bool {
    try find(choice, in: lifts, path: path).needsDepth
  }

  /// - Throws: `SettingError` when the kind is unknown or its options do not fit.
  public func makeLift(
    _ choice: Choice, context: LiftContext, path: String = "world.lift", random: inout Random
  ) throws -> any GaussianLift {
    let entry = try find(choice, in: lifts, path: path)
    return try placing(choice, path: path) { try entry.make(choice.options, path, context, &random) }
  }

  /// Whether a policy wants its encoder to give tokens.
  /// - Throws: `SettingError` when the kind is unknown or its options do not fit.
  public func wantsTokens(_ choice: Choice) throws -> Bool {
    try find(choice, in: policies, path: "policy").wantsTokens(choice.options, "policy")
  }

  /// - Throws: `SettingError` when the kind is unknown or its options do not fit.
  public func makePolicy(
    _ choice: Choice, encoder: any ObservationEncoder, actionWidth: Int, random: inout Random
  ) throws -> any Policy {
    let entry = try find(choice, in: policies, path: "policy")
    return try placing(choice, path: "policy") {
      try entry.make(choice.options, "policy", encoder, actionWidth, &random)
    }
  }

  /// - Parameter drawing: whether anyone looks at images; a simulator that can do without is faster then.
  /// - Throws: `SettingError` when the kind is unknown or its options do not fit, or the simulator's own error.
  public func makeSimulator(_ choice: Choice, drawing: Bool = true) throws -> any Environment {
    let entry = try find(choice, in: simulators, path: "simulator")
    return try entry.make(choice.options, "simulator", drawing)
  }

  /// The tasks of a simulator, its options checked without starting it.
  public func tasks(of choice: Choice) throws -> [SimulatedTask] {
    let entry = try find(choice, in: simulators, path: "simulator")
    try entry.check(choice.options, "simulator")
    return entry.tasks
  }

  private func find<Entry>(_ choice: Choice, in entries: [String: Entry], path: String) throws -> Entry {
    guard let entry = entries[choice.kind] else {
      let known = entries.keys.sorted()
      let none = "none in this build (a simulator needs libmujoco-dev and libosmesa6-dev: ./run build)"
      throw SettingError.invalid(
        path: "\(path).kind", line: choice.options.line,
        reason:
          "unknown kind '\(choice.kind)'; known: \(known.isEmpty ? none : known.joined(separator: ", "))"
      )
    }
    return entry
  }

  /// A plug-in's own complaint about its options, with the line where they stand.
  private func placing<Result>(_ choice: Choice, path: String, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as SettingError {
      throw error
    } catch {
      throw SettingError.invalid(path: path, line: choice.options.line, reason: "\(error)")
    }
  }
}
