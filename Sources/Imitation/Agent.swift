import Foundation
import Tensors

/// What an observation lacks for a policy.
public enum AgentError: Error, Equatable, CustomStringConvertible {
  /// A camera that is not there.
  case missingImage(key: String, available: [String])
  /// An image of another size.
  case imageSize(key: String, expected: ObservationSchema.ImageSize, width: Int, height: Int)
  /// A low-dimensional observation that is not there.
  case missingVector(key: String, available: [String])
  /// A low-dimensional observation of another width.
  case vectorWidth(key: String, expected: Int, found: Int)
  /// An action that is not a number.
  case notFinite

  public var description: String {
    switch self {
    case .missingImage(let key, let available):
      "the policy needs camera '\(key)', the observation has: \(available.joined(separator: ", "))"
    case .imageSize(let key, let expected, let width, let height):
      "camera '\(key)' is \(width)x\(height), the policy was trained on \(expected.width)x\(expected.height)"
    case .missingVector(let key, let available):
      "the policy needs '\(key)', the observation has: \(available.joined(separator: ", "))"
    case .vectorWidth(let key, let expected, let found):
      "'\(key)' has \(found) numbers, the policy was trained on \(expected)"
    case .notFinite: "the policy's action holds a value that is not a number"
    }
  }
}

/// A policy at work in the world: keeps the history, normalizes, predicts, and hands out one action at a time.
///
/// It predicts a chunk of actions and executes the first `execute` of them before it looks again. At the start of an
/// episode the first observation stands for the ones before it, as recorded windows are padded.
///
/// With `ensemble` an action is the mean of all that was predicted for its moment, the i-th oldest prediction weighing
/// `exp(-ensemble i)` (Zhao et al. 2023, ACT, with `execute` 1).
public final class Agent: Behavior {
  /// What predicts.
  public let policy: any Policy
  /// What makes numbers even and back.
  public let normalizer: Normalizer
  /// What an observation must have.
  public let schema: ObservationSchema
  /// Which numbers of the whole action the policy gives; nil for all.
  public let actions: ActionLayout?
  /// How many actions of each prediction are carried out.
  public let execute: Int
  /// How fast older predictions count more; nil to carry out the newest alone.
  public let ensemble: Float?

  private var history: [Observation] = []
  private var plan: ActionPlan
  private var random = Random(seed: 0)

  /// What predictions of an episode follow from: to be put back where one has failed.
  package struct Memory {
    fileprivate let history: [Observation]
    fileprivate let random: Random
  }

  /// What was seen of the episode, and its random numbers.
  package var memory: Memory {
    get { Memory(history: history, random: random) }
    set { (history, random) = (newValue.history, newValue.random) }
  }

  /// - Parameter execute: how many actions of each prediction are carried out, 1 or more.
  public init(
    policy: any Policy, normalizer: Normalizer, schema: ObservationSchema, actions: ActionLayout? = nil, execute: Int,
    ensemble: Float? = nil
  ) {
    self.policy = policy
    self.normalizer = normalizer
    self.schema = schema
    self.actions = actions
    self.execute = max(1, execute)
    self.ensemble = ensemble
    plan = ActionPlan(execute: execute, ensemble: ensemble)
  }

  public func begin(seed: UInt64) {
    history = []
    plan.clear()
    random = Random(seed: seed)
  }

  public func action(for observation: Observation) throws -> [Float] {
    try Agent.actions(of: [self], for: [observation])[0]
  }

  /// An action for each of several agents of one policy, each in an episode of its own.
  ///
  /// Those that predict next do so in one batch; a row of it does not depend on the others, so each acts as it would alone.
  public static func actions(of agents: [Agent], for observations: [Observation]) throws -> [[Float]] {
    try outcomes(of: agents, for: observations).map { try $0.get() }
  }

  /// The same, where one that cannot act costs the others nothing.
  package static func outcomes(of agents: [Agent], for observations: [Observation]) -> [Result<[Float], any Error>] {
    let observed = zip(agents, observations).map { agent, observation in
      Result { try agent.observe(observation) }
    }
    var failures: [ObjectIdentifier: any Error] = [:]
    let planning = zip(agents, observed).compactMap { agent, observed in
      (try? observed.get()) != nil && agent.plansNext ? agent : nil
    }
    for (agent, prediction) in zip(planning, predictions(of: planning)) {
      switch prediction {
      case .success(let actions): agent.plan.add(actions)
      case .failure(let error): failures[ObjectIdentifier(agent)] = error
      }
    }
    return zip(agents, observed).map { agent, observed in
      observed.flatMap { failures[ObjectIdentifier(agent)].map { .failure($0) } ?? .success(agent.act()) }
    }
  }

  /// All that each of several agents of one policy predicts from the present on, after it has seen some frames: whole actions.
  /// What comes of the actions is the caller's matter; an agent that is asked so has none to hand out.
  ///
  /// - Parameter prefixes: of each agent the first actions if they are given, whole ones; empty for none of any.
  package static func chunks(
    of agents: [Agent], seeing frames: [[Observation]], continuing prefixes: [[[Float]]] = []
  ) -> [Result<[[Float]], any Error>] {
    let prefixes = prefixes.isEmpty ? agents.map { _ in [] } : prefixes
    let observed = zip(agents, zip(frames, prefixes)).map { agent, seen in
      Result {
        let prefix = try agent.normalized(prefix: seen.1)
        for frame in seen.0 { try agent.observe(frame) }
        return prefix
      }
    }
    let planning = zip(agents, observed).compactMap { agent, observed in (try? observed.get()).map { (agent, $0) } }
    var predicted = predictions(of: planning.map(\.0), continuing: planning.map(\.1))[...]
    return zip(agents, observed).map { agent, observed in
      observed.flatMap { _ in predicted.removeFirst().map { actions in actions.map { agent.actions?.whole($0) ?? $0 } }
      }
    }
  }

