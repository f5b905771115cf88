import Foundation
import Imitation

/// Serves an environment to another process over standard input and output, as `ProcessEnvironment` asks: the other end of
/// the same wire.
///
/// ```swift
/// try EnvironmentServer(MyRobot()).run()
/// ```
public final class EnvironmentServer {
  private let environment: any Environment
  private var encoding = WireArray.Encoding.raw
  private var quality = 95
  private var observation: Observation?
  private var expert: (any Behavior)?
  /// The one whose states are observed.
  private var demonstration: EpisodeDescription?

  /// - Parameter environment: used from this thread alone.
  public init(_ environment: any Environment) { self.environment = environment }

  /// Answers requests until one says `close` or the input ends. Standard output is kept for answers: what a library prints
  /// goes to standard error.
  /// - Throws: when what comes are no requests, or nobody takes the answers.
  public func run() throws {
    signal(SIGINT, SIG_IGN)  // the parent decides
    signal(SIGPIPE, SIG_IGN)
    let (requests, answers) = (dup(STDIN_FILENO), dup(STDOUT_FILENO))
    defer {
      close(requests)
      close(answers)
    }
    dup2(STDERR_FILENO, STDOUT_FILENO)
    var reader = WireReader()
    func read(_ target: UnsafeMutableRawBufferPointer) throws -> Int {
      while true {
        let count = Foundation.read(requests, target.baseAddress, target.count)
        if count >= 0 { return count }
        guard errno == EINTR else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
      }
    }
    while let request = try reader.next(WireRequest.self, read: read) {
      let answer = answer(request)
      try send(answer, to: answers)
      if request.header.call == .close { return }
    }
  }

