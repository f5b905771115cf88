import Layers
import Tensors

/// What a policy reports of one batch: the number to minimise, and others to log by name.
public struct PolicyLoss {
  /// A single number.
  public var loss: Tensor
  /// By name; means are logged.
  public var metrics: [String: Tensor]

  /// - Parameter metrics: by name.
  public init(_ loss: Tensor, metrics: [String: Tensor] = [:]) {
    self.loss = loss
    self.metrics = metrics
  }
}

/// Predicts actions from encoded observations. Sees normalized values only; `Agent` normalizes and undoes it.
public protocol Policy: Module, Plugin {
  /// - Throws: when the options do not fit each other, the encoder or the action width.
  init(options: Options, encoder: any ObservationEncoder, actionWidth: Int, random: inout Random) throws
  /// What it sees with.
  var encoder: any ObservationEncoder { get }
  /// Whether the encoder is to give tokens; false unless a policy says so.
  static func wantsTokens(_ options: Options) -> Bool
  /// The rows of an episode that `loss(on:)` needs.
  var window: Window { get }
  /// The names of parameters that weight decay leaves alone; none unless a policy says so.
  var noWeightDecay: Set<String> { get }
  /// What normalized actions it can give at all; nil when there is no limit. Training on others is refused.
  var reach: ClosedRange<Float>? { get }
  /// The loss of a normalized batch.
  func loss(on batch: Batch) -> PolicyLoss
  /// `[batch, steps, actionWidth]`: what to do now and next, the present action first.
  ///
  /// - Parameter randoms: one stream a row of the batch, so that a row's actions do not depend on the others.
  func actions(for observations: ObservationBatch, randoms: inout [Random]) -> Tensor
  /// Whether it can take its first actions as given and predict those that follow them.
  var continuesChunks: Bool { get }
  /// The same with first actions that are given: what will be carried out while this is computed (Black, Galliker and Levine 2025,
  /// real-time chunking).
  ///
  /// - Parameter prefixes: of each row of the batch the actions that are given, normalized, the present one first: fewer than are
  ///   predicted, none where the row continues nothing.
  /// - Throws: `PolicyError` for a policy that continues none, and for too many.
  func actions(for observations: ObservationBatch, randoms: inout [Random], continuing prefixes: [[[Float]]]) throws
    -> Tensor
  /// What a graph for other runtimes computes of features: what acting takes, apart from what is drawn at random. Nil for a policy
  /// that has no such graph.
  ///
  /// - Parameter inputs: makes what the graph gets beside features.
  func head(_ features: Features, _ inputs: inout HeadInputs) -> [HeadOutput]?
  /// How actions are drawn from what the head gives, in words and numbers for whoever runs its graph.
  var sampling: Setting { get }
}

extension Policy {
  public static var pluginKind: PluginKind { .policy }
  public static func wantsTokens(_ options: Options) -> Bool { false }
  public var noWeightDecay: Set<String> { [] }
  public var reach: ClosedRange<Float>? { nil }
  public var continuesChunks: Bool { false }
  public func actions(
    for observations: ObservationBatch, randoms: inout [Random], continuing prefixes: [[[Float]]]
  ) throws -> Tensor {
    guard prefixes.allSatisfy(\.isEmpty) else { throw PolicyError.continuesNothing(policy: Self.name) }
    return actions(for: observations, randoms: &randoms)
  }
  public func head(_ features: Features, _ inputs: inout HeadInputs) -> [HeadOutput]? { nil }
  public var sampling: Setting { Setting(.null) }

  /// What tells its weights and statistics from others, also from those of another training that ended at the same step: 16
  /// hexadecimal digits.
  ///
  /// - Parameter settings: what else decides what it does, as text.
  package func digest(normalizer: Normalizer, settings: String = "") -> String {
    var hash = StableHash()
    hash.add(settings.utf8)
    let tensors = snapshot().merging(normalizer.tensors.map { ("normalizer/" + $0, $1) }) { first, _ in first }
    for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
      hash.add(name.utf8)
      hash.add(tensor.scalars)
    }
    let text = String(hash.value, radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
  }

  /// The rows that a batch for this policy holds: the window, and before it what the encoder sees of the past.
  public var view: Window {
    let rows = window.observations
    return Window(observations: rows.lowerBound - encoder.history...rows.upperBound, actions: window.actions)
  }
}

/// A policy whose parts do not fit each other.
public enum PolicyError: Error, Equatable, CustomStringConvertible {
  /// A horizon that the network cannot halve.
  case horizon(Int, multipleOf: Int)
  /// More actions to carry out than are predicted.
  case executes(Int, predicted: Int)
  /// It attends to tokens, and its encoder gives none.
  case noTokens(encoder: String)
  /// It reads tokens in their order, and its encoder does not say how many there are.
  case tokensWithoutOrder(encoder: String)
  /// It predicts all actions itself, and some are given.
  case continuesNothing(policy: String)
  /// As many given actions as are predicted, or more.
  case prefix(Int, predicted: Int)

  public var description: String {
    switch self {
    case .horizon(let horizon, let factor):
      "policy.horizon is \(horizon); the network halves it, so it must be a multiple of \(factor)"
    case .executes(let count, let predicted):
      "actions.n_action_steps is \(count), but the policy predicts \(predicted) actions from the present one on"
    case .continuesNothing(let policy):
      "policy '\(policy)' predicts all of its actions itself and cannot continue given ones; diffusion policies can"
    case .prefix(let count, let predicted):
      "\(count) actions are given, but the policy predicts \(predicted) from the present one on: give fewer"
    case .noTokens(let encoder):
      "policy.observe is tokens, and encoder '\(encoder)' gives none; give the policy another encoder, or observe: pooled"
    case .tokensWithoutOrder(let encoder):
      "policy.observe_flatten needs tokens that always stand for the same, and encoder '\(encoder)' does not say so; leave it out"
    }
  }
}
