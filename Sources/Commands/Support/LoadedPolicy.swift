import Foundation
import Imitation
import Layers
import Tensors
import Training

/// A policy built from a recipe and filled with weights.
struct LoadedPolicy {
  let recipe: Recipe
  let blueprint: PolicyBlueprint
  let normalizer: Normalizer
  let policy: any Policy

  /// Untrained, with the initial weights that the recipe's seed gives.
  init(recipe: Recipe, blueprint: PolicyBlueprint, normalizer: Normalizer, catalog: Catalog) throws {
    var random = Random(seed: recipe.seed).split("weights")
    do {
      let encoder = try catalog.makeEncoder(recipe.encoder, context: blueprint.encoder, random: &random)
      self.policy = try catalog.makePolicy(
        recipe.policy, encoder: encoder, actionWidth: blueprint.actionWidth, random: &random)
    } catch let error as SettingError {
      throw SettingError.inFile(recipe.path, error)
    }
    let predicted = policy.window.actions.upperBound + 1
    guard recipe.actions.execute <= predicted else {
      throw PolicyError.executes(recipe.actions.execute, predicted: predicted)
    }
    self.recipe = recipe
    var blueprint = blueprint
    blueprint.encoder.attachments = policy.encoder.attachments
    blueprint.encoder.tensors = policy.encoder.attachedTensors
    self.blueprint = blueprint
    self.normalizer = normalizer
  }

  /// The weights to act with from a run's checkpoint.
  ///
  /// - Parameter step: which; the newest when nil.
  init(run: RunFolder, step: Int? = nil, catalog: Catalog) throws {
    let checkpoint = try step.map { try Checkpoint(path: run.checkpoint(step: $0)) } ?? run.lastCheckpoint()
    try self.init(
      recipe: run.trained(checkpoint.recipe).recipe, blueprint: checkpoint.blueprint, normalizer: checkpoint.normalizer,
      catalog: catalog)
    try policy.load(checkpoint.actingWeights)
  }

  var agent: Agent {
    Agent(
      policy: policy, normalizer: normalizer, schema: blueprint.encoder.schema, actions: blueprint.actions,
      execute: recipe.actions.execute, ensemble: recipe.actions.ensemble)
  }
}
