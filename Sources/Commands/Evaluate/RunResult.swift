import ImitationKit

extension Recipe {
  /// What its policy is judged under.
  var conditions: EvaluationConditions {
    // Where a simulator runs does not decide what happens in it.
    let options = ProcessOptions.local.reduce(evaluation.simulator.options) { $0.without($1) }
    return EvaluationConditions(
      simulator: evaluation.simulator.kind, options: options.json, seed: evaluation.seed,
      pool: evaluation.pool.rawValue)
  }
}

extension RunFolder {
  /// `lock`, and a line for the user where there are no locks.
  /// - Throws: `RunError`.
  func locked(creating: Bool = false, shard: String? = nil) throws -> RunLock {
    let lock = try lock(creating: creating, shard: shard)
    if let note = lock.note { tell(note: note) }
    return lock
  }

  /// `trainedRecipe`, and a line for the user where `recipe.yaml` says something else.
  /// - Throws: `RunError`, `CheckpointError`, `SettingError`.
  func toldRecipe() throws -> Recipe {
    let (recipe, note) = try trainedRecipe()
    if let note { tell(note: note) }
    return recipe
  }

  /// What the run's policy was tried on.
  /// - Throws: `EvaluationError`, also when that was under other conditions than the recipe's, or an earlier checkpoint.
  func result(_ recipe: Recipe) throws -> EvaluationResult {
    let result = try EvaluationResult.read(evaluation)
    guard result.isUnder(recipe.conditions) else { throw EvaluationError.otherConditions(evaluation) }
    if let last = checkpointSteps.last, last != result.step {
      throw EvaluationError.otherStep(evaluation, tried: result.step, trained: last)
    }
    return result
  }
}
