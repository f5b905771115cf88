import Evaluation
import Export
import Imitation
import Training

extension PolicyPackage {
  /// Packs a policy, with an example of what it answers.
  ///
  /// - Parameter evaluation: how often it solved its tasks; only rows of this policy are reported.
  /// - Throws: what the example's prediction threw.
  public init(_ trained: TrainedPolicy, evaluation: EvaluationResult? = nil) throws {
    let (recipe, policy, blueprint) = (trained.recipe, trained.policy, trained.blueprint)
    let (context, steps) = (blueprint.encoder, policy.view.observations.count)
    var golden = GoldenExample(
      schema: context.schema, steps: steps, instruction: context.vocabulary.prefix(5).joined(separator: " "),
      seed: recipe.seed, normalizer: trained.normalizer)
    golden.actions = try golden.answer(of: trained.agent())
    guard golden.actions.scalars.allSatisfy(\.isFinite) else { throw PackageError.notFinite }
    var description = Description(
      toolkit: Toolkit.version, name: recipe.name, encoder: recipe.encoder.kind, policy: recipe.policy.kind,
      parameters: policy.parameterCount, averagedWeights: trained.isAveraged,
      observation: .init(
        images: context.schema.imageKeys.map { .init(key: $0, size: context.schema.images[$0]!) },
        vectors: context.schema.vectorKeys.map {
          .init(key: $0, width: context.schema.vectors[$0]!, schema: blueprint.vectorSchemas?[$0] ?? .init())
        },
        steps: steps),
      action: .init(
        schema: blueprint.wholeAction, predicted: golden.actions.shape[0], executed: recipe.actions.nActionSteps,
        layout: blueprint.actions, ensemble: recipe.actions.ensemble),
      vocabulary: context.vocabulary,
      datasets: blueprint.datasets.map {
        .init(task: $0.task, file: $0.file, sha256: $0.sha256, key: $0.key, episodes: $0.episodes, linked: $0.linked)
      },
      evaluation: (evaluation?.rows ?? []).filter { $0.policy == recipe.policy.kind }.map {
        .init(
          task: $0.task, split: $0.split, episodes: $0.episodes, successes: $0.successes, rate: $0.rate, low: $0.low,
          high: $0.high)
      },
      recipe: recipe.text)
    description.attachments = context.attachments.isEmpty ? nil : context.attachments
    self.init(
      description: description, weights: policy.snapshot(), normalizer: trained.normalizer, golden: golden)
    attached = context.tensors
  }
}
