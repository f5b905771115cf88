import Export
import Foundation
import Imitation
import Tensors
import Training

/// A policy with trained weights, and all that acting with it takes: its recipe, the statistics that normalize, and what its
/// numbers mean.
///
/// ```swift
/// let policy = try TrainedPolicy(package: "runs/demo/policy")
/// let agent = policy.agent(seed: 0)
/// let action = try agent.action(for: observation)
/// ```
public struct TrainedPolicy {
  /// The recipe that it was trained with.
  public let recipe: Recipe
  /// The network, its encoder included, with the averaged weights where training kept an average.
  public let policy: any Policy
  /// The statistics that make observations and actions even, from the training demonstrations.
  public let normalizer: Normalizer
  /// What it was built for.
  package let blueprint: PolicyBlueprint
  /// Whether its weights are averages over training steps.
  package private(set) var isAveraged = false

  /// What tells its weights and statistics from others, also from those of another training that ended at the same step.
  package var digest: String { policy.digest(normalizer: normalizer) }

  /// Builds an untrained policy, with the initial weights that the recipe's seed gives.
  /// - Throws: `SettingError`, `PolicyError`, or what the encoder threw.
  package init(recipe: Recipe, blueprint: PolicyBlueprint, normalizer: Normalizer, catalog: Catalog) throws {
    var random = Random(seed: recipe.seed).split("weights")
    policy = try SettingError.naming(recipe.path) {
      var context = blueprint.encoder
      context.wantsTokens = try catalog.wantsTokens(recipe.policy)
      let encoder = try catalog.makeEncoder(recipe.encoder, context: context, random: &random)
      return try catalog.makePolicy(
        recipe.policy, encoder: encoder, actionWidth: blueprint.actionWidth, random: &random)
    }
    let predicted = policy.window.actions.upperBound + 1
    guard recipe.actions.nActionSteps <= predicted else {
      throw PolicyError.executes(recipe.actions.nActionSteps, predicted: predicted)
    }
    self.recipe = recipe
    var blueprint = blueprint
    blueprint.encoder.attachments = policy.encoder.attachments
    blueprint.encoder.tensors = policy.encoder.attachedTensors
    self.blueprint = blueprint
    self.normalizer = normalizer
  }

  private init(_ checkpoint: Checkpoint, recipe: Recipe, catalog: Catalog) throws {
    try self.init(
      recipe: recipe, blueprint: checkpoint.blueprint, normalizer: checkpoint.normalizer, catalog: catalog)
    try policy.load(checkpoint.state.actingWeights)
    isAveraged = !checkpoint.state.average.isEmpty
  }

  /// Loads the policy of a run folder of `imitate train`.
  ///
  /// - Parameters:
  ///   - step: the checkpoint's training step; that of the newest one when nil.
  ///   - catalog: the plug-ins that the recipe may name.
  /// - Throws: `RunError`, `SettingError`, or what is wrong with the checkpoint.
  public init(run folder: String, step: Int? = nil, catalog: Catalog = .standard) throws {
    let run = RunFolder(folder)
    let checkpoint = try step.map { try Checkpoint(path: run.checkpoint(step: $0)) } ?? run.lastCheckpoint()
    try self.init(checkpoint, recipe: run.trained(checkpoint.recipe).recipe, catalog: catalog)
  }

  /// Loads the policy of one checkpoint file, wherever it is.
  ///
  /// - Parameter catalog: the plug-ins that the recipe may name.
  /// - Throws: `SettingError`, or what is wrong with the file.
  public init(checkpoint path: String, catalog: Catalog = .standard) throws {
    let checkpoint = try Checkpoint(path: path)
    try self.init(checkpoint, recipe: Recipe(text: checkpoint.recipe, path: path), catalog: catalog)
  }

  /// Loads the policy of a package that `imitate export` wrote; every file is held to its checksum.
  ///
  /// - Parameter catalog: the plug-ins that the recipe may name.
  /// - Throws: `PackageError`, `SettingError`, or what is wrong with the weights.
  public init(package folder: String, catalog: Catalog = .standard) throws {
    try self.init(PolicyPackage(folder: folder), path: folder + "/policy.json", catalog: catalog)
  }

  /// - Parameter path: where the recipe is kept, for complaints.
  package init(_ package: PolicyPackage, path: String, catalog: Catalog) throws {
    let (description, seen) = (package.description, package.description.observation)
    var context = EncoderContext(
      schema: ObservationSchema(
        images: Dictionary(
          uniqueKeysWithValues: seen.images.map { ($0.key, .init(height: $0.height, width: $0.width)) }),
        vectors: Dictionary(uniqueKeysWithValues: seen.vectors.map { ($0.key, $0.width) })),
      vocabulary: description.vocabulary)
    context.attachments = description.attachments ?? [:]
    context.tensors = package.attached
    try self.init(
      recipe: Recipe(text: description.recipe, path: path),
      blueprint: PolicyBlueprint(
        encoder: context, actions: description.action.layout ?? .whole(width: description.action.schema.count),
        schema: description.action.schema,
        vectors: Dictionary(uniqueKeysWithValues: seen.vectors.map { ($0.key, $0.schema) }), datasets: []),
      normalizer: package.normalizer, catalog: catalog)
    try policy.load(package.weights)
    isAveraged = description.averagedWeights
  }

  /// The cameras and vectors that an observation must have, with their sizes.
  public var schema: ObservationSchema { blueprint.encoder.schema }

  /// What the numbers of an action mean: names, units, limits and rate, as far as the demonstrations say.
  public var actionSchema: ActionSchema { blueprint.wholeAction }

  /// An agent that acts with this policy, at the start of an episode.
  ///
  /// - Parameter seed: what its random numbers follow from; the same observations then lead to the same actions.
  public func agent(seed: UInt64 = 0) -> Agent {
    let agent = Agent(
      policy: policy, normalizer: normalizer, schema: schema, actions: blueprint.actions,
      execute: recipe.actions.nActionSteps, ensemble: recipe.actions.ensemble)
    agent.begin(seed: seed)
    return agent
  }
}
