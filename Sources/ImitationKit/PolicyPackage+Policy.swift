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
    let golden = try trained.goldenExample(context, steps: steps)
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
    description.measured = evaluation.map {
      "In \($0.simulator), scenes of the pool '\($0.pool)' by seed \($0.seed), weights of step \($0.step), on \($0.date)"
    }
    description.attachments = context.attachments.isEmpty ? nil : context.attachments
    self.init(
      description: description, weights: policy.snapshot(), normalizer: trained.normalizer, golden: golden)
    attached = context.tensors
  }
}

extension TrainedPolicy {
  /// An observation and its actions, which another runtime's rounding changes little: where points are chosen, nearly equal ones may be
  /// chosen otherwise, and all that follows differs. Weights are moved by about what rounding does to find one.
  fileprivate func goldenExample(_ context: EncoderContext, steps: Int) throws -> GoldenExample {
    func example(_ seed: UInt64) throws -> GoldenExample {
      var example = GoldenExample(
        schema: context.schema, steps: steps, instruction: context.vocabulary.prefix(5).joined(separator: " "),
        seed: seed, normalizer: normalizer)
      example.actions = try example.answer(of: agent())
      return example
    }
    var random = Random(seed: recipe.seed).split("rounding")
    let moved = (0..<2).map { _ in
      policy.snapshot().sorted { $0.key < $1.key }.reduce(into: [String: Tensor]()) { moved, weight in
        moved[weight.key] = weight.value * .uniform(weight.value.shape, 1 - 1e-6...1 + 1e-6, random: &random)
      }
    }
    for attempt in 0..<16 {
      let example = try example(recipe.seed &+ UInt64(attempt))
      let isSteady = try moved.allSatisfy { weights in
        let other = try with(weights) { try example.answer(of: agent()) }
        return zip(other.scalars, example.actions.scalars).allSatisfy { abs($0 - $1) < 2e-5 }
      }
      if isSteady { return example }
    }
    return try example(recipe.seed)
  }
}
