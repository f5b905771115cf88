import Imitation
import Layers
import Tensors

/// A policy's loss on recorded windows.
public struct PolicyObjective: Objective {
  /// What to train and how.
  public let recipe: Recipe
  package let blueprint: PolicyBlueprint
  /// The statistics that make observations and actions even, from the training demonstrations.
  public let normalizer: Normalizer
  /// What is trained.
  public let policy: any Policy
  /// The batch of a step, not normalized.
  private let batches: (Int, Random) throws -> Batch
  /// The held-out windows, not normalized, with kept rows of the encoder's frozen part or without; empty without a held-out part.
  private let heldOut: (_ withRows: Bool) throws -> [Batch]

  package init(
    recipe: Recipe, blueprint: PolicyBlueprint, normalizer: Normalizer, policy: any Policy,
    batches: @escaping (Int, Random) throws -> Batch, heldOut: @escaping (_ withRows: Bool) throws -> [Batch]
  ) {
    self.recipe = recipe
    self.blueprint = blueprint
    self.normalizer = normalizer
    self.policy = policy
    self.batches = batches
    self.heldOut = heldOut
  }

  public var module: any Module { policy }

  /// The encoder's parameters, what the policy exempts from decay, and the rest.
  public func parameterGroups(weightDecay decay: Float) -> [AdamW.Group] {
    let parameters = policy.parameters().filter { $0.parameter.isEverTrained }
    let inEncoder = Set(policy.encoder.parameters().map { ObjectIdentifier($0.parameter) })
    let exempt = policy.noWeightDecay
    let encoder = parameters.filter { inEncoder.contains(ObjectIdentifier($0.parameter)) }
    let others = parameters.filter { !inEncoder.contains(ObjectIdentifier($0.parameter)) }
    return [
      .init(encoder, weightDecay: recipe.training.encoderWeightDecay.map(Float.init) ?? decay),
      .init(others.filter { !exempt.contains($0.name) }, weightDecay: decay),
      .init(others.filter { exempt.contains($0.name) }, weightDecay: 0),
    ]
  }

  public func batch(_ step: Int, random: Random) throws -> Batch { try batches(step, random) }

  public func loss(on batch: Batch) throws -> PolicyLoss { policy.loss(on: try normalizer.normalized(batch)) }

  /// The mean over the held-out windows; in the inference phase: there is no dropout and crops are centered.
  public func validate() throws -> ValidationLoss? {
    ValidationLoss(try heldOut(!policy.encoder.isThawed).map { ($0.observations.count, try loss(on: $0)) })
  }
}

extension Trainer<PolicyObjective> {
  /// Trains a policy as its recipe says.
  /// - Throws: when the blueprint cannot be written.
  public init(_ objective: PolicyObjective) throws {
    self.init(
      objective, settings: objective.recipe.training, random: Random(seed: objective.recipe.seed).split("training"),
      header: try Checkpoint.header(
        recipe: objective.recipe.text, blueprint: objective.blueprint, normalizer: objective.normalizer))
  }
}
