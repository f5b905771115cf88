import Tensors

/// The plug-ins that recipes can name. Adding one is one word: `.standard.adding(MyEncoder.self)`.
public struct Catalog: PartFactory {
  private var plugins: [PluginKind: [String: any Plugin.Type]] = [:]

  /// A catalog without plug-ins.
  public init() {}

  /// This catalog and one more plug-in, of whatever kind.
  public func adding(_ type: any Plugin.Type) -> Catalog {
    var catalog = self
    catalog.plugins[type.pluginKind, default: [:]][type.name] = type
    return catalog
  }

  /// The plug-ins of a kind, by name.
  public func plugins(_ kind: PluginKind) -> [any Plugin.Type] {
    (plugins[kind] ?? [:]).values.sorted { $0.name < $1.name }
  }

  /// Every plug-in with its keys, by kind and name.
  public var descriptions: [PluginDescription] {
    func describe<P: Plugin>(_ type: P.Type) -> PluginDescription {
      PluginDescription(kind: type.pluginKind.rawValue, name: type.name, help: type.help, keys: P.Options.settingKeys)
    }
    return PluginKind.allCases.flatMap { kind in plugins(kind).map { describe($0) } }
  }

  /// Whether there is a plug-in that `choice` names.
  public func has(_ choice: Choice, as kind: PluginKind) -> Bool { plugins[kind]?[choice.kind] != nil }

  // MARK: Checking

  /// Refuses a choice for what can be seen without building it: its kind, its options, and the plug-ins that they name.
  /// - Parameter files: whether files that it names have to be there.
  /// - Throws: `SettingError`.
  public func check(_ choice: Choice, as kind: PluginKind, path: String, files: Bool = false) throws {
    func check<P: Plugin>(_ type: P.Type) throws {
      let options = try P.Options(choice.options, path: path)
      try self.check(options, path: path, files: files)
      if files { try type.checkFiles(options) }
    }
    try with(choice, kind, path, as: (any Plugin.Type).self) { try check($0) }
  }

  /// The same of every plug-in that settings name. A simulator that this build does not have is no mistake.
  /// - Throws: `SettingError`.
  public func check(_ settings: some PluginOptions, path: String = "", files: Bool = false) throws {
    for (kind, choice, path) in settings.plugins(path: path)
    where kind != .simulator || has(choice, as: kind) {
      try check(choice, as: kind, path: path, files: files)
    }
  }

  /// A choice's options with their defaults.
  /// - Throws: `SettingError`.
  package func complete(_ choice: Choice, as kind: PluginKind, path: String) throws -> Setting {
    func complete<P: Plugin>(_ type: P.Type) throws -> Setting { try P.Options(choice.options, path: path).complete }
    return try with(choice, kind, path, as: (any Plugin.Type).self) { try complete($0) }
  }

  // MARK: Making

  /// - Throws: `SettingError` when the kind is unknown or its options do not fit.
  public func makeEncoder(
    _ choice: Choice, context: EncoderContext, path: String = "encoder", random: inout Random
  ) throws -> any ObservationEncoder {
    var context = context
    context.parts = self
    context.path = path
    func make<E: ObservationEncoder>(_ type: E.Type) throws -> any ObservationEncoder {
      try type.init(options: E.Options(choice.options, path: path), context: context, random: &random)
    }
    return try with(choice, .encoder, path, as: (any ObservationEncoder.Type).self) { try make($0) }
  }

  /// - Throws: `SettingError` when the kind is unknown or its options do not fit.
  public func makeTextEncoder(
    _ choice: Choice, context: EncoderContext, path: String, random: inout Random
  ) throws -> any TextEncoder {
    func make<T: TextEncoder>(_ type: T.Type) throws -> any TextEncoder {
      try type.init(options: T.Options(choice.options, path: path), context: context, random: &random)
    }
    return try with(choice, .textEncoder, path, as: (any TextEncoder.Type).self) { try make($0) }
  }

  /// Whether a lift needs depths and calibrations wherever it is used.
  /// - Throws: `SettingError` when the kind is unknown.
  public func needsDepth(_ choice: Choice, path: String = "world.lift") throws -> Bool {
    try find(choice, .lift, path, as: (any GaussianLift.Type).self).needsDepth
  }

  /// - Throws: `SettingError` when the kind is unknown or its options do not fit.
  public func makeLift(
    _ choice: Choice, context: LiftContext, path: String = "world.lift", random: inout Random
  ) throws -> any GaussianLift {
    func make<L: GaussianLift>(_ type: L.Type) throws -> any GaussianLift {
      try type.init(options: L.Options(choice.options, path: path), context: context, random: &random)
    }
    return try with(choice, .lift, path, as: (any GaussianLift.Type).self) { try make($0) }
  }

  /// - Throws: `SettingError` when the kind is unknown or its options do not fit.
  public func makeCodec(
    _ choice: Choice, context: LiftContext, path: String = "world.codec", random: inout Random
  ) throws -> any StateCodec {
    func make<C: StateCodec>(_ type: C.Type) throws -> any StateCodec {
      try type.init(options: C.Options(choice.options, path: path), context: context, random: &random)
    }
    return try with(choice, .codec, path, as: (any StateCodec.Type).self) { try make($0) }
  }

