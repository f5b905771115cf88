import Foundation
import Imitation
import Layers

/// What a policy was built for; with the recipe it rebuilds the modules that weights are loaded into.
package struct PolicyBlueprint: Codable, Sendable, Equatable {
  package var encoder: EncoderContext
  /// How many actions it learns; what they are of the whole is in `actions`.
  package var actionWidth: Int
  /// Nil when it learns the whole action.
  package var actions: ActionLayout?
  /// What the numbers of a whole action mean; nil in checkpoints of before that was kept.
  package var actionSchema: ActionSchema?
  /// What low-dimensional observations mean, as far as it is known.
  package var vectorSchemas: [String: VectorSchema]?
  /// The demonstrations the statistics and weights come from.
  package var datasets: [DatasetFingerprint]

  /// - Parameter schema: what is known of the whole action; nothing when nil.
  package init(
    encoder: EncoderContext, actions: ActionLayout, schema: ActionSchema? = nil, vectors: [String: VectorSchema] = [:],
    datasets: [DatasetFingerprint]
  ) {
    self.encoder = encoder
    actionWidth = actions.width
    self.actions = actions.isWhole ? nil : actions
    actionSchema = schema ?? .unknown(width: actions.template.count)
    vectorSchemas = vectors
    self.datasets = datasets
  }

  /// What is known of the whole action.
  package var wholeAction: ActionSchema {
    actionSchema ?? .unknown(width: actions?.template.count ?? actionWidth)
  }
}

/// A checkpoint that cannot be used.
package enum CheckpointError: Error, Equatable, CustomStringConvertible {
  case notACheckpoint(path: String, lacks: String)
  case otherRecipe(path: String)

  package var description: String {
    switch self {
    case .notACheckpoint(let path, let lacks): "\(path): not a training checkpoint: it has no \(lacks)"
    case .otherRecipe(let path):
      "\(path) belongs to another recipe; give this one another --run folder, or --restart to start over"
    }
  }
}

/// Everything a policy's run needs to go on with the same bits: one archive, written whole or not at all.
///
/// Its groups are the training's state, `normalizer`, and `attached` for what the encoder read from files when it was made.
package struct Checkpoint {
  package static let format = "imitationkit-checkpoint-1"

  package var state: TrainingState
  package var recipe: String
  package var blueprint: PolicyBlueprint
  package var normalizer: Normalizer

  package init(state: TrainingState, recipe: String, blueprint: PolicyBlueprint, normalizer: Normalizer) {
    self.state = state
    self.recipe = recipe
    self.blueprint = blueprint
    self.normalizer = normalizer
  }

  package var step: Int { state.step }

  /// What a checkpoint holds besides the training's state.
  package static func header(
    recipe: String, blueprint: PolicyBlueprint, normalizer: Normalizer
  ) throws -> TensorArchive {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return TensorArchive(
      format: format,
      metadata: ["recipe": recipe, "blueprint": String(decoding: try encoder.encode(blueprint), as: UTF8.self)],
      groups: ["normalizer": normalizer.tensors, "attached": blueprint.encoder.tensors])
  }

  package func write(to path: String) throws {
    let header = try Checkpoint.header(recipe: recipe, blueprint: blueprint, normalizer: normalizer)
    try state.added(to: header).write(to: path)
  }

  /// The recipe in a checkpoint, without loading its weights.
  /// - Throws: `CheckpointError`, `SafetensorsError`.
  package static func recipe(in path: String) throws -> String {
    try text("recipe", in: path, format: format)
  }

  /// The demonstrations that a checkpoint was trained on, without loading its weights; none where it does not say.
  /// - Throws: `CheckpointError`, `SafetensorsError`.
  package static func datasets(in path: String) throws -> [DatasetFingerprint] {
    try blueprint(in: path)?.datasets ?? []
  }

  /// What a checkpoint's policy was built for, without loading its weights; nil where it cannot be read.
  /// - Throws: `CheckpointError`, `SafetensorsError`.
  package static func blueprint(in path: String) throws -> PolicyBlueprint? {
    let blueprint = try text("blueprint", in: path, format: format)
    return try? JSONDecoder().decode(PolicyBlueprint.self, from: Data(blueprint.utf8))
  }

  /// An entry of an archive's metadata, without loading its tensors.
  static func text(_ key: String, in path: String, format: String) throws -> String {
    try naming {
      guard let text = try TensorArchive.metadata(of: path, format: format)[key] else {
        throw ArchiveError(path: path, lacks: key)
      }
      return text
    }
  }

  /// - Throws: `CheckpointError`, `SafetensorsError`, `NormalizerError`.
  package init(path: String) throws {
    self = try Checkpoint.naming {
      let archive = try TensorArchive(
        path: path, format: Checkpoint.format, prefixes: TrainingState.groups + ["normalizer", "attached"])
      let state = try TrainingState(archive, path: path)
      let text = try archive.text("blueprint", path: path)
      guard var blueprint = try? JSONDecoder().decode(PolicyBlueprint.self, from: Data(text.utf8)) else {
        throw ArchiveError(path: path, lacks: "blueprint")
      }
      blueprint.encoder.tensors = archive["attached"]
      return Checkpoint(
        state: state, recipe: try archive.text("recipe", path: path), blueprint: blueprint,
        normalizer: try Normalizer(tensors: archive["normalizer"]))
    }
  }

  /// Says of an archive that is no checkpoint that it is none.
  static func naming<Result>(_ body: () throws -> Result) throws -> Result {
    do { return try body() } catch let error as ArchiveError {
      throw CheckpointError.notACheckpoint(path: error.path, lacks: error.lacks)
    }
  }
}
