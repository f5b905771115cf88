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
    let golden = try trained.goldenExample(seed: recipe.seed)
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
  /// An observation and its actions. Its instruction has all that the encoder knows: every word of a vocabulary, or a row of a table.
  package func goldenExample(seed: UInt64) throws -> GoldenExample {
    let context = blueprint.encoder
    let row = policy.encoder.attachedTensors.isEmpty ? nil : knownInstructions.first
    var example = GoldenExample(
      schema: context.schema, steps: policy.view.observations.count,
      instruction: row ?? context.vocabulary.joined(separator: " "), seed: seed, normalizer: normalizer)
    example.actions = try example.answer(of: agent())
    return example
  }

  /// One whose actions another runtime's rounding changes little: where points are chosen, nearly equal ones may be chosen
  /// otherwise, and all that follows differs. To find one, weights are moved by about what rounding does.
  ///
  /// - Parameter first: the one to begin with, of the recipe's seed.
  /// - Returns: nil when none of a few is.
  package func steadyExample(_ first: GoldenExample) throws -> GoldenExample? {
    for attempt in 0..<4 {
      let example = try attempt == 0 ? first : goldenExample(seed: recipe.seed &+ UInt64(attempt))
      var random = Random(seed: recipe.seed).split("rounding").split(attempt)
      let weights = policy.snapshot().sorted { $0.key < $1.key }.reduce(into: [String: Tensor]()) { moved, weight in
        moved[weight.key] = weight.value * .uniform(weight.value.shape, 1 - 1e-6...1 + 1e-6, random: &random)
      }
      let other = try with(weights) { try example.answer(of: agent()) }
      if (try? example.check(other, normalizer, tolerance: 3e-5)) != nil { return example }
    }
    return nil
  }
}
