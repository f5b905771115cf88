import ArgumentParser
import Foundation
import ImitationKit

/// `imitate import`: another toolkit's weights as a run.
struct Import: Verb {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Make a run of a checkpoint of robomimic or Diffusion Policy.",
    discussion: """
      The checkpoint is written as safetensors first, where its own toolkit is installed: see docs/importing.md. The recipe \
      describes the same network in our words; every tensor must find its place and fit it.
      """)

  @Argument(help: "What docs/checkpoint_to_safetensors.py wrote.") var weights: String
  @Option(help: "The recipe of the same policy.") var recipe: String
  @Option(name: .customLong("run"), help: "The run folder; runs/NAME when left out.") var runFolder: String?
  @Option(name: .customLong("set"), help: "Change a value of the recipe: path.to.key=value.") var changes: [String] = []

  func run(in session: Session) throws {
    tell(notes: SettingsFile.oldKeys(recipe, changes: changes))
    let recipe = try Recipe(path: recipe, changes: changes)
    try recipe.check(session.catalog, files: true)
    let folder = RunFolder(runFolder ?? "runs/\(recipe.name)")
    guard folder.checkpointSteps.isEmpty else {
      throw CommandFailure("\(folder.path) has checkpoints already; give --run another folder")
    }
    do {
      let foreign = try ForeignWeights(path: weights)
      let loaded = try load(foreign, recipe, session.catalog)
      try folder.create(recipe: recipe.text)
      // Trained to the end, as far as we are concerned.
      let path = folder.checkpoint(step: recipe.training.steps)
      try Checkpoint(
        state: TrainingState(
          step: recipe.training.steps, weights: loaded.policy.snapshot(), average: [:], optimizer: [:]),
        recipe: recipe.text, blueprint: loaded.blueprint, normalizer: loaded.normalizer
      ).write(to: path)
      print("\(path): \(loaded.policy.parameterCount) parameters of \(foreign.source.rawValue)")
    } catch let error as ForeignWeightsError {
      throw CommandFailure("\(weights): \(error)")
    }
  }

  private func load(_ foreign: ForeignWeights, _ recipe: Recipe, _ catalog: Catalog) throws -> TrainedPolicy {
    let seen = (recipe.observations.images + recipe.observations.vectors).sorted()
    let schema = foreign.schema
    guard recipe.observations.images.sorted() == schema.imageKeys,
      recipe.observations.vectors.sorted() == schema.vectorKeys
    else { throw ForeignWeightsError.keys(recipe: seen, theirs: foreign.keys.map(\.key).sorted()) }
    let width = try foreign.actionWidth
    let layout = try layout(recipe.actions, width: width)
    let actions = try SettingError.naming(recipe.path) {
      try recipe.actions.schema?.schema(width: layout.template.count)
    }
    let blueprint = PolicyBlueprint(
      encoder: EncoderContext(schema: schema, vocabulary: []), actions: layout, schema: actions, datasets: [])
    let loaded = try TrainedPolicy(
      recipe: recipe, blueprint: blueprint, normalizer: foreign.normalizer(actionWidth: width),
      catalog: catalog)
    // Weights of other settings would fit as well, and act wrongly.
    try foreign.compare(with: recipe, loaded.policy, catalog)
    let causal =
      (loaded.policy as? BCTransformer)?.isCausal ?? (loaded.policy as? DiffusionTransformer)?.network.isCausal
    if let theirs = foreign.isCausal, let causal, theirs != causal { throw ForeignWeightsError.causal(theirs) }
    try loaded.policy.load(foreign.weights(for: loaded.policy))
    return loaded
  }

  /// The recipe's action settings around a policy of `width` numbers, with no demonstrations to look at.
  private func layout(_ actions: ActionSettings, width: Int) throws -> ActionLayout {
    let constants = actions.constants ?? []
    let total = width - 3 * actions.rotations.count + constants.count
    let learned = actions.activeDimensions ?? Array(0..<max(0, total))
    guard total > 0, learned.count + constants.count == total, learned.allSatisfy({ (0..<total).contains($0) }),
      actions.rotations.allSatisfy({ ActionLayout.holds(rotation: $0, learned) })
    else {
      throw CommandFailure(
        "the weights give \(width) numbers an action; actions.active_dimensions, constants and rotations of the recipe do not add up to that"
      )
    }
    var template = [Float](repeating: 0, count: total)
    for (place, value) in zip((0..<total).filter { !learned.contains($0) }, constants) { template[place] = value }
    return ActionLayout(learned: learned, template: template, rotations: actions.rotations)
  }
}