  private func send(_ answer: WireMessage<WireAnswer>, to descriptor: Int32) throws {
    var answer = answer
    let bytes: [UInt8]
    do {
      bytes = try answer.bytes(encoding, quality: quality)
    } catch WireError.headerTooLong where answer.header.model?.isEmpty == false {
      // The seed makes the same scene again without it.
      answer.header.model = ""
      bytes = try answer.bytes(encoding, quality: quality)
    }
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress! + sent, $0.count - sent) }
      guard count >= 0 || errno == EINTR else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
      sent += max(0, count)
    }
  }

  /// What a request is answered with; an error is an answer, too.
  package func answer(_ request: WireMessage<WireRequest>) -> WireMessage<WireAnswer> {
    var answer: WireMessage<WireAnswer>
    do {
      answer = try carriedOut(request)
    } catch {
      answer = WireMessage(WireAnswer())
      answer.header.error = "\(error)"
      answer.header.kind = ((error as? Refusal)?.kind ?? .simulator).rawValue
    }
    answer.header.id = request.header.id
    return answer
  }

  /// A request that cannot be served.
  private struct Refusal: Error, CustomStringConvertible {
    var kind: WireAnswer.Problem
    var description: String
  }

  private func carriedOut(_ request: WireMessage<WireRequest>) throws -> WireMessage<WireAnswer> {
    switch request.header.call {
    case .hello: return try hello(request.header)
    case .reset: return try begun(environment.reset(try episode(request.header)))
    case .step:
      guard let action = request["action"]?.floats else {
        throw Refusal(kind: .action, description: "a step needs the array 'action' of float32")
      }
      guard action.count == environment.spec.actions.count, action.allSatisfy(\.isFinite) else {
        let width = environment.spec.actions.count
        throw Refusal(kind: .action, description: "an action has \(width) numbers, this one is \(action)")
      }
      let transition = try environment.step(action)
      var answer = WireAnswer()
      answer.reward = Double(transition.reward)
      (answer.success, answer.terminated, answer.truncated) = (
        transition.success, transition.terminated, transition.truncated
      )
      if !environment.spec.tellsSuccess { answer.judged = false }
      observation = transition.observation
      return WireMessage(answer, arrays(of: transition.observation))
    case .expert:
      guard let observation else { throw Refusal(kind: .simulator, description: "an expert needs a reset first") }
      let seed = request.header.seed ?? 0
      if expert == nil {
        expert = (environment as? any ExpertProviding)?.expert(seed: seed, noise: request.header.noise ?? 0)
        expert?.begin(seed: seed)
      }
      guard let expert else { throw Refusal(kind: .simulator, description: "there is no expert for this task") }
      return WireMessage(WireAnswer(), [WireArray("action", .float32(try expert.action(for: observation)))])
    case .teleoperate:
      guard let robot = environment as? any TeleoperatedEnvironment else { throw unable("is led by nobody") }
      let asked = try robot.teleoperate()
      var answer = WireAnswer()
      answer.finished = asked.isLast
      return WireMessage(answer, [WireArray("action", .float32(asked.action))])
    case .hold:
      guard let robot = environment as? any RealTimeEnvironment else { throw unable("holds nothing") }
      try robot.hold()
      return WireMessage(WireAnswer())
    case .state:
      guard let recording = environment as? any EpisodeRecording else { throw unable("tells no state") }
      return WireMessage(WireAnswer(), [WireArray("state", .float64(try recording.state))])
    case .restore:
      guard let restoring = environment as? any StateRestoring else { throw unable("restores no state") }
      return try begun(restoring.restore(state(in: request), of: try episode(request.header)))
    case .observe:
      guard let restoring = environment as? any StateRestoring else { throw unable("observes no demonstrations") }
      if case .uint8(let model) = request["model"]?.values {
        demonstration = EpisodeDescription(
          metadata: (request.header.metadata ?? FreeOptions()).setting.json,
          model: String(decoding: model, as: UTF8.self))
      }
      guard let demonstration else {
        throw Refusal(
          kind: .simulator, description: "the first observe of a demonstration needs the array 'model' of uint8")
      }
      let seen = try restoring.observe(state(in: request), of: try episode(request.header), as: demonstration)
      (observation, expert) = (nil, nil)
      var answer = WireAnswer()
      answer.instruction = seen.instruction
      return WireMessage(answer, arrays(of: seen))
    case .close: return WireMessage(WireAnswer())
    }
  }

  private func state(in request: WireMessage<WireRequest>) throws -> [Double] {
    guard case .float64(let state) = request["state"]?.values else {
      let call = request.header.call.rawValue
      throw Refusal(kind: .simulator, description: "'\(call)' needs the array 'state' of float64")
    }
    return state
  }

  private func unable(_ what: String) -> Refusal {
    Refusal(kind: .simulator, description: "\(environment.spec.name) \(what)")
  }

  private func episode(_ header: WireRequest) throws -> EpisodeSpec {
    guard let episode = header.episode else {
      throw Refusal(kind: .simulator, description: "a \(header.call.rawValue) needs 'task' and 'seed'")
    }
    let known = environment.spec.tasks.map(\.name)
    guard known.contains(episode.task) else {
      throw Refusal(
        kind: .task, description: "no task '\(episode.task)'; there are: \(known.joined(separator: ", "))")
    }
    return episode
  }

  private func hello(_ header: WireRequest) throws -> WireMessage<WireAnswer> {
    guard header.protocol == Wire.version else {
      throw Refusal(
        kind: .simulator,
        description: "this is protocol \(Wire.version), asked for was \(header.protocol.map { "\($0)" } ?? "none")")
    }
    for (key, setting) in header.options?.entries ?? [:] {
      switch key {
      case "encoding": encoding = try WireArray.Encoding(setting, path: key)
      case "quality": quality = min(max(try Int(setting, path: key), 1), 100)
      default: throw Refusal(kind: .simulator, description: "unknown option '\(key)'; there are: encoding, quality")
      }
    }
    let spec = environment.spec
    var answer = WireAnswer()
    (answer.protocol, answer.name, answer.versions) = (Wire.version, spec.name, spec.versions)
    answer.tasks = spec.tasks.map { .init(name: $0.name, group: $0.group, horizon: $0.horizon) }
    answer.action = spec.actions
    answer.observations = .init(
      images: spec.schema.images.mapValues { [$0.height, $0.width] },
      vectors: Dictionary(
        uniqueKeysWithValues: spec.schema.vectors.map { key, width in
          let meaning = spec.recorded.observations[key]
          let vector = WireAnswer.Vector(
            width: width, unit: meaning?.unit, frame: meaning?.frame, quaternion: meaning?.quaternion)
          return (key, vector)
        }))
    var capabilities: [String] = environment is any ExpertProviding ? ["expert"] : []
    if environment is any EpisodeRecording { capabilities.append("state") }
    if let restoring = environment as? any StateRestoring {
      capabilities += ["restore", "observe"] + (restoring.readsModels ? ["models"] : [])
    }
    if environment is any RealTimeEnvironment { capabilities.append("hold") }
    if environment is any TeleoperatedEnvironment { capabilities.append("teleoperation") }
    answer.capabilities = capabilities
    if let recording = environment as? any EpisodeRecording, let task = spec.tasks.first,
      let keywords = try object(recording.arguments(task: task.name)).entries["env_kwargs"]
    {
      answer.arguments = try FreeOptions(keywords, path: "env_kwargs")
    }
    return WireMessage(answer)
  }

  /// The answer to what has begun an episode.
  private func begun(_ observation: Observation) throws -> WireMessage<WireAnswer> {
    (self.observation, expert) = (observation, nil)
    var answer = WireAnswer()
    answer.instruction = observation.instruction
    answer.reward = 0
    if let description = (environment as? any EpisodeRecording)?.description {
      var metadata = try object(description.metadata).entries
      metadata["lang"] = nil
      answer.metadata = FreeOptions(metadata)
      answer.model = description.model
    }
    return WireMessage(answer, arrays(of: observation))
  }

  private func object(_ json: String) throws -> FreeOptions { try FreeOptions(Setting(json: json), path: "metadata") }

  private func arrays(of observation: Observation) -> [WireArray] {
    observation.images.sorted { $0.key < $1.key }.map { WireArray("obs/" + $0.key, $0.value) }
      + observation.vectors.sorted { $0.key < $1.key }.map { WireArray("obs/" + $0.key, .float32($0.value)) }
  }
}
