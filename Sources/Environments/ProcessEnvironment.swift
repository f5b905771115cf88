import Files
import Foundation
import Imitation

/// An environment in a process of its own, in whatever language: asked over its standard streams (docs/environments.md).
///
/// The process starts with it and ends with it. One that goes down, hangs or talks nonsense is ended with all it has
/// started, and the next `reset` starts another. Its standard error goes to a log file, which stays when something failed.
public class ProcessEnvironment: StateRestoring, ExpertProviding {
  /// What the recipe calls it, for complaints before it has said its name.
  private let kind: String
  private let command: [String]
  private let options: ProcessOptions
  private let hello: WireRequest
  private var process: EnvironmentProcess?
  private var facts: EnvironmentFacts!
  private var episode = EpisodeDescription(metadata: "{}", model: "")
  private var instruction = ""
  private var watch: FrameWatch
  private var isRunning = false
  private var stateWidth: Int?
  /// The demonstration whose states the process is asked for.
  private var observedDemonstration: (episode: EpisodeSpec, description: EpisodeDescription)?
  private var hasFailed = false
  /// Whether any step was one whose success the process knew; nil before the first.
  private var hasJudged: Bool?
  /// Seconds for the answer to a step, where that is not the deadline of other calls.
  var stepDeadline: Double?
  /// Whether a process that has to be ended is asked to leave first: a robot's stops it then.
  var endsGently = false
  /// How many steps of the episode the process says it has changed.
  private(set) var clippedSteps = 0

  /// Who wants to know, about twice a second, that a process is waited for: someone may wait for this one as well.
  @TaskLocal package static var listener: WaitingListener?

  /// Starts a process.
  ///
  /// - Parameters:
  ///   - kind: what to call it.
  ///   - command: the program and its arguments.
  ///   - own: options for the program.
  /// - Throws: `ProcessEnvironmentError`.
  public init(kind: String, command: [String], process options: ProcessOptions, own: FreeOptions = FreeOptions()) throws
  {
    (self.kind, self.command, self.options) = (kind, command, options)
    watch = FrameWatch(limit: options.frozenAfter)
    var hello = WireRequest(.hello)
    hello.protocol = Wire.version
    var entries = own.entries.merging(options.options.entries) { $1 }
    if options.encoding != .raw { entries["encoding"] = options.encoding.setting }
    hello.options = FreeOptions(entries)
    self.hello = hello
    try start()
  }

  deinit { leave() }

  public var spec: EnvironmentSpec {
    var spec = facts.spec
    spec.tellsSuccess = hasJudged ?? true
    return spec
  }
  private var name: String { facts?.spec.name ?? kind }

  /// Whether its process has failed, so that what went wrong may have been the machine's fault: another try starts another.
  package var isDown: Bool { process == nil }

  /// The options of a recipe that choose a task where it has to be known at the start.
  package class func options(naming task: String) -> [String: Setting] { [:] }

  /// What its Python has to have; nil for programs that are no adapter of the toolkit's in Python.
  package class var needs: PythonNeeds? { nil }

  // MARK: Playing

  public func reset(_ episode: EpisodeSpec) throws -> Observation {
    try check(episode)
    return try begin(WireRequest(.reset, of: episode))
  }

  public func step(_ action: [Float]) throws -> Transition {
    guard isRunning else { throw ProcessEnvironmentError.notReset(environment: name) }
    let width = spec.actions.count
    guard action.count == width else {
      throw ProcessEnvironmentError.action(
        environment: name, reason: "has \(width) values, this one has \(action.count)")
    }
    if let index = action.firstIndex(where: { !$0.isFinite }) {
      throw ProcessEnvironmentError.action(
        environment: name, reason: "must be numbers; \(spec.actions.label(index)) is \(action[index])")
    }
    let message = try ask(WireRequest(.step), [WireArray("action", .float32(action))])
    return try understood(.step) {
      let answer = message.header
      guard let reward = answer.reward else { throw EnvironmentFacts.Refusal("lacks 'reward'") }
      guard Float(reward).isFinite else { throw EnvironmentFacts.Refusal("has a 'reward' that is not a number") }
      guard let success = answer.success else { throw EnvironmentFacts.Refusal("lacks 'success'") }
      if answer.clipped == true { clippedSteps += 1 }
      hasJudged = hasJudged == true || answer.judged ?? true
      return Transition(
        observation: try observed(message), reward: Float(reward), success: success,
        terminated: answer.terminated ?? false, truncated: answer.truncated ?? false)
    }
  }

  /// Whether its hello lists a capability.
  func has(_ capability: String) -> Bool { facts.capabilities.contains(capability) }

  /// Has it stay where it is until the next step.
  func hold() throws {
    // One that has not begun, or is gone, has been held by its adapter.
    guard process != nil, isRunning else { return }
    _ = try ask(WireRequest(.hold))
  }