  private func observe(_ observation: Observation) throws {
    if observation.instruction != history.last?.instruction {
      try policy.encoder.check(instruction: observation.instruction)
    }
    try schema.check(observation)
    history = (history + [observation]).suffix(policy.view.observations.count)
  }

  /// What the policy has in place of whole actions.
  private func normalized(prefix: [[Float]]) throws -> [[Float]] {
    guard !prefix.isEmpty else { return [] }
    guard policy.continuesChunks else { throw PolicyError.continuesNothing(policy: type(of: policy).name) }
    return try prefix.map { action in
      if let whole = actions?.template.count, whole != action.count {
        throw NormalizerError.width(key: "action_prefix", expected: whole, found: action.count)
      }
      let learned = actions?.learned(from: action) ?? action
      let values = try normalizer.normalized(Tensor(learned, shape: [learned.count]), key: Normalizer.actions).scalars
      guard values.allSatisfy(\.isFinite) else { throw NormalizerError.notFinite(key: "action_prefix") }
      return values
    }
  }

  private func act() -> [Float] {
    let action = plan.next()
    return actions?.whole(action) ?? action
  }

  public var plansNext: Bool { plan.isDone }

  /// By agent, from the present on, in recorded units, before the constants are filled in.
  ///
  /// - Parameter prefixes: of each agent the first actions if they are given, normalized; empty for none of any.
  private static func predictions(
    of agents: [Agent], continuing prefixes: [[[Float]]] = []
  ) -> [Result<[[Float]], any Error>] {
    guard let first = agents.first else { return [] }
    let (policy, normalizer) = (first.policy, first.normalizer)
    let time = policy.view.observations.count
    let rows = agents.map { Array(repeating: $0.history[0], count: time - $0.history.count) + $0.history }
    var randoms = agents.map(\.random)
    let (actions, values): (Tensor, [Float])
    do {
      let batch = try normalizer.normalized(Agent.batch(rows, schema: first.schema))
      actions =
        prefixes.allSatisfy(\.isEmpty)
        ? policy.actions(for: batch, randoms: &randoms)
        : try policy.actions(for: batch, randoms: &randoms, continuing: prefixes)
      values = actions.scalars
      // A GPU that failed is not the policy's fault.
      try Device.check()
    } catch {
      guard agents.count > 1 else { return [.failure(error)] }
      return agents.indices.flatMap { row in
        predictions(of: [agents[row]], continuing: prefixes.isEmpty ? [] : [prefixes[row]])
      }
    }
    let (steps, width) = (actions.shape[1], actions.shape[2])
    return agents.indices.map { row in
      agents[row].random = randoms[row]
      return Result {
        try (row * steps..<(row + 1) * steps).map { step in
          let action = try normalizer.restored(
            Array(values[step * width..<(step + 1) * width]), key: Normalizer.actions)
          guard action.allSatisfy(\.isFinite) else { throw AgentError.notFinite }
          return action
        }
      }
    }
  }

  /// Observations `[batch][time]` as tensors, only the keys of `schema`, nothing normalized.
  public static func batch(_ windows: [[Observation]], schema: ObservationSchema) -> ObservationBatch {
    let time = windows.first?.count ?? 0
    var images: [String: ImageBatch] = [:]
    for (key, size) in schema.images {
      var pixels: [UInt8] = []
      pixels.reserveCapacity(windows.count * time * size.height * size.width * 3)
      for window in windows { for observation in window { pixels += observation.images[key]!.pixels } }
      images[key] = ImageBatch(batch: windows.count, time: time, size: size, pixels: pixels)
    }
    var vectors: [String: Tensor] = [:]
    for (key, width) in schema.vectors {
      let values = windows.flatMap { $0.flatMap { $0.vectors[key]! } }
      vectors[key] = Tensor(values, shape: [windows.count, time, width])
    }
    return ObservationBatch(
      images: images, vectors: vectors, instructions: windows.map { $0.last?.instruction ?? "" }, time: time)
  }
}

extension ObservationSchema {
  /// Refuses an observation that lacks something, or has it in another size.
  /// - Throws: `AgentError`.
  package func check(_ observation: Observation) throws {
    for (key, size) in images {
      guard let image = observation.images[key] else {
        throw AgentError.missingImage(key: key, available: observation.images.keys.sorted())
      }
      guard image.width == size.width, image.height == size.height else {
        throw AgentError.imageSize(key: key, expected: size, width: image.width, height: image.height)
      }
    }
    for (key, width) in vectors {
      guard let values = observation.vectors[key] else {
        throw AgentError.missingVector(key: key, available: observation.vectors.keys.sorted())
      }
      guard values.count == width else {
        throw AgentError.vectorWidth(key: key, expected: width, found: values.count)
      }
    }
  }
}
