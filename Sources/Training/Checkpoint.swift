import Foundation
import Imitation
import Layers
import Tensors

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

/// Which demonstrations exactly.
package struct DatasetFingerprint: Codable, Sendable, Equatable {
  package var task: String
  package var file: String
  package var bytes: Int
  package var sha256: String
  /// The filter key and how many episodes it named.
  package var key: String
  package var episodes: Int
  /// SHA-256 of the other files that its values come from; nil when there are none.
  package var linked: [String]?

  package init(
    task: String, file: String, bytes: Int, sha256: String, key: String, episodes: Int, linked: [String] = []
  ) {
    self.task = task
    self.file = file
    self.bytes = bytes
    self.sha256 = sha256
    self.key = key
    self.episodes = episodes
    self.linked = linked.isEmpty ? nil : linked
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
      "\(path) belongs to another recipe; give this one another --run folder, or --restart to begin anew"
    }
  }
}

/// Everything a run needs to go on with the same bits: one safetensors file, written whole or not at all.
///
/// Tensors are grouped by prefix: `weights/`, `average/`, `optimizer/`, `normalizer/`, and `attached/` for what the encoder
/// read from files when it was made. Random numbers and the position in
/// the data order follow from the recipe's seed and the step number, so the step is all that is kept of them.
package struct Checkpoint {
  package static let format = "imitationkit-checkpoint-1"

  package var step: Int
  package var recipe: String
  package var blueprint: PolicyBlueprint
  package var normalizer: Normalizer
  package var weights: [String: Tensor]
  package var average: [String: Tensor]
  package var optimizer: [String: Tensor]

  package init(
    step: Int, recipe: String, blueprint: PolicyBlueprint, normalizer: Normalizer, weights: [String: Tensor],
    average: [String: Tensor], optimizer: [String: Tensor]
  ) {
    self.step = step
    self.recipe = recipe
    self.blueprint = blueprint
    self.normalizer = normalizer
    self.weights = weights
    self.average = average
    self.optimizer = optimizer
  }

  /// The weights to act with: the averaged ones where there are any.
  package var actingWeights: [String: Tensor] {
    weights.merging(average.filter { weights[$0.key] != nil }) { _, averaged in averaged }
  }

  package func write(to path: String) throws {
    let groups: [(String, [String: Tensor])] = [
      ("weights", weights), ("average", average), ("optimizer", optimizer), ("normalizer", normalizer.tensors),
      ("attached", blueprint.encoder.tensors),
    ]
    var tensors: [String: Tensor] = [:]
    for (prefix, group) in groups { for (name, tensor) in group { tensors["\(prefix)/\(name)"] = tensor } }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    try Safetensors.write(
      tensors,
      metadata: [
        "format": Checkpoint.format, "step": String(step), "recipe": recipe,
        "blueprint": String(decoding: try encoder.encode(blueprint), as: UTF8.self),
      ], to: path)
  }

  /// The recipe in a checkpoint, without reading its weights.
  /// - Throws: `CheckpointError`, `SafetensorsError`.
  package static func recipe(in path: String) throws -> String {
    let metadata = try Safetensors.metadata(of: path)
    guard metadata["format"] == Checkpoint.format else {
      throw CheckpointError.notACheckpoint(path: path, lacks: "format '\(Checkpoint.format)'")
    }
    guard let recipe = metadata["recipe"] else { throw CheckpointError.notACheckpoint(path: path, lacks: "recipe") }
    return recipe
  }

  package init(path: String) throws {
    let (tensors, metadata) = try Safetensors.read(path)
    guard metadata["format"] == Checkpoint.format else {
      throw CheckpointError.notACheckpoint(path: path, lacks: "format '\(Checkpoint.format)'")
    }
    guard let step = metadata["step"].flatMap(Int.init) else {
      throw CheckpointError.notACheckpoint(path: path, lacks: "step")
    }
    guard let recipe = metadata["recipe"] else { throw CheckpointError.notACheckpoint(path: path, lacks: "recipe") }
    guard let text = metadata["blueprint"],
      var blueprint = try? JSONDecoder().decode(PolicyBlueprint.self, from: Data(text.utf8))
    else { throw CheckpointError.notACheckpoint(path: path, lacks: "blueprint") }
    func group(_ prefix: String) -> [String: Tensor] {
      var group: [String: Tensor] = [:]
      for (name, tensor) in tensors where name.hasPrefix(prefix + "/") {
        group[String(name.dropFirst(prefix.count + 1))] = tensor
      }
      return group
    }
    blueprint.encoder.tensors = group("attached")
    self.init(
      step: step, recipe: recipe, blueprint: blueprint, normalizer: try Normalizer(tensors: group("normalizer")),
      weights: group("weights"), average: group("average"), optimizer: group("optimizer"))
  }
}