  // MARK: Recording, experts, states

  public func recorded(_ action: [Float]) -> (relative: [Float], absolute: [Float]?) { (action, nil) }

  public func arguments(task: String) throws -> String {
    try check(EpisodeSpec(task: task, seed: 0, pool: .training))
    // robomimic's numbers: 1 for robosuite and what is built on it, 2 for Gym's.
    let isRobosuite = ["robosuite", "robocasa", "libero"].contains(name)
    return FreeOptions([
      "env_name": task.setting, "env_version": name.setting, "type": (isRobosuite ? 1 : 2).setting,
      "env_kwargs": facts.arguments.setting, "versions": spec.versions.setting,
    ]).setting.json
  }

  public var description: EpisodeDescription { episode }

  /// Empty when the process does not tell it.
  public var state: [Double] {
    get throws {
      guard facts.capabilities.contains("state"), isRunning else { return [] }
      let message = try ask(WireRequest(.state))
      return try understood(.state) {
        guard case .float64(let values) = message["state"]?.values else {
          throw EnvironmentFacts.Refusal("lacks 'state' of float64")
        }
        // States of an episode are rows of one array.
        let width = stateWidth ?? values.count
        guard values.count == width else {
          throw EnvironmentFacts.Refusal("has a state of \(values.count) values after one of \(width)")
        }
        stateWidth = width
        return values
      }
    }
  }

  public var canRestore: Bool { facts.capabilities.contains("restore") }

  public func restore(_ state: [Double], of episode: EpisodeSpec) throws -> Observation {
    guard canRestore else {
      throw ProcessEnvironmentError.refused(
        environment: name, call: "restore", reason: "it cannot restore states", log: nil)
    }
    try check(episode)
    return try begin(WireRequest(.restore, of: episode), [WireArray("state", .float64(state))])
  }

  public var readsModels: Bool { has("observe") && has("models") }

  public func observe(
    _ state: [Double], of episode: EpisodeSpec, as description: EpisodeDescription
  ) throws -> Observation {
    let observes = has("observe")
    guard observes || canRestore else { return try restore(state, of: episode) }
    try check(episode)
    try startIfNeeded()
    isRunning = false
    var request = WireRequest(observes ? .observe : .restore, of: episode)
    var arrays = [WireArray("state", .float64(state))]
    if observedDemonstration.map({ $0 != (episode, description) }) ?? true {
      watch.begin()
      if observes {
        request.metadata = try metadata(description)
        arrays.append(WireArray("model", .uint8(Array(description.model.utf8))))
      }
    }
    observedDemonstration = nil
    let message = try ask(request, arrays)
    let observation = try understood(.observe) {
      if let words = message.header.instruction { instruction = words }
      return try observed(message)
    }
    observedDemonstration = (episode, description)
    return observation
  }

  private func metadata(_ description: EpisodeDescription) throws -> FreeOptions {
    guard !description.metadata.isEmpty else { return FreeOptions() }
    do {
      return try FreeOptions(Setting(json: description.metadata), path: "ep_meta")
    } catch {
      throw ProcessEnvironmentError.refused(
        environment: name, call: "observe", reason: "the demonstration's ep_meta is no JSON object: \(error)", log: nil)
    }
  }

  public func expert(seed: UInt64, noise: Double) -> (any Behavior)? {
    isRunning && facts.capabilities.contains("expert") ? ProcessExpert(self, seed: seed, noise: noise) : nil
  }

  /// The expert's action for the present state, within the range that the environment declares: what is recorded is what the
  /// environment can carry out.
  func expertAction(seed: UInt64, noise: Double) throws -> [Float] {
    guard isRunning else { throw ProcessEnvironmentError.notReset(environment: name) }
    var request = WireRequest(.expert)
    (request.seed, request.noise) = (seed, noise)
    return try zip(action(in: ask(request), .expert), spec.actions.dimensions).map { value, dimension in
      max(dimension.low ?? value, min(dimension.high ?? value, value))
    }
  }

  /// The action that a person asks for now, and whether the person says that the episode ends with it.
  func operatorAction() throws -> (action: [Float], isLast: Bool) {
    guard isRunning else { throw ProcessEnvironmentError.notReset(environment: name) }
    let message = try ask(WireRequest(.teleoperate))
    return (try action(in: message, .teleoperate), message.header.finished ?? false)
  }

  private func action(in message: WireMessage<WireAnswer>, _ call: WireRequest.Call) throws -> [Float] {
    try understood(call) {
      guard let array = message["action"], array.shape == [spec.actions.count], let action = array.floats,
        action.allSatisfy(\.isFinite)
      else { throw EnvironmentFacts.Refusal("lacks 'action' of \(spec.actions.count) numbers") }
      return action
    }
  }