  public func traits(ofCodec choice: Choice, path: String) throws -> (usesLift: Bool, isTrained: Bool) {
    let type = try find(choice, .codec, path, as: (any StateCodec.Type).self)
    return (type.usesLift, type.isTrained)
  }

  /// - Throws: `SettingError` when the kind is unknown or its options do not fit.
  public func makeWorld(
    _ choice: Choice, blueprint: WorldBlueprint, path: String = "world", random: inout Random
  ) throws -> any WorldModel {
    func make<W: WorldModel>(_ type: W.Type) throws -> any WorldModel {
      try type.init(
        options: W.Options(choice.options, path: path), blueprint: blueprint, parts: self, random: &random)
    }
    return try with(choice, .world, path, as: (any WorldModel.Type).self) { try make($0) }
  }

  /// What a world model looks at, and the stages of its training.
  /// - Throws: `SettingError` when a kind is unknown or options do not fit.
  public func plan(ofWorld choice: Choice, path: String = "world") throws -> (inputs: WorldInputs, stages: [String]) {
    func plan<W: WorldModel>(_ type: W.Type) throws -> (inputs: WorldInputs, stages: [String]) {
      let options = try W.Options(choice.options, path: path)
      return (try type.inputs(options, parts: self), type.stages(options))
    }
    return try plan(find(choice, .world, path, as: (any WorldModel.Type).self))
  }

  /// Whether a policy wants its encoder to give tokens.
  /// - Throws: `SettingError` when the kind is unknown or its options do not fit.
  public func wantsTokens(_ choice: Choice) throws -> Bool {
    func wants<P: Policy>(_ type: P.Type) throws -> Bool {
      try type.wantsTokens(P.Options(choice.options, path: "policy"))
    }
    return try wants(find(choice, .policy, "policy", as: (any Policy.Type).self))
  }

  /// - Throws: `SettingError` when the kind is unknown or its options do not fit.
  public func makePolicy(
    _ choice: Choice, encoder: any ObservationEncoder, actionWidth: Int, random: inout Random
  ) throws -> any Policy {
    func make<P: Policy>(_ type: P.Type) throws -> any Policy {
      try type.init(
        options: P.Options(choice.options, path: "policy"), encoder: encoder, actionWidth: actionWidth, random: &random)
    }
    return try with(choice, .policy, "policy", as: (any Policy.Type).self) { try make($0) }
  }

  /// - Throws: `SettingError` when the kind is unknown or its options do not fit.
  public func makeReader(_ choice: Choice, path: String = "data.reader") throws -> any EpisodeFormat {
    func make<F: EpisodeFormat>(_ type: F.Type) throws -> any EpisodeFormat {
      try type.init(options: F.Options(choice.options, path: path))
    }
    return try with(choice, .reader, path, as: (any EpisodeFormat.Type).self) { try make($0) }
  }

  /// - Parameter drawing: whether anyone looks at images; a simulator that can do without is faster then.
  /// - Throws: `SettingError` when the kind is unknown or its options do not fit, or the simulator's own error.
  public func makeSimulator(_ choice: Choice, drawing: Bool = true) throws -> any Environment {
    func make<S: Simulator>(_ type: S.Type) throws -> any Environment {
      let options = try S.Options(choice.options, path: "simulator")
      return try type.init(options: drawing ? options : type.withoutImages(options))
    }
    return try make(find(choice, .simulator, "simulator", as: (any Simulator.Type).self))
  }

  /// The tasks of a simulator, as one that draws nothing says them.
  /// - Throws: as `makeSimulator`.
  public func tasks(of choice: Choice) throws -> [SimulatedTask] {
    try check(choice, as: .simulator, path: "simulator")
    return try makeSimulator(choice, drawing: false).spec.tasks
  }

  private func find<Interface>(
    _ choice: Choice, _ kind: PluginKind, _ path: String, as _: Interface.Type
  ) throws -> Interface {
    guard let type = plugins[kind]?[choice.kind] as? Interface else {
      let known = plugins(kind).map { $0.name }
      let none =
        kind == .simulator ? "none in this build (it needs libmujoco-dev and libosmesa6-dev: ./run build)" : "none"
      throw SettingError.invalid(
        path: "\(path).kind", line: choice.options.line,
        reason:
          "unknown kind '\(choice.kind)'; known: \(known.isEmpty ? none : known.joined(separator: ", "))"
      )
    }
    return type
  }

  /// Does something with a plug-in; its own complaint about its options gets the line where they stand.
  private func with<Interface, Result>(
    _ choice: Choice, _ kind: PluginKind, _ path: String, as interface: Interface.Type,
    _ body: (Interface) throws -> Result
  ) throws -> Result {
    do {
      return try body(find(choice, kind, path, as: interface))
    } catch let error as SettingError {
      throw error
    } catch {
      throw SettingError.invalid(path: path, line: choice.options.line, reason: "\(error)")
    }
  }
}
