import ArgumentParser
import Foundation
import ImitationKit

/// A server whose policy acts in place of the run's own.
struct ServedPolicyOptions: ParsableArguments {
  @Option(
    name: .customLong("policy"),
    help: ArgumentHelp(
      "Act by the policy of a server of `imitate serve`: ws://HOST:PORT, or wss:// for TLS.",
      discussion:
        "The recipe says tasks and simulator. Results are kept in RUN/served, apart from those of the run's own policy.",
      valueName: "address"))
  var address: String?
  @Option(help: "With --policy: the file whose only line is the server's token.") var tokenFile: String?
  @Option(help: "With --policy wss://...: the PEM file of whom to trust, where the system does not.")
  var certificate: String?

  func validate() throws {
    guard address != nil || tokenFile == nil && certificate == nil else {
      throw ValidationError("--token-file and --certificate go with --policy")
    }
  }

  /// Connects and reads what the server says of its policy.
  ///
  /// - Parameter seconds: how long the server may be silent.
  /// - Returns: nil when no server is asked for.
  /// - Throws: `PolicyClientError`, `CommandFailure`, or why there is no connection.
  func policy(_ recipe: Recipe, seconds: Int) throws -> ServedPolicy? {
    guard let address else { return nil }
    let token = try tokenFile.map(Serve.token)
    let (execute, ensemble, certificate) = (recipe.actions.nActionSteps, recipe.actions.ensemble, certificate)
    let connect: @Sendable () throws -> PolicyClient = {
      try PolicyClient(
        address, token: token, certificate: certificate, execute: execute, ensemble: ensemble, seconds: Double(seconds))
    }
    let first = try connect()
    first.close()
    guard execute <= first.metadata.chunk else {
      throw PolicyError.executes(execute, predicted: first.metadata.chunk)
    }
    return ServedPolicy(
      address: address, metadata: first.metadata, execute: execute, ensemble: ensemble, open: connect)
  }
}

/// The policy of a server, as it was when the evaluation began.
struct ServedPolicy: Sendable {
  let address: String
  let metadata: PolicyMetadata
  /// How it is carried out here.
  let execute: Int
  let ensemble: Float?
  fileprivate let open: @Sendable () throws -> PolicyClient

  /// What its episodes are called by: never the name of the run's own policy.
  var name: String { "served-\(metadata.policy)" }

  /// In one line, for `evaluation.json`.
  var label: String { "\(metadata.policy), \(key), at \(address)" }

  /// What tells its results from those of others: the policy, and how many actions of an answer are carried out.
  var key: String { "\(metadata.digest)-\(execute)" + (ensemble.map { "-ensemble-\($0)" } ?? "") }

  /// Another connection to the same policy.
  /// - Throws: `CommandFailure` when the server has another one by now, or why there is no connection.
  func connect() throws -> PolicyClient {
    let client = try open()
    guard client.metadata == metadata else {
      throw CommandFailure(
        "\(address) served '\(metadata.policy)' (\(metadata.digest)) at first and "
          + "'\(client.metadata.policy)' (\(client.metadata.digest)) now; evaluate again")
    }
    return client
  }

  /// Holds what the policy looks at and what its numbers mean against an environment, before anything moves.
  ///
  /// - Returns: what nobody knows; nil when all is known.
  /// - Throws: `ActingError`.
  func check(acting spec: EnvironmentSpec, trusting: Bool) throws -> String? {
    try metadata.schema.check(in: spec, of: .server(address))
    if let difference = metadata.vectorSchemas.difference(from: spec) {
      throw ActingError.differs(difference, of: .server(address), environment: spec.name)
    }
    return try metadata.actions.check(acting: spec, of: .server(address), trusting: trusting)
  }
}

/// Whose policy acts in an evaluation, and where its results are.
enum ActingPolicy {
  case own(Checkpoint)
  case served(ServedPolicy)

  private var served: ServedPolicy? { if case .served(let policy) = self { policy } else { nil } }

  /// What its episodes are called by.
  func name(_ recipe: Recipe) -> String { served?.name ?? recipe.policy.kind }

  /// Training steps; 0 for a server's policy, which is known by its digest.
  var step: Int { if case .own(let checkpoint) = self { checkpoint.step } else { 0 } }

  /// The server's policy in one line; nil for the run's own.
  var label: String? { served?.label }

  /// The folder of journal, result and videos: a server's policy has one of its own.
  func folder(_ run: RunFolder) -> RunFolder { served.map { RunFolder("\(run.path)/served/\($0.key)") } ?? run }

  /// Holds what the policy looks at and what its numbers mean against an environment, before anything moves.
  ///
  /// - Parameter trusting: whether what nobody knows is no hindrance; contradictions always are.
  /// - Returns: what nobody knows; nil when all is known.
  /// - Throws: `ActingError`.
  func check(acting spec: EnvironmentSpec, trusting: Bool) throws -> String? {
    switch self {
    case .own(let checkpoint): try checkpoint.blueprint.check(acting: spec, trusting: trusting)
    case .served(let policy): try policy.check(acting: spec, trusting: trusting)
    }
  }

  /// What cannot be compared, because the policy or the environment does not say it; nil when both say all.
  func silence(beside spec: EnvironmentSpec) -> String? {
    let (actions, vectors, schema) =
      switch self {
      case .own(let checkpoint):
        (
          checkpoint.blueprint.wholeAction, checkpoint.blueprint.vectorSchemas ?? [:],
          checkpoint.blueprint.encoder.schema
        )
      case .served(let policy): (policy.metadata.actions, policy.metadata.vectorSchemas, policy.metadata.schema)
      }
    let theirs = spec.recorded.observations
    // What the environment says of actions and the policy does not has been refused, or trusted.
    let policy = [actions.unknown(), theirs.unknown(to: vectors, keys: schema.vectorKeys)].compactMap(\.self)
    let environment = [spec.actions.unknown(comparedTo: actions), vectors.unknown(to: theirs, keys: schema.vectorKeys)]
      .compactMap(\.self)
    let parts = [("the policy", policy), (spec.name, environment)].filter { !$1.isEmpty }.map {
      "\($0) does not say \($1.joined(separator: "; "))"
    }
    return parts.isEmpty ? nil : parts.joined(separator: ", and ") + ": that cannot be compared"
  }

  /// Who predicts for the slots.
  func acting(_ run: RunFolder, _ catalog: Catalog) -> VectorRollout.Acting {
    switch self {
    case .served(let policy): return .elsewhere { try policy.connect() }
    case .own(let checkpoint):
      var policy: TrainedPolicy?
      return .here(
        ActionScheduler {
          let loaded = try policy ?? TrainedPolicy(run: run.path, step: checkpoint.step, catalog: catalog)
          policy = loaded
          return loaded.agent()
        })
    }
  }
}