  // MARK: The process

  private func check(_ episode: EpisodeSpec) throws {
    guard spec.tasks.contains(where: { $0.name == episode.task }) else {
      throw ProcessEnvironmentError.unknownTask(
        environment: name, episode.task, known: spec.tasks.map(\.name))
    }
    guard episode.seed < 1 << 53 else { throw ProcessEnvironmentError.seed(environment: name, episode.seed) }
  }

  private func begin(_ request: WireRequest, _ arrays: [WireArray] = []) throws -> Observation {
    (isRunning, stateWidth, clippedSteps) = (false, nil, 0)
    try startIfNeeded()
    observedDemonstration = nil
    let message = try ask(request, arrays)
    watch.begin()
    let observation = try understood(request.call) {
      instruction = message.header.instruction ?? ""
      return try observed(message)
    }
    episode = EnvironmentFacts.description(message.header)
    isRunning = true
    return observation
  }

  private func observed(_ message: WireMessage<WireAnswer>) throws -> Observation {
    let observation = try facts.observation(message, instruction: instruction)
    if let failure = watch.failure(in: observation) {
      throw ProcessEnvironmentError.frozen(environment: name, camera: failure.camera, reason: failure.reason)
    }
    return observation
  }

  /// One that has ended between two episodes has cost none.
  private func startIfNeeded() throws {
    if process?.hasEnded == true { process = nil }
    if process == nil { try start() }
  }

  /// Starts a process and asks what it is.
  private func start() throws {
    (hasFailed, observedDemonstration) = (false, nil)
    do {
      process = try EnvironmentProcess(command, options, log: EnvironmentLogs.next(kind))
    } catch let error as ChildProcess.StartFailure {
      throw ProcessEnvironmentError.notStarted(environment: kind, reason: "\(error)")
    }
    let message = try ask(hello)
    do {
      let facts = try understood(.hello) { try EnvironmentFacts(message.header) }
      guard self.facts == nil || self.facts == facts else {
        throw ProcessEnvironmentError.answer(
          environment: name, call: "hello", reason: "is another one than before it was started again")
      }
      self.facts = facts
    } catch {
      leave()
      throw error
    }
  }

  private func ask(_ request: WireRequest, _ arrays: [WireArray] = []) throws -> WireMessage<WireAnswer> {
    let message = try exchange(request, arrays)
    guard message.header.restart == true else { return message }
    // It has done nothing wrong.
    let isFirst = request.call == .reset || request.call == .restore
    leave()
    if isFirst {
      try start()
      let again = try exchange(request, arrays)
      if again.header.restart != true { return again }
      leave()
    }
    throw ProcessEnvironmentError.refused(
      environment: name, call: request.call.rawValue, reason: "wants to be started again, but has just been", log: nil)
  }

  private func exchange(_ request: WireRequest, _ arrays: [WireArray]) throws -> WireMessage<WireAnswer> {
    guard let process else { throw ProcessEnvironmentError.notReset(environment: name) }
    let call = request.call
    var deadline = call == .hello ? options.startDeadline : options.deadline
    if let stepDeadline, call == .step || call == .hold || call == .teleoperate { deadline = stepDeadline }
    let message: WireMessage<WireAnswer>
    do {
      message = try process.answer(to: request, arrays, deadline: deadline, endingGently: endsGently)
    } catch let failure as EnvironmentProcess.Failure {
      (hasFailed, isRunning) = (true, false)
      self.process = nil
      throw ProcessEnvironmentError.down(
        environment: name, call: call.rawValue, reason: failure.reason, log: process.log)
    }
    guard let reason = message.header.error else { return message }
    let problem = message.header.kind.flatMap(WireAnswer.Problem.init)
    let line = reason.split(whereSeparator: \.isNewline).joined(separator: " ")
    // What says itself what to do needs no log.
    let isPlain = problem == .task || problem == .missing || problem == .action
    if !isPlain {
      hasFailed = true
      process.note("\(call.rawValue): \(reason)\n\(message.header.traceback ?? "")")
    }
    let log = process.log
    if call == .hello { leave() }
    throw ProcessEnvironmentError.refused(
      environment: name, call: call.rawValue, reason: String(line.prefix(1000)), log: isPlain ? nil : log)
  }

  private func understood<Result>(_ call: WireRequest.Call, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let refusal as EnvironmentFacts.Refusal {
      hasFailed = true
      throw ProcessEnvironmentError.answer(environment: name, call: call.rawValue, reason: refusal.reason)
    }
  }

  /// Ends the process; its log stays if something failed.
  private func leave() {
    guard let process else { return }
    process.end()
    if !hasFailed { unlink(process.log) }
    self.process = nil
    isRunning = false
  }
}
