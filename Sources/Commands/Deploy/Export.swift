import ArgumentParser
import Evaluation
import Export
import Foundation
import Imitation
import Tensors
import Training

/// `imitate export`: a run's policy as a folder for others.
struct ExportPolicy: Verb {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Export a run's policy: weights, schemas, statistics and a golden example.")

  @Argument(help: "The run folder.") var runFolder: String
  @Option(help: "Where to put the package; RUN/policy when left out.") var output: String?

  func run(in session: Session) throws {
    let folder = RunFolder(runFolder)
    let checkpoint = try folder.lastCheckpoint()
    let loaded = try LoadedPolicy(run: folder, catalog: session.catalog)
    let (recipe, context) = (loaded.recipe, loaded.blueprint.encoder)
    if let note = try folder.trained(checkpoint.recipe).note { tell("note: \(note)") }
    var evaluation: EvaluationResult?
    do {
      evaluation = try folder.result(recipe)
    } catch EvaluationError.missing {
    } catch {
      tell("note: \(CommandFailure.line(error)); exported without results")
    }
    let instruction = context.vocabulary.prefix(5).joined(separator: " ")
    var golden = GoldenExample(
      schema: context.schema, steps: loaded.policy.view.observations.count, instruction: instruction,
      seed: recipe.seed, normalizer: loaded.normalizer)
    golden.actions = try golden.answer(of: loaded.agent)
    var description = PolicyPackage.Description(
      toolkit: Toolkit.version, name: recipe.name, encoder: recipe.encoder.kind, policy: recipe.policy.kind,
      parameters: loaded.policy.parameterCount, averagedWeights: !checkpoint.average.isEmpty,
      observation: .init(
        images: context.schema.imageKeys.map { .init(key: $0, size: context.schema.images[$0]!) },
        vectors: context.schema.vectorKeys.map {
          .init(
            key: $0, width: context.schema.vectors[$0]!, schema: loaded.blueprint.vectorSchemas?[$0] ?? .init())
        },
        steps: loaded.policy.view.observations.count),
      action: .init(
        schema: loaded.blueprint.wholeAction, predicted: golden.actions.shape[0], executed: recipe.actions.execute,
        layout: loaded.blueprint.actions,
        ensemble: recipe.actions.ensemble),
      vocabulary: context.vocabulary,
      datasets: loaded.blueprint.datasets.map {
        .init(task: $0.task, file: $0.file, sha256: $0.sha256, key: $0.key, episodes: $0.episodes, linked: $0.linked)
      },
      evaluation: (evaluation?.rows ?? [])
        .filter { $0.policy == recipe.policy.kind }
        .map {
          .init(
            task: $0.task, split: $0.split, episodes: $0.episodes, successes: $0.successes, rate: $0.rate, low: $0.low,
            high: $0.high)
        },
      recipe: recipe.text)
    description.attachments = context.attachments.isEmpty ? nil : context.attachments
    let output = output ?? folder.path + "/policy"
    var package = PolicyPackage(
      description: description, weights: loaded.policy.snapshot(), normalizer: loaded.normalizer, golden: golden)
    package.attached = context.tensors
    try package.write(to: output)
    if let unknown = package.unknown { tell("note: \(output): unknown: \(unknown)") }
    print(output)
  }
}

/// `imitate verify`: whether an exported policy is whole and answers as it did.
struct Verify: Verb {
  static let configuration = CommandConfiguration(
    abstract: "Load an exported policy afresh and reproduce its golden output.")

  @Argument(help: "The exported folder.") var folder: String

  func run(in session: Session) throws {
    let package = try PolicyPackage(folder: folder)
    let description = package.description
    let recipe = try Recipe(text: description.recipe, path: folder + "/policy.json")
    let schema = ObservationSchema(
      images: Dictionary(
        uniqueKeysWithValues: description.observation.images.map { ($0.key, .init(height: $0.height, width: $0.width)) }
      ),
      vectors: Dictionary(uniqueKeysWithValues: description.observation.vectors.map { ($0.key, $0.width) }))
    var context = EncoderContext(schema: schema, vocabulary: description.vocabulary)
    context.attachments = description.attachments ?? [:]
    context.tensors = package.attached
    let loaded = try LoadedPolicy(
      recipe: recipe,
      blueprint: PolicyBlueprint(
        encoder: context,
        actions: description.action.layout ?? .whole(width: description.action.dimensions.count), datasets: []),
      normalizer: package.normalizer, catalog: session.catalog)
    try loaded.policy.load(package.weights)
    try package.golden.check(package.golden.answer(of: loaded.agent))
    if let unknown = package.unknown { tell("note: \(folder): unknown: \(unknown)") }
    print("\(folder): whole; \(description.encoder) + \(description.policy) reproduces its golden output")
  }
}
